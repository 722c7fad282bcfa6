/**
 * Lists: filters, tags, sorting and pages, done by the database (upstream: `octavia/api/common/pagination.py`). Pages go on where the last
 * one ended (keyset), so the hundredth costs what the first does.
 */
import { type AliasedRawBuilder, type ExpressionBuilder, type RawBuilder, type SelectQueryBuilder, type SqlBool, sql } from 'kysely'
import type { Config } from '../config/config.ts'
import type { Db } from '../db/connection.ts'
import { booleanColumns, type Tables } from '../db/tables.ts'
import { invalidFilter, invalidLimit, invalidMarker, invalidSortDirection, invalidSortItem, invalidSortKey } from './faults.ts'
import { publicUrl, type UrlRequest } from './public-url.ts'
import { isTrueWord } from './query.ts'
import type { Query } from './route.ts'

type ListedTable =
  | ('load_balancer' | 'listener' | 'pool' | 'member' | 'health_monitor' | 'l7policy' | 'l7rule' | 'amphora')
  | ('quota' | 'event')
  | ('flavor' | 'flavor_profile' | 'availability_zone' | 'availability_zone_profile')

/** What can be listed of a table, and how it is asked for. */
export interface ListSpec<T extends ListedTable, E = object> {
  table: T
  /** Columns that can be filtered and sorted by; each by its own name. */
  columns: readonly (keyof Tables[T] & string)[]
  /** Other names for them, such as `loadbalancer_id` for `load_balancer_id`. */
  aliases?: Record<string, keyof Tables[T] & string>
  /** What rows are sorted by in the end, the last of them unique: markers are its values. Default: `created_at`, `id`. */
  order?: readonly (keyof Tables[T] & string)[]
  /** The latest first, unless the request sorts otherwise. */
  descending?: boolean
  /** Rows whose column has this value are not shown: deleted ones that are kept for a while. */
  hidden?: { column: keyof Tables[T] & string; value: string | boolean }
  /** What is selected besides the table's columns: the columns of E. */
  extras?: readonly AliasedRawBuilder<unknown, keyof E & string>[]
  /** Filters on what is not a column of the table. */
  filters?: Record<string, (value: string) => RawBuilder<SqlBool>>
}

/** What of a list the request may name. */
type Named<T extends ListedTable> = Pick<ListSpec<T>, 'columns' | 'aliases' | 'order' | 'descending' | 'filters'>

/** What of a request a list depends on. */
export interface ListRequest extends UrlRequest {
  query: Query
}

export interface Link {
  rel: 'next' | 'previous'
  href: string
}

export interface Page<R> {
  rows: R[]
  links: Link[]
}

// One type stands for all tables: which columns exist was checked by `ListSpec`, and the builder only sees their names.
type Builder = SelectQueryBuilder<Tables, 'load_balancer', Tables['load_balancer']>
type Where = ExpressionBuilder<Tables, 'load_balancer'>
type AnyColumn = keyof Tables['load_balancer'] & string

/**
 * In: `where`, what the list is confined to besides the request's filters (a project, a parent); null confines nothing. A page has at most
 * `[api_settings] pagination_max_limit` rows, unless the client asks for no limit. Throws 400 for a filter, sort key, direction, marker or
 * limit that makes no sense.
 */
