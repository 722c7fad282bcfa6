/**
 * The kinds of fields that bodies are made of. A kind says type, limits and default once; the type checker, the request's check
 * (`src/api/body.ts`) and the API's description are made from it.
 *
 * In a create body a field is mandatory unless it is `nullable`, has a `default` or is `Type.Optional`; what is absent or null becomes the
 * default, or null. In an update body (`changes`) what is absent stays absent and null stays null, for the handler to read as "clear".
 */
import { type Static, type TNull, type TObject, type TOptional, type TSchema, type TUnion, type TUnsafe, Type } from 'typebox'

/** Keywords of ours besides JSON schema's: what a null in a create body means where it is not the default, and that equal items are kept once. */
type Extra<T> = { default?: T; onNull?: T; distinct?: boolean; description?: string }

export function text(maxLength?: number, extra: Extra<string> = {}) {
  return Type.String({ ...(maxLength === undefined ? {} : { maxLength }), ...extra })
}

/** Any spelling Python's uuid takes; stored in lower case with hyphens. */
export function uuid(extra: Extra<string> = {}) {
  return Type.String({ format: 'uuid', ...extra })
}

export function integer(limits: { minimum?: number; maximum?: number } & Extra<number> = {}) {
  return Type.Integer(limits)
}

export function port(extra: Extra<number> = {}) {
  return integer({ minimum: 1, maximum: 65535, ...extra })
}

/** Takes true, false, numbers and the unambiguous words (`yes`, `off`, ...), as upstream does. */
export function boolean(extra: Extra<boolean> = {}) {
  return Type.Boolean(extra)
}

/** One of the words or numbers given. */
export function oneOf<const V extends string | number>(values: readonly V[], extra: Extra<V> = {}): TUnsafe<V> {
  return Type.Unsafe<V>({ enum: values, ...extra })
}

/** Of either family, kept as written. */
export function ipAddress(extra: Extra<string> = {}) {
  return Type.String({ format: 'ip-address', ...extra })
}

/** Of either family; host bits are dropped. */
export function cidr() {
  return Type.String({ format: 'cidr' })
}

/** http or https, with a host. */
export function url() {
  return Type.String({ format: 'http-url' })
}

/** Begins with a slash; query and fragment are not part of it. */
export function urlPath(extra: Extra<string> = {}) {
  return Type.String({ format: 'url-path', ...extra })
}

export function listOf<T extends TSchema>(items: T, extra: Extra<Static<T>[]> = {}) {
  return Type.Array(items, extra)
}

/** Text by name, such as `insert_headers`. */
export function dictionary(maxLength: number, extra: Extra<Record<string, string>> = {}) {
  return Type.Record(Type.String(), Type.String({ maxLength }), extra)
}

export function nullable<T extends TSchema>(schema: T): TUnion<[T, TNull]> {
  return Type.Union([schema, Type.Null()])
}

/** What every object a project owns takes at its creation. */
export const commonFields = {
  name: text(255, { default: '' }),
  admin_state_up: boolean({ default: true, onNull: false }),
  tags: listOf(text(255), { default: [], distinct: true }),
}

export const description = text(255, { default: '' })

/** Where the project may be chosen; `tenant_id` is taken as another spelling of it. */
export const projectId = Type.Optional(nullable(text(36)))

/** As answers show it: what only a request's check needs, defaults and the meaning of null, is left out. */
export function shown<P extends Record<string, TSchema>>(fields: P): P {
  const entries = Object.entries(fields).map(([name, field]) => {
    const { default: _, onNull: __, distinct: ___, ...rest } = field as TSchema & Extra<unknown>
    return [name, rest]
  })
  return Object.fromEntries(entries) as P
}

/** UTC without saying so, whole seconds: `2026-11-24T17:19:15`. */
export function time(extra: Extra<string> = {}) {
  return Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?$', ...extra })
}

/** Ours: why an object is in ERROR. Shown of such objects alone, `details` to admins alone. */
export const ShownFault = Type.Object(
  { message: Type.String(), created_at: time(), details: Type.Optional(Type.String()) },
  { title: 'ObjectFault' },
)

const known = nullable(Type.String())

/** Ours: a secret that a listener or pool names, as its amphorae have it; null where they never had it. */
export const ShownCertificate = Type.Object(
  {
    field: oneOf([
      ...(['default_tls_container_ref', 'sni_container_refs', 'client_ca_tls_container_ref', 'client_crl_container_ref'] as const),
      ...(['tls_container_ref', 'ca_tls_container_ref', 'crl_container_ref'] as const),
    ]),
    reference: Type.String(),
    subject: known,
    issuer: known,
    not_before: nullable(time()),
    not_after: nullable(time({ description: 'Of a revocation list: when a newer one is due.' })),
    fingerprint: nullable(Type.String({ description: 'SHA-256.' })),
    problem: nullable(Type.String({ description: 'Why what the reference holds now is not in service.' })),
  },
  { title: 'TlsCertificate' },
)
export type ShownCertificate = Static<typeof ShownCertificate>

/** Ours: shown of listeners and pools that name secrets, once their amphorae have been given them. */
export const tlsCertificates = { tls_certificates: Type.Optional(Type.Array(ShownCertificate)) }

/** In answers, whose object it is: both spellings. */
export const owner = { project_id: Type.String(), tenant_id: Type.String() }

/** What answers show of every object that a flow makes and changes. */
export const serverSet = {
  id: uuid(),
  ...owner,
  provisioning_status: oneOf(['ACTIVE', 'PENDING_CREATE', 'PENDING_UPDATE', 'PENDING_DELETE', 'ERROR', 'DELETED']),
  operating_status: oneOf(['ONLINE', 'OFFLINE', 'DEGRADED', 'ERROR', 'DRAINING', 'NO_MONITOR']),
  created_at: time(),
  updated_at: nullable(time()),
  fault: Type.Optional(ShownFault),
}

/** How an answer names another object. */
export const IdOnly = Type.Object({ id: uuid() }, { title: 'IdOnly' })

type Changeable<P extends Record<string, TSchema>> = { [K in keyof P]: TOptional<TUnion<[P[K], TNull]>> }

/** The body of an update: the named fields of the create body, each absent, null or a new value. */
export function changes<P extends Record<string, TSchema>, K extends keyof P & string>(
  create: TObject<P>,
  keys: readonly K[],
): TObject<Changeable<Pick<P, K>>> {
  const fields = keys.map((key) => [key, Type.Optional(nullable(create.properties[key]!))])
  return Type.Object(Object.fromEntries(fields)) as unknown as TObject<Changeable<Pick<P, K>>>
}

export const idOnly = (id: string): { id: string } => ({ id })
