/** Fields stand in upstream's order (`octavia/api/v2/types/listener.py`): the first wrong one decides the fault. */
import { type Static, Type } from 'typebox'
import {
  boolean,
  changes,
  cidr,
  commonFields,
  description,
  dictionary,
  IdOnly,
  integer,
  listOf,
  nullable,
  oneOf,
  port,
  projectId,
  serverSet,
  shown,
  text,
  tlsCertificates,
  uuid,
} from '../fields.ts'
import { L7PolicyInTree, L7PolicyTree } from '../l7policy/schema.ts'
import { PoolInTree } from '../pool/schema.ts'

const protocols = ['TCP', 'HTTP', 'HTTPS', 'TERMINATED_HTTPS', 'UDP', 'SCTP', 'PROMETHEUS'] as const

/** In milliseconds, at most 24 days. */
const milliseconds = integer({ minimum: 0, maximum: 24 * 24 * 60 * 60 * 1000 })
/** Null stands for the default of the configuration. */
const timeout = nullable(milliseconds)

const { name, admin_state_up, tags } = commonFields

const before = {
  name,
  description,
  admin_state_up,
  protocol: oneOf(protocols),
  protocol_port: port(),
  /** -1 is the configured limit. */
  connection_limit: integer({ minimum: -1, default: -1 }),
  default_tls_container_ref: nullable(text(255)),
  sni_container_refs: listOf(text(255), { default: [] }),
}
const insert_headers = dictionary(255, { default: {} })
const after = {
  timeout_client_data: timeout,
  timeout_member_connect: timeout,
  timeout_member_data: timeout,
  timeout_tcp_inspect: timeout,
  tags,
  client_ca_tls_container_ref: nullable(text(255)),
  client_authentication: oneOf(['NONE', 'OPTIONAL', 'MANDATORY'], { default: 'NONE' }),
  client_crl_container_ref: nullable(text(255)),
  allowed_cidrs: nullable(listOf(cidr())),
  tls_ciphers: nullable(text(2048)),
  tls_versions: nullable(listOf(text(32))),
  alpn_protocols: nullable(listOf(Type.String({ format: 'alpn-protocol' }))),
  hsts_max_age: nullable(integer({ minimum: 0 })),
  hsts_include_subdomains: boolean({ default: false }),
  hsts_preload: boolean({ default: false }),
}

const shownFields = {
  ...shown({ ...before, default_pool_id: nullable(uuid()), insert_headers, ...after }),
  timeout_client_data: milliseconds,
  timeout_member_connect: milliseconds,
  timeout_member_data: milliseconds,
  timeout_tcp_inspect: milliseconds,
  ...serverSet,
}

/** In answers, alone and in a list. */
export const Listener = Type.Object(
  { ...shownFields, loadbalancers: listOf(IdOnly), l7policies: listOf(IdOnly), ...tlsCertificates },
  { title: 'Listener' },
)
export type Listener = Static<typeof Listener>

/** In the answer to a fully populated create: with whole l7policies, without the way back up. */
export const ListenerTree = Type.Object({ ...shownFields, l7policies: listOf(L7PolicyTree) }, { title: 'ListenerTree' })
export type ListenerTree = Static<typeof ListenerTree>

const count = Type.Integer({ minimum: 0 })

/** Of a listener or a whole load balancer, summed over all its amphorae. */
export const Statistics = Type.Object(
  { bytes_in: count, bytes_out: count, active_connections: count, total_connections: count, request_errors: count },
  { title: 'Statistics' },
)

export const ListenerCreate = Type.Object({
  ...before,
  project_id: projectId,
  default_pool_id: nullable(uuid()),
  // Known, but to be created on their own.
  default_pool: nullable(PoolInTree),
  l7policies: listOf(L7PolicyInTree, { default: [] }),
  insert_headers,
  loadbalancer_id: uuid(),
  ...after,
})
export type ListenerCreate = Static<typeof ListenerCreate>

/** Within a fully populated create: the default pool by its definition or by its name, and whole l7policies. */
export const ListenerInTree = Type.Object(
  {
    ...before,
    /** Known, but a new load balancer has no pool whose id its creator could know. */
    default_pool_id: nullable(uuid()),
    default_pool: nullable(PoolInTree),
    l7policies: listOf(L7PolicyInTree, { default: [] }),
    insert_headers,
    ...after,
  },
  { title: 'ListenerInTree' },
)
export type ListenerInTree = Static<typeof ListenerInTree>

export const ListenerUpdate = changes(ListenerCreate, [
  'name',
  'description',
  'admin_state_up',
  'connection_limit',
  'default_tls_container_ref',
  'sni_container_refs',
  'default_pool_id',
  'insert_headers',
  'timeout_client_data',
  'timeout_member_connect',
  'timeout_member_data',
  'timeout_tcp_inspect',
  'tags',
  'client_ca_tls_container_ref',
  'client_authentication',
  'client_crl_container_ref',
  'allowed_cidrs',
  'tls_ciphers',
  'tls_versions',
  'alpn_protocols',
  'hsts_max_age',
  'hsts_include_subdomains',
  'hsts_preload',
])
export type ListenerUpdate = Static<typeof ListenerUpdate>