export async function listPage<T extends ListedTable, E = object>(
  db: Db,
  config: Config,
  request: ListRequest,
  spec: ListSpec<T, E>,
  where: { [C in keyof Tables[T]]?: Tables[T][C] | null } = {},
): Promise<Page<Tables[T] & E>> {
  const { query } = request
  const limit = limitOf(query, config)
  const isReversed = isTrueWord(query.page_reverse)
  let select = db.selectFrom(spec.table as 'load_balancer').selectAll() as Builder
  if (spec.hidden) select = select.where(spec.hidden.column as AnyColumn, '!=', spec.hidden.value)
  for (const [column, value] of Object.entries(where)) {
    if (value !== null && value !== undefined) select = select.where(column as AnyColumn, '=', value as string)
  }
  if (config.api_settings.allow_filtering) select = filtered(select, query, spec)
  const sort = sortOf(query, spec, config)
  const marker = config.api_settings.allow_pagination ? one(query.marker) : undefined
  if (marker !== undefined) {
    const seen = await db
      .selectFrom(spec.table as 'load_balancer')
      .selectAll()
      .where(keyOf(spec) as AnyColumn, '=', marker)
      .executeTakeFirst()
    if (seen === undefined) throw invalidMarker(marker)
    select = select.where((eb) => beyond(eb, sort, seen, isReversed))
  }
  for (const { column, direction } of sort) {
    select = select.orderBy(sortable(column), isReversed ? opposite(direction) : direction)
  }
  if (limit !== null && config.api_settings.allow_pagination) select = select.limit(limit)
  const found = (await select.select(spec.extras ?? []).execute()) as unknown as (Tables[T] & E)[]
  const rows = isReversed ? found.reverse() : found
  return { rows, links: config.api_settings.allow_pagination ? linksOf(request, config, rows, { key: keyOf(spec), limit, marker }) : [] }
}

/** Arguments that are not filters. */
const auxiliary: ReadonlySet<string> = new Set(['limit', 'marker', 'sort', 'sort_key', 'sort_dir', 'fields', 'page_reverse'])

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.at(-1) : value
}

/** As upstream, every GET's, before anything is looked up. Throws 400. */
export function checkPageArguments(query: Query): void {
  askedLimit(query)
  askedSort(query)
}

/** Null: no limit. */
function limitOf(query: Query, { api_settings }: Config): number | null {
  const asked = askedLimit(query)
  return asked === null ? null : Math.min(asked, api_settings.pagination_max_limit)
}

function askedLimit(query: Query): number | null {
  const asked = one(query.limit)
  if (asked === undefined) return Number.POSITIVE_INFINITY
  if (asked === 'infinite') return null
  // What Python's int() reads.
  if (!/^\s*[+-]?\d+(_\d+)*\s*$/.test(asked)) throw invalidLimit(asked)
  const limit = Number(asked.replaceAll('_', ''))
  return limit < 1 ? null : limit
}

type Direction = 'asc' | 'desc'
type SortKey = { column: string; direction: Direction }

const opposite = (direction: Direction): Direction => (direction === 'asc' ? 'desc' : 'asc')

function orderOf<T extends ListedTable>({ order }: Named<T>): readonly string[] {
  return order ?? ['created_at', 'id']
}

function keyOf<T extends ListedTable>(spec: Named<T>): string {
  return orderOf(spec).at(-1)!
}

function sortOf<T extends ListedTable>(query: Query, spec: Named<T>, { api_settings }: Config): SortKey[] {
  const asked = api_settings.allow_sorting ? askedSort(query) : []
  const keys = asked.map(({ key, direction }) => {
    const column = columnOf(spec, key)
    if (column === undefined) throw invalidSortKey(key)
    return { column, direction }
  })
  for (const column of orderOf(spec)) {
    if (!keys.some((key) => key.column === column)) keys.push({ column, direction: spec.descending ? 'desc' : 'asc' })
  }
  // Behind the unique one there is nothing left to sort by.
  return keys.slice(0, keys.findIndex(({ column }) => column === keyOf(spec)) + 1)
}

function askedSort(query: Query): { key: string; direction: Direction }[] {
  const sort = one(query.sort)
  const sortKeys = one(query.sort_key)
  if (sort) {
    return sort.split(',').map((item) => {
      const parts = item.split(':')
      if (parts.length > 2) throw invalidSortItem(parts)
      return { key: parts[0]!, direction: directionOf(parts[1] ?? 'asc') }
    })
  }
  if (!sortKeys) return []
  const sortDir = one(query.sort_dir)
  const directions = sortDir ? sortDir.split(',') : []
  return sortKeys.split(',').map((key, index) => ({ key, direction: directionOf(directions[index] ?? 'asc') }))
}

