/**
 * Requests that mean the same to two servers which give different ids: where an id belongs stands a name, as `<pool 0>` (the first pool
 * there is), `<member 1 pool>` (the pool of the second member).
 */

export const kinds = [
  ...(['loadbalancer', 'listener', 'pool', 'member', 'healthmonitor', 'l7policy', 'rule'] as const),
  ...(['flavorprofile', 'flavor', 'availabilityzoneprofile'] as const),
] as const
export type Kind = (typeof kinds)[number]

export interface Step {
  method: string
  path: string
  /** An object is sent as JSON, a string as it is. */
  body?: unknown
  /** Besides `Accept: application/json`; undefined takes one away. */
  headers?: Record<string, string | undefined>
  /** False: the worker has not done its part when the next request comes. */
  isSettled?: boolean
}

export interface Request {
  method: string
  path: string
  body: string | undefined
  headers: Record<string, string>
}

export const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

/** Nobody's. */
export const NO_ID = '0bad0bad-0bad-4bad-8bad-0bad0bad0bad'

const reference = /<(\w+) (\d+)(?: (\w+))?>/g

export type Resolve = (kind: Kind, index: number, parent: string | undefined) => string

/** In: how a name becomes the server's id. */
export function requestOf({ method, path, body, headers }: Step, resolve: Resolve): Request {
  const named = (text: string) =>
    text.replaceAll(reference, (_, kind: Kind, index: string, parent?: string) => resolve(kind, Number(index), parent))
  const sent: Record<string, string> = { accept: 'application/json' }
  if (body !== undefined) sent['content-type'] = 'application/json'
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (value === undefined) delete sent[name]
    else sent[name] = value
  }
  const text = body === undefined ? undefined : named(typeof body === 'string' ? body : JSON.stringify(body))
  return { method, path: named(path), body: text, headers: sent }
}

/** The same request to a server that has other ids. */
export function withIds(request: Request, other: (id: string) => string): Request {
  const translated = (text: string) => text.replace(uuid, other)
  return { ...request, path: translated(request.path), body: request.body === undefined ? undefined : translated(request.body) }
}
