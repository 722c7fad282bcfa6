/**
 * HAProxy's metrics and what they are called to users: names, labels and which are shown are upstream's
 * (`octavia/cmd/prometheus_proxy.py`). What is not here is not shown.
 */

export interface ShownMetric {
  name: string
  /** Instead of HAProxy's own, where that speaks of servers and backends. */
  help?: string
  /** HAProxy's labels that are called otherwise, and how. */
  labels: Labels
}

type Labels = readonly (readonly [theirs: string, ours: string])[]

interface Kind {
  theirs: string
  ours: string
  labels: Labels
  /** Called the same behind the prefix. */
  same: string
  /** With another help, or another name: `ours` is the whole name then. */
  special: Record<string, { ours?: string; help?: string }>
}

const kinds: readonly Kind[] = [
  {
    theirs: 'haproxy_process_',
    ours: 'octavia_loadbalancer_',
    labels: [],
    same: `max_connections current_connections connections_total requests_total max_ssl_connections ssl_connections_total
      current_connection_rate limit_connection_rate max_connection_rate current_session_rate limit_session_rate max_session_rate
      current_ssl_rate limit_ssl_rate max_ssl_rate current_frontend_ssl_key_rate max_frontend_ssl_key_rate frontent_ssl_reuse
      current_backend_ssl_key_rate max_backend_ssl_key_rate ssl_cache_lookups_total ssl_cache_misses_total http_comp_bytes_in_total
      http_comp_bytes_out_total limit_http_comp listeners dropped_logs_total`,
    special: {
      pool_allocated_bytes: { ours: 'octavia_memory_pool_allocated_bytes', help: 'Bytes set aside in memory pools.' },
      pool_used_bytes: { ours: 'octavia_memory_pool_used_bytes', help: 'Bytes of memory pools that are in use.' },
      pool_failures_total: { ours: 'octavia_memory_pool_failures_total', help: 'How often a memory pool could not grow.' },
      current_ssl_connections: { help: 'TLS connections that are open.' },
    },
  },
  {
    theirs: 'haproxy_frontend_',
    ours: 'octavia_listener_',
    labels: [['proxy', 'listener']],
    same: `current_sessions max_sessions limit_sessions sessions_total limit_session_rate max_session_rate connections_rate_max
      connections_total bytes_in_total bytes_out_total requests_denied_total responses_denied_total request_errors_total
      http_requests_rate_max http_requests_total http_responses_total intercepted_requests_total http_cache_lookups_total
      http_cache_hits_total http_comp_bytes_in_total http_comp_bytes_out_total http_comp_bytes_bypassed_total http_comp_responses_total`,
    special: {
      status: { help: '1 for the state that the listener is in, 0 for the others.' },
      denied_connections_total: { help: 'Connections that a rule denied.' },
      denied_sessions_total: { help: 'Sessions that a rule denied.' },
      failed_header_rewriting_total: { help: 'Headers that could not be rewritten.' },
    },
  },
  {
    theirs: 'haproxy_backend_',
    ours: 'octavia_pool_',
    labels: [['proxy', 'pool']],
    same: `current_sessions max_sessions limit_sessions sessions_total max_session_rate current_queue max_queue
      connection_attempts_total connection_reuses_total bytes_in_total bytes_out_total queue_time_average_seconds
      connect_time_average_seconds response_time_average_seconds total_time_average_seconds max_queue_time_seconds
      max_connect_time_seconds max_total_time_seconds requests_denied_total responses_denied_total connection_errors_total
      response_errors_total retry_warnings_total redispatch_warnings_total failed_header_rewriting_total client_aborts_total
      check_up_down_total check_last_change_seconds http_requests_total http_responses_total http_cache_lookups_total
      http_cache_hits_total http_comp_bytes_in_total http_comp_bytes_out_total http_comp_bytes_bypassed_total http_comp_responses_total`,
    special: {
      status: { help: '1 for the state that the pool is in, 0 for the others.' },
      last_session_seconds: { help: 'Seconds since a member last got a session.' },
      max_response_time_seconds: { help: 'The longest that a member let wait for its response.' },
      server_aborts_total: { ours: 'octavia_pool_member_aborts_total', help: 'Transfers that members broke off.' },
      active_servers: { ours: 'octavia_pool_active_members', help: 'Members that get traffic.' },
      backup_servers: { ours: 'octavia_pool_backup_members', help: 'Backup members.' },
      downtime_seconds_total: { help: 'Seconds the pool has been down, all together.' },
      loadbalanced_total: { help: 'How often the pool was chosen, for a new session or again.' },
    },
  },
  {
    theirs: 'haproxy_server_',
    ours: 'octavia_member_',
    labels: [
      ['proxy', 'pool'],
      ['server', 'member'],
    ],
    same: `current_sessions max_sessions limit_sessions sessions_total max_session_rate current_queue max_queue bytes_in_total
      bytes_out_total queue_time_average_seconds connect_time_average_seconds response_time_average_seconds total_time_average_seconds
      max_queue_time_seconds max_connect_time_seconds max_total_time_seconds connection_attempts_total connection_reuses_total
      responses_denied_total connection_errors_total response_errors_total retry_warnings_total redispatch_warnings_total
      failed_header_rewriting_total client_aborts_total server_aborts_total check_up_down_total check_last_change_seconds
      http_responses_total idle_connections_current idle_connections_limit`,
    special: {
      // So called by some versions of HAProxy.
      server_idle_connections_current: { ours: 'octavia_member_idle_connections_current' },
      server_idle_connections_limit: { ours: 'octavia_member_idle_connections_limit' },
      status: { help: '1 for the state that the member is in, 0 for the others.' },
      last_session_seconds: { help: 'Seconds since the member last got a session.' },
      queue_limit: { help: 'The longest queue of the member; 0 is no limit.' },
      max_response_time_seconds: { help: 'The longest that the member let wait for its response.' },
      weight: { help: 'Weight of the member.' },
      check_failures_total: { help: 'Checks that failed while the member was up.' },
      downtime_seconds_total: { help: 'Seconds the member has been down, all together.' },
      current_throttle: { help: 'The share of its traffic, in percent, that the member gets while it starts slowly.' },
      loadbalanced_total: { help: 'How often the member was chosen, for a new session or again.' },
    },
  },
]

const names = new Map<string, ShownMetric>()
for (const { theirs, ours, labels, same, special } of kinds) {
  for (const name of same.split(/\s+/)) names.set(`${theirs}${name}`, { name: `${ours}${name}`, labels })
  for (const [name, other] of Object.entries(special))
    names.set(`${theirs}${name}`, { name: other.ours ?? `${ours}${name}`, help: other.help, labels })
}

/** Undefined for what is not shown. */
export function shownMetric(haproxyName: string): ShownMetric | undefined {
  return names.get(haproxyName)
}