function directionOf(text: string): Direction {
  const direction = text.toLowerCase()
  if (direction !== 'asc' && direction !== 'desc') throw invalidSortDirection(direction)
  return direction
}

function columnOf<T extends ListedTable>({ columns, aliases }: Named<T>, name: string): string | undefined {
  return own(aliases, name) ?? columns.find((column) => column === name)
}

/** What clients name may be `constructor`. */
function own<V>(table: Record<string, V> | undefined, name: string): V | undefined {
  return table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined
}

/** SQLite and PostgreSQL put null at different ends; as the smallest value it has one place, and can be compared with. */
function sortable(column: string) {
  const reference = sql.ref(column)
  if (!nullableColumns.has(column)) return reference
  return numberColumns.has(column) ? sql`coalesce(${reference}, ${sql.lit(smallestNumber)})` : sql`coalesce(${reference}, '')`
}

const smallestNumber = -2_147_483_648

/**
 * Rows after the last one seen (before it, in reverse): greater in the first key, or equal in it and greater in the next, and so on. Keys
 * of one direction are compared as a whole, by which a database finds its place in an index; others at least by their first.
 */
function beyond(eb: Where, sort: SortKey[], seen: object, isReversed: boolean) {
  const values = seen as Record<string, unknown>
  const keys = sort.map(({ column, direction }) => ({
    column: sortable(column),
    seen: values[column] ?? (numberColumns.has(column) ? smallestNumber : ''),
    isAscending: (direction === 'asc') !== isReversed,
  }))
  const [first] = keys
  const further = (isAscending: boolean) => sql.raw(isAscending ? '>' : '<')
  if (keys.every(({ isAscending }) => isAscending === first!.isAscending)) {
    const columns = sql.join(keys.map(({ column }) => column))
    return sql<SqlBool>`(${columns}) ${further(first!.isAscending)} (${sql.join(keys.map((key) => key.seen))})`
  }
  const cases = keys.map((last, index) => {
    const equal = keys.slice(0, index).map((key) => sql<SqlBool>`${key.column} = ${key.seen}`)
    return eb.and([...equal, sql<SqlBool>`${last.column} ${further(last.isAscending)} ${last.seen}`])
  })
  return eb.and([sql<SqlBool>`${first!.column} ${further(first!.isAscending)}= ${first!.seen}`, eb.or(cases)])
}

const nullableColumns: ReadonlySet<string> = new Set([
  ...['updated_at', 'vip_subnet_id', 'vip_qos_policy_id', 'flavor_id', 'availability_zone', 'default_pool_id', 'subnet_id'],
  ...['monitor_address', 'monitor_port', 'http_method', 'url_path', 'expected_codes', 'http_version', 'domain_name'],
  ...['redirect_pool_id', 'redirect_url', 'redirect_prefix', 'redirect_http_code', 'key', 'loadbalancer_id', 'compute_id'],
  ...['lb_network_ip', 'vrrp_ip', 'ha_ip', 'vrrp_port_id', 'ha_port_id', 'cert_expiration', 'role', 'vrrp_interface', 'vrrp_id'],
  ...['vrrp_priority', 'cached_zone', 'image_id', 'compute_flavor', 'default_tls_container_ref', 'client_ca_tls_container_ref'],
  ...['client_crl_container_ref', 'tls_ciphers', 'hsts_max_age', 'tls_container_ref', 'ca_tls_container_ref', 'crl_container_ref'],
  ...['load_balancer', 'listener', 'pool', 'member', 'health_monitor', 'l7policy', 'l7rule', 'duration_ms'],
])

const numberColumns: ReadonlySet<string> = new Set([
  ...['protocol_port', 'connection_limit', 'timeout_client_data', 'timeout_member_connect', 'timeout_member_data'],
  ...['timeout_tcp_inspect', 'hsts_max_age', 'weight', 'monitor_port', 'delay', 'timeout', 'max_retries', 'max_retries_down'],
  ...['http_version', 'redirect_http_code', 'position', 'vrrp_id', 'vrrp_priority'],
  ...['load_balancer', 'listener', 'pool', 'member', 'health_monitor', 'l7policy', 'l7rule', 'count', 'duration_ms', 'started_at_ms'],
])

