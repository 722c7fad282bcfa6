/** How a pool's row comes from a body, and what an answer shows of it. */
import type { Config } from '../../config/config.ts'
import type { PoolRow, SessionPersistence } from '../../db/tables.ts'
import type { Clock } from '../../lib/clock.ts'
import { idOnly } from '../fields.ts'
import { changedFields, newlyCreated } from '../row-fields.ts'
import type { ShownCertificates } from '../tls-certificates.ts'
import { checkSessionPersistence } from './checks.ts'
import type { PoolReferences } from './repository.ts'
import type { Pool, PoolCreate, PoolInTree, PoolTree, PoolUpdate, SessionPersistenceUpdate } from './schema.ts'

/** A definition: within a tree a pool may be only a name, and the caller has seen that this one is more. */
type PoolDefinition = PoolCreate | (PoolInTree & Pick<PoolCreate, 'protocol' | 'lb_algorithm'>)
type Parents = Pick<PoolRow, 'project_id' | 'load_balancer_id'>

/** Throws 400 where the session persistence does not fit. */
export function newPool(body: PoolDefinition, parents: Parents, { api_settings }: Config, clock: Clock): PoolRow {
  checkSessionPersistence(body.protocol, body.session_persistence, 'create')
  const defaults = poolTlsDefaults(body.tls_enabled, api_settings)
  return {
    ...newlyCreated(clock),
    ...parents,
    name: body.name,
    description: body.description,
    admin_state_up: body.admin_state_up,
    tags: body.tags,
    protocol: body.protocol,
    lb_algorithm: body.lb_algorithm,
    session_persistence: body.session_persistence,
    tls_enabled: body.tls_enabled,
    tls_container_ref: body.tls_container_ref,
    ca_tls_container_ref: body.ca_tls_container_ref,
    crl_container_ref: body.crl_container_ref,
    tls_ciphers: body.tls_ciphers ?? defaults.tls_ciphers,
    tls_versions: body.tls_versions ?? defaults.tls_versions,
    alpn_protocols: body.alpn_protocols ?? defaults.alpn_protocols,
  }
}

/** What an update stores; `session_persistence` comes from `settlePersistence`. */
export function poolChanges(update: PoolUpdate, { api_settings }: Config): Partial<PoolRow> {
  const { session_persistence, ...rest } = update
  const changes = changedFields<typeof rest, PoolRow>(rest, {
    name: '',
    description: '',
    admin_state_up: false,
    tags: undefined,
    lb_algorithm: undefined,
    tls_enabled: false,
    // As upstream, with TLS or without.
    tls_versions: api_settings.default_pool_tls_versions,
    alpn_protocols: [],
  })
  if (changes.tls_ciphers === null) changes.tls_ciphers = api_settings.default_pool_ciphers
  return changes
}

function poolTlsDefaults(tls_enabled: boolean, api_settings: Config['api_settings']) {
  if (!tls_enabled) return { tls_ciphers: null, tls_versions: [], alpn_protocols: [] }
  return {
    tls_ciphers: api_settings.default_pool_ciphers,
    tls_versions: api_settings.default_pool_tls_versions,
    alpn_protocols: api_settings.default_pool_alpn_protocols,
  }
}

/** An update gives persistence anew, but keeps the type where it names none; null ends it. */
export function settlePersistence(
  asked: SessionPersistenceUpdate | null,
  present: SessionPersistence | null,
): Partial<SessionPersistence> | null {
  if (asked === null) return null
  const none = { cookie_name: null, persistence_timeout: null, persistence_granularity: null }
  return { ...none, ...asked, type: asked.type ?? present?.type }
}

/** Alone or in a list. In: the pool, what belongs to it, and its certificates in service. */
export function showPool(
  pool: PoolRow,
  { listener_ids, member_ids, health_monitor_id }: PoolReferences,
  certificates: ShownCertificates = {},
): Pool {
  return {
    ...ownFields(pool, listener_ids),
    loadbalancers: [idOnly(pool.load_balancer_id)],
    // Without a monitor the key is absent, as upstream leaves it out.
    ...(health_monitor_id === null ? {} : { healthmonitor_id: health_monitor_id }),
    members: member_ids.map(idOnly),
    ...certificates,
  }
}

/** Within the answer to a fully populated create: with its whole monitor and members, without the way back up. */
export function showPoolInTree(
  pool: PoolRow,
  children: { listener_ids: string[] } & Pick<PoolTree, 'members' | 'healthmonitor'>,
): PoolTree {
  const { listener_ids, members, healthmonitor } = children
  return { ...ownFields(pool, listener_ids), members, healthmonitor }
}

function ownFields(pool: PoolRow, listener_ids: string[]) {
  const { load_balancer_id: _, fault: __, ...fields } = pool
  return {
    ...fields,
    listeners: listener_ids.map(idOnly),
    // "None" is an empty list in these columns, null in answers.
    tls_versions: pool.tls_versions.length ? pool.tls_versions : null,
    alpn_protocols: pool.alpn_protocols.length ? pool.alpn_protocols : null,
    tenant_id: pool.project_id,
  }
}
