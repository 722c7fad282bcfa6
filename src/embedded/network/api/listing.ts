/** Filters, order, pages and field selection of Neutron's lists, over objects as they go on the wire. */
import type { Json } from '../../../lib/json.ts'
import { lastValueOf, type Query, valuesOf } from '../../http.ts'
import { NeutronError } from '../errors.ts'

export type Wire = { id: string; tags: string[] } & { [name: string]: Json }

/** The longest page, also for who asks for none. */
const maxPageSize = 1_000
const control = new Set(['limit', 'marker', 'page_reverse', 'sort_key', 'sort_dir', 'fields'])
const tagFilters = ['tags', 'tags-any', 'not-tags', 'not-tags-any'] as const

/** The page of `items` that the query asks for. `attributes`: the names by which the resource can be filtered and sorted. */
export function listPage(plural: string, items: Wire[], attributes: ReadonlySet<string>, query: Query, url: URL): object {
  const sorted = sort(filter(items, attributes, query), attributes, query)
  const { shown, before, after } = page(sorted, query)
  const links = [
    ...(after ? [{ rel: 'next', href: link(url, shown.at(-1)!.id, false) }] : []),
    ...(before ? [{ rel: 'previous', href: link(url, shown[0]!.id, true) }] : []),
  ]
  const asked = lastValueOf(query, 'limit') !== undefined
  return { [plural]: shown.map((item) => selectFields(item, query)), ...(asked && links.length > 0 ? { [`${plural}_links`]: links } : {}) }
}

/** Only those that `fields` names; all without it. */
export function selectFields(item: Wire, query: Query): { [name: string]: Json } {
  const fields = valuesOf(query, 'fields')
  return fields.length === 0 ? item : Object.fromEntries(Object.entries(item).filter(([name]) => fields.includes(name)))
}

function filter(items: Wire[], attributes: ReadonlySet<string>, query: Query): Wire[] {
  const names = Object.keys(query).filter((name) => !control.has(name))
  const unknown = names.filter((name) => !attributes.has(name) && !tagFilters.some((known) => known === name))
  if (unknown.length > 0) throw badRequest(`[${unknown.map((name) => `'${name}'`).join(', ')}] is invalid attribute for filtering`)
  return items.filter((item) => names.every((name) => matches(item, name, valuesOf(query, name))))
}

function matches(item: Wire, name: string, wanted: string[]): boolean {
  if (tagFilters.some((known) => known === name)) return matchesTags(item.tags, name as (typeof tagFilters)[number], wanted)
  if (name === 'fixed_ips') return matchesFixedIps(item.fixed_ips as { subnet_id: string; ip_address: string }[], wanted)
  const value = item[name === 'security_group_id' && item.security_groups !== undefined ? 'security_groups' : name]
  if (Array.isArray(value)) return value.some((element) => wanted.includes(String(element)))
  if (typeof value === 'boolean') return wanted.some((text) => ['true', '1', 'yes'].includes(text.toLowerCase()) === value)
  if (value === null || value === undefined) return wanted.some((text) => text === '' || text === 'null')
  return wanted.includes(String(value))
}

/** `ip_address=192.0.2.1`, `subnet_id=...`, `ip_address_substr=192.0`: one of each kind that is named must fit. */
function matchesFixedIps(fixedIps: { subnet_id: string; ip_address: string }[], wanted: string[]): boolean {
  const pairs = wanted.map((text) => {
    const [, key, value] = /^(ip_address|subnet_id|ip_address_substr)=(.*)$/.exec(text) ?? []
    if (key === undefined || value === undefined) throw badRequest(`Invalid input for fixed_ips. Reason: '${text}' is not KEY=VALUE.`)
    return { key, value }
  })
  const fits = {
    ip_address: (fixed: { ip_address: string }, value: string) => fixed.ip_address === value,
    subnet_id: (fixed: { subnet_id: string }, value: string) => fixed.subnet_id === value,
    ip_address_substr: (fixed: { ip_address: string }, value: string) => fixed.ip_address.includes(value),
  }
  return (Object.keys(fits) as (keyof typeof fits)[]).every((kind) => {
    const ofKind = pairs.filter(({ key }) => key === kind)
    return ofKind.length === 0 || ofKind.some(({ value }) => fixedIps.some((fixed) => fits[kind](fixed, value)))
  })
}

function matchesTags(tags: string[], how: (typeof tagFilters)[number], wanted: string[]): boolean {
  const asked = wanted.flatMap((text) => text.split(','))
  const some = asked.some((tag) => tags.includes(tag))
  const every = asked.every((tag) => tags.includes(tag))
  return { tags: every, 'tags-any': some, 'not-tags': !every, 'not-tags-any': !some }[how]
}

/** By the named keys; then, and without any, in the order in which the objects were made. */
function sort(items: Wire[], attributes: ReadonlySet<string>, query: Query): Wire[] {
  const keys = valuesOf(query, 'sort_key')
  const directions = valuesOf(query, 'sort_dir')
  const bad = keys.find((key) => !attributes.has(key))
  if (bad !== undefined) throw badRequest(`[${bad}] is invalid attribute for sort_keys`)
  const signs = keys.map((_, i) => (directions[i] === 'desc' ? -1 : 1))
  return items.toSorted((a, b) => {
    for (const [i, key] of keys.entries()) {
      const order = compare(a[key] ?? null, b[key] ?? null) * signs[i]!
      if (order !== 0) return order
    }
    return 0
  })
}

function compare(a: Json, b: Json): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const [left, right] = [String(a ?? ''), String(b ?? '')]
  return left < right ? -1 : left > right ? 1 : 0
}

function page(items: Wire[], query: Query): { shown: Wire[]; before: boolean; after: boolean } {
  const text = lastValueOf(query, 'limit')
  const limit = text === undefined ? 0 : Number(text)
  if (!Number.isInteger(limit) || limit < 0) throw badRequest(`Bad limit request: Limit must be an integer 0 or greater and not '${text}'.`)
  const size = limit === 0 ? maxPageSize : Math.min(limit, maxPageSize)
  const marker = lastValueOf(query, 'marker')
  const at = marker === undefined ? -1 : items.findIndex((item) => item.id === marker)
  if (marker !== undefined && at < 0) throw badRequest(`Marker ${marker} could not be found.`)
  const backwards = ['true', '1'].includes((lastValueOf(query, 'page_reverse') ?? '').toLowerCase())
  const end = backwards ? (marker === undefined ? items.length : at) : Math.min(at + 1 + size, items.length)
  const start = backwards ? Math.max(end - size, 0) : at + 1
  const shown = items.slice(start, end)
  return { shown, before: start > 0 && shown.length > 0, after: end < items.length && shown.length > 0 }
}

function link(url: URL, marker: string, backwards: boolean): string {
  const other = new URL(url)
  other.searchParams.set('marker', marker)
  if (backwards) other.searchParams.set('page_reverse', 'True')
  else other.searchParams.delete('page_reverse')
  return other.href
}

const badRequest = (message: string): NeutronError => new NeutronError(400, 'HTTPBadRequest', message)
