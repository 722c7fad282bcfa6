/** How a listener's row comes from a body, and what an answer shows of it. */
import type { Config } from '../../config/config.ts'
import type { ListenerRow } from '../../db/tables.ts'
import type { Clock } from '../../lib/clock.ts'
import { idOnly } from '../fields.ts'
import type { L7PolicyTree } from '../l7policy/schema.ts'
import { changedFields, newlyCreated } from '../row-fields.ts'
import type { ShownCertificates } from '../tls-certificates.ts'
import type { Listener, ListenerCreate, ListenerInTree, ListenerTree, ListenerUpdate } from './schema.ts'

type Parents = Pick<ListenerRow, 'project_id' | 'load_balancer_id' | 'default_pool_id'>

export function newListener(body: ListenerCreate | ListenerInTree, parents: Parents, config: Config, clock: Clock): ListenerRow {
  const { haproxy_amphora: defaults, api_settings } = config
  const offloadsTls = body.protocol === 'TERMINATED_HTTPS'
  return {
    ...newlyCreated(clock),
    ...parents,
    name: body.name,
    description: body.description,
    admin_state_up: body.admin_state_up,
    tags: body.tags,
    protocol: body.protocol,
    protocol_port: body.protocol_port,
    connection_limit: body.connection_limit,
    insert_headers: body.insert_headers,
    timeout_client_data: body.timeout_client_data ?? defaults.timeout_client_data,
    timeout_member_connect: body.timeout_member_connect ?? defaults.timeout_member_connect,
    timeout_member_data: body.timeout_member_data ?? defaults.timeout_member_data,
    timeout_tcp_inspect: body.timeout_tcp_inspect ?? defaults.timeout_tcp_inspect,
    default_tls_container_ref: body.default_tls_container_ref,
    sni_container_refs: body.sni_container_refs,
    client_ca_tls_container_ref: body.client_ca_tls_container_ref,
    client_authentication: body.client_authentication,
    client_crl_container_ref: body.client_crl_container_ref,
    allowed_cidrs: eachOnce(body.allowed_cidrs),
    tls_ciphers: body.tls_ciphers ?? (offloadsTls ? api_settings.default_listener_ciphers : null),
    tls_versions: body.tls_versions ?? (offloadsTls ? api_settings.default_listener_tls_versions : []),
    alpn_protocols: body.alpn_protocols ?? (offloadsTls ? api_settings.default_listener_alpn_protocols : []),
    hsts_max_age: body.hsts_max_age,
    hsts_include_subdomains: body.hsts_include_subdomains,
    hsts_preload: body.hsts_preload,
  }
}

/** What an update stores. As upstream, null gives the defaults of TLS to listeners without TLS too, where they mean nothing. */
export function listenerChanges(update: ListenerUpdate, config: Config): Partial<ListenerRow> {
  const { haproxy_amphora: defaults, api_settings } = config
  const changes = changedFields<ListenerUpdate, ListenerRow>(update, {
    name: '',
    description: '',
    admin_state_up: false,
    tags: undefined,
    connection_limit: -1,
    insert_headers: {},
    timeout_client_data: defaults.timeout_client_data,
    timeout_member_connect: defaults.timeout_member_connect,
    timeout_member_data: defaults.timeout_member_data,
    timeout_tcp_inspect: defaults.timeout_tcp_inspect,
    sni_container_refs: [],
    client_authentication: 'NONE',
    tls_versions: api_settings.default_listener_tls_versions,
    alpn_protocols: api_settings.default_listener_alpn_protocols,
    hsts_include_subdomains: false,
    hsts_preload: false,
  })
  if (changes.tls_ciphers === null) changes.tls_ciphers = api_settings.default_listener_ciphers
  if (changes.allowed_cidrs !== undefined) changes.allowed_cidrs = eachOnce(changes.allowed_cidrs)
  return changes
}

/** No range at all is null. */
function eachOnce(cidrs: string[] | null): string[] | null {
  return cidrs === null || cidrs.length === 0 ? null : [...new Set(cidrs)]
}

/** Alone or in a list. In: the listener, the ids of its l7policies, by position, and its certificates in service. */
export function showListener(listener: ListenerRow, l7policy_ids: string[], certificates: ShownCertificates = {}): Listener {
  return {
    ...ownFields(listener),
    loadbalancers: [idOnly(listener.load_balancer_id)],
    l7policies: l7policy_ids.map(idOnly),
    ...certificates,
  }
}

/** Within the answer to a fully populated create: with whole l7policies, without the way back up. */
export function showListenerInTree(listener: ListenerRow, l7policies: L7PolicyTree[]): ListenerTree {
  return { ...ownFields(listener), l7policies }
}

function ownFields(listener: ListenerRow) {
  const { load_balancer_id: _, fault: __, ...fields } = listener
  return {
    ...fields,
    // "None" is an empty list in these columns, null in answers.
    tls_versions: listener.tls_versions.length ? listener.tls_versions : null,
    alpn_protocols: listener.alpn_protocols.length ? listener.alpn_protocols : null,
    tenant_id: listener.project_id,
  }
}
