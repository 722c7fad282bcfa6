/** Pages, filters and order of Barbican's lists. */
import type { SelectQueryBuilder } from 'kysely'
import type { Tables } from '../../../db/tables.ts'
import { HttpFault, lastValueOf, type Query } from '../../http.ts'
import type { SecretRow } from '../tables.ts'

/** Barbican's `default_limit_paging` and `max_limit_paging`. */
const DEFAULT_LIMIT = 10
const MAX_LIMIT = 100
const MAX_OFFSET = 2 ** 31 - 1

export type Page = { offset: number; limit: number }

/** What is no number, or out of bounds, is as if it had not been said. */
export function pageOf(query: Query): Page {
  const [offset, limit] = [wholeNumber(lastValueOf(query, 'offset')), wholeNumber(lastValueOf(query, 'limit'))]
  return {
    offset: offset === null || offset < 0 || offset > MAX_OFFSET ? 0 : offset,
    limit: limit === null ? DEFAULT_LIMIT : Math.min(Math.max(limit, 1), MAX_LIMIT),
  }
}

/** `collection` is the path of the list, from `/v1/` on. */
export function listAnswer(base: string, collection: string, items: object[], total: number, { offset, limit }: Page): object {
  const link = (from: number) => `${base}/v1/${collection}?limit=${limit}&offset=${from}`
  return {
    [collection.split('/').at(-1)!]: items,
    ...(items.length > 0 && offset > 0 ? { previous: link(Math.max(0, offset - limit)) } : {}),
    ...(items.length > 0 && total > offset + limit ? { next: link(offset + limit) } : {}),
    total,
  }
}

type Secrets = SelectQueryBuilder<Tables, 'embedded_secret', object>

/** What the query asks for: `name`, `alg`, `mode`, `bits`, `secret_type`, and times as `created=gte:2026-01-01T00:00:00,lt:...`. Throws 400. */
export function filterSecrets<Q extends Secrets>(secrets: Q, query: Query): Q {
  let filtered: Secrets = secrets
  const equals = { name: 'name', algorithm: 'alg', mode: 'mode', secret_type: 'secret_type' } as const
  for (const [column, parameter] of Object.entries(equals) as [keyof typeof equals, string][]) {
    const wanted = lastValueOf(query, parameter)
    if (wanted) filtered = filtered.where(column, '=', wanted as SecretRow['secret_type'])
  }
  const bits = wholeNumber(lastValueOf(query, 'bits'))
  if (bits !== null && bits > 0 && bits <= MAX_OFFSET) filtered = filtered.where('bit_length', '=', bits)
  const times = { created_at_ms: 'created', updated_at_ms: 'updated', expires_at_ms: 'expiration' } as const
  for (const [column, parameter] of Object.entries(times) as [keyof typeof times, string][]) {
    const wanted = lastValueOf(query, parameter)
    if (!wanted) continue
    for (const { operator, ms } of timesOf(wanted)) filtered = filtered.where(column, operator, ms)
  }
  return filtered as Q
}

const operators = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

function timesOf(text: string): { operator: '>' | '>=' | '<' | '<=' | '='; ms: number }[] {
  return text.split(',').map((part) => {
    const [, name, time] = /^(?:(gte?|lte?):)?(.+)$/.exec(part.trim()) ?? []
    const ms = parseTime(time ?? '')
    if (ms === null) throw badQuery()
    return { operator: name === undefined ? '=' : operators[name as keyof typeof operators], ms }
  })
}

const sortColumns: Record<string, keyof SecretRow> = {
  algorithm: 'algorithm',
  bit_length: 'bit_length',
  created: 'created_at_ms',
  expiration: 'expires_at_ms',
  mode: 'mode',
  name: 'name',
  secret_type: 'secret_type',
  updated: 'updated_at_ms',
}

/** `sort=name:desc,created`; without it in the order in which they were stored. Throws 400. */
export function orderOf(query: Query): { column: keyof SecretRow; direction: 'asc' | 'desc' }[] {
  const asked = (lastValueOf(query, 'sort') ?? '').split(',').filter((key) => key !== '')
  const order = asked.map((text) => {
    const [key = '', direction = 'asc', ...rest] = text.split(':')
    const column = Object.hasOwn(sortColumns, key) ? sortColumns[key] : undefined
    // All are ACTIVE, so sorting by status changes nothing.
    if (rest.length > 0 || (column === undefined && key !== 'status') || (direction !== 'asc' && direction !== 'desc')) throw badQuery()
    return { column: column ?? 'id', direction } as const
  })
  return [...order, { column: 'created_at_ms', direction: 'asc' }, { column: 'id', direction: 'asc' }]
}

/** ISO 8601; without a zone it is UTC. Null when it is no time. */
export function parseTime(text: string): number | null {
  const iso = text.trim().replace(' ', 'T')
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/.test(iso)) return null
  const ms = Date.parse(/T.*(Z|[+-]\d{2}:?\d{2})$/.test(iso) ? iso : `${iso.includes('T') ? iso : `${iso}T00:00:00`}Z`)
  return Number.isNaN(ms) ? null : ms
}

function wholeNumber(text: string | undefined): number | null {
  return text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : null
}

const badQuery = () => new HttpFault(400, 'URI provided invalid query string parameters.')
