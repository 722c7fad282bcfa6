/** Fields stand in upstream's order (`octavia/api/v2/types/pool.py`): the first wrong one decides the fault. */
import { type Static, Type } from 'typebox'
import {
  boolean,
  changes,
  commonFields,
  description,
  IdOnly,
  integer,
  ipAddress,
  listOf,
  nullable,
  oneOf,
  projectId,
  serverSet,
  shown,
  text,
  tlsCertificates,
  uuid,
} from '../fields.ts'
import { HealthMonitorInTree, HealthMonitorTree } from '../health-monitor/schema.ts'
import { Member, MemberInTree } from '../member/schema.ts'

const protocols = ['TCP', 'HTTP', 'HTTPS', 'PROXY', 'PROXYV2', 'UDP', 'SCTP'] as const
const algorithms = ['ROUND_ROBIN', 'LEAST_CONNECTIONS', 'SOURCE_IP', 'SOURCE_IP_PORT'] as const

const { name, admin_state_up, tags } = commonFields
const protocol = oneOf(protocols)
const lb_algorithm = oneOf(algorithms)

const SessionPersistenceCreate = Type.Object({
  type: oneOf(['SOURCE_IP', 'HTTP_COOKIE', 'APP_COOKIE']),
  cookie_name: nullable(Type.String({ maxLength: 255, pattern: '^[^\\s,;\\\\]+$' })),
  /** Of UDP and SCTP pools, in seconds. */
  persistence_timeout: nullable(integer()),
  /** Of UDP and SCTP pools: a netmask. */
  persistence_granularity: nullable(ipAddress()),
})

const tls = {
  tls_container_ref: nullable(text(255)),
  ca_tls_container_ref: nullable(text(255)),
  crl_container_ref: nullable(text(255)),
  tls_enabled: boolean({ default: false }),
  tls_ciphers: nullable(text(2048)),
  tls_versions: nullable(listOf(text(32))),
  alpn_protocols: nullable(listOf(Type.String({ format: 'alpn-protocol' }))),
}

const shownFields = {
  ...shown({ name, description, admin_state_up, protocol, lb_algorithm, tags, ...tls }),
  session_persistence: nullable(SessionPersistenceCreate),
  listeners: listOf(IdOnly),
  ...serverSet,
}

/** In answers, alone and in a list. */
export const Pool = Type.Object(
  {
    ...shownFields,
    loadbalancers: listOf(IdOnly),
    /** Absent where there is none, as upstream leaves it out. */
    healthmonitor_id: Type.Optional(uuid()),
    members: listOf(IdOnly),
    ...tlsCertificates,
  },
  { title: 'Pool' },
)
export type Pool = Static<typeof Pool>

/** In the answer to a fully populated create: with its whole monitor and members, without the way back up. */
export const PoolTree = Type.Object(
  { ...shownFields, healthmonitor: nullable(HealthMonitorTree), members: listOf(Member) },
  { title: 'PoolTree' },
)
export type PoolTree = Static<typeof PoolTree>

export const PoolCreate = Type.Object({
  name,
  description,
  admin_state_up,
  listener_id: nullable(uuid()),
  loadbalancer_id: nullable(uuid()),
  protocol,
  lb_algorithm,
  session_persistence: nullable(SessionPersistenceCreate),
  project_id: projectId,
  // Known, but to be created on their own.
  healthmonitor: nullable(HealthMonitorInTree),
  members: listOf(MemberInTree, { default: [] }),
  tags,
  ...tls,
})
export type PoolCreate = Static<typeof PoolCreate>

/** Within a fully populated create: a definition, or only the name of one that stands elsewhere. */
export const PoolInTree = Type.Object(
  {
    name,
    description,
    admin_state_up,
    protocol: nullable(protocol),
    lb_algorithm: nullable(lb_algorithm),
    session_persistence: nullable(SessionPersistenceCreate),
    healthmonitor: nullable(HealthMonitorInTree),
    members: listOf(MemberInTree, { default: [] }),
    tags,
    ...tls,
  },
  { title: 'PoolInTree' },
)
export type PoolInTree = Static<typeof PoolInTree>

const { properties: updatable } = changes(PoolCreate, ['name', 'description', 'admin_state_up', 'lb_algorithm'])
const { properties: updatableAfter } = changes(PoolCreate, [
  'tags',
  'tls_container_ref',
  'ca_tls_container_ref',
  'crl_container_ref',
  'tls_enabled',
  'tls_ciphers',
  'tls_versions',
  'alpn_protocols',
])

/** The type may be left out where the pool has persistence already. */
const SessionPersistenceUpdate = changes(SessionPersistenceCreate, [
  'type',
  'cookie_name',
  'persistence_timeout',
  'persistence_granularity',
])
export type SessionPersistenceUpdate = Static<typeof SessionPersistenceUpdate>

export const PoolUpdate = Type.Object({
  ...updatable,
  session_persistence: Type.Optional(nullable(SessionPersistenceUpdate)),
  ...updatableAfter,
})
export type PoolUpdate = Static<typeof PoolUpdate>