function filtered<T extends ListedTable>(select: Builder, query: Query, spec: Named<T>): Builder {
  let result = select
  for (const [name, value] of Object.entries(query)) {
    if (auxiliary.has(name)) continue
    if (Object.hasOwn(tagFilters, name)) {
      // As upstream: what has no tags is not filtered by them.
      if (!(spec.columns as readonly string[]).includes('tags')) continue
      const tags = [value].flat().flatMap((item) => item.split(','))
      result = result.where((eb) => tagFilters[name as keyof typeof tagFilters](eb, tags))
      continue
    }
    const filter = own(spec.filters, name)
    if (filter !== undefined && typeof value === 'string') {
      result = result.where(filter(value))
      continue
    }
    const column = name === 'tenant_id' ? columnOf(spec, 'project_id') : columnOf(spec, name)
    if (column === undefined || Array.isArray(value)) throw invalidFilter()
    const wanted = filterValue(column, value)
    // What can't be a value of that column is the value of no row.
    result = wanted === undefined ? result.where(sql<SqlBool>`1 = 0`) : result.where(sql<SqlBool>`${sql.ref(column)} = ${wanted}`)
  }
  return result
}

function filterValue(column: string, text: string): string | number | boolean | undefined {
  if (booleanColumns.has(column)) return isTrueWord(text)
  if (!numberColumns.has(column)) return text.includes('\0') ? undefined : text
  const number = Number(text)
  const fits = text.trim() !== '' && Math.abs(number) < 2 ** 31 && (column === 'http_version' || Number.isInteger(number))
  return fits ? number : undefined
}

const tagFilters = {
  tags: (eb: Where, tags: string[]) => eb.and(tags.map(hasTag)),
  'tags-any': (eb: Where, tags: string[]) => eb.or(tags.map(hasTag)),
  'not-tags': (eb: Where, tags: string[]) => eb.not(eb.and(tags.map(hasTag))),
  'not-tags-any': (eb: Where, tags: string[]) => eb.not(eb.or(tags.map(hasTag))),
}

/**
 * Tags are a JSON list as text. With a comma in place of its bracket, a tag is in it where `,"tag"` is: inside a string a quote never
 * follows a comma without a backslash. `replace` alone finds text on both databases in the same way, case included.
 */
function hasTag(tag: string) {
  const list = sql`(',' || substr(tags, 2))`
  return sql<SqlBool>`replace(${list}, ${`,${JSON.stringify(tag)}`}, '') <> ${list}`
}

function linksOf(
  request: ListRequest,
  config: Config,
  rows: object[],
  { key, limit, marker }: { key: string; limit: number | null; marker: string | undefined },
): Link[] {
  if (rows.length === 0) return []
  const url = publicUrl(request, config)
  const kept = [`limit=${limit}`]
  for (const name of ['sort', 'sort_key'] as const) {
    const value = one(request.query[name])
    if (value) kept.push(`${name}=${encodeURI(value)}`)
  }
  const link = (rel: Link['rel'], row: object, ...more: string[]): Link => ({
    rel,
    href: `${url}?${[...kept, `marker=${encodeURIComponent((row as Record<string, string>)[key]!)}`, ...more].join('&')}`,
  })
  const links: Link[] = []
  if (marker !== undefined) links.push(link('previous', rows[0]!, 'page_reverse=True'))
  // A full page may be the last one; to know, one would have to look.
  if (limit !== null && rows.length >= limit) links.push(link('next', rows.at(-1)!))
  return links
}

/** The keys that `fields` asks for; unknown ones just vanish. In: an object as it is shown. */
export function selectFields<O extends object>(query: Query, config: Config, shown: O): Partial<O> {
  if (query.fields === undefined || !config.api_settings.allow_field_selection) return shown
  const wanted = new Set([query.fields].flat())
  return Object.fromEntries(Object.entries(shown).filter(([key]) => wanted.has(key))) as Partial<O>
}
