/**
 * Options of upstream's that mean nothing here: what they are about is done otherwise or not needed. An octavia.conf that has served Octavia is full of
 * them, and is told so in other words than a slip of the pen.
 */

/** Message queue, process manager, volumes and driver processes, of which there are none. */
const sections =
  /^(oslo_messaging(_\w+)?|oslo_middleware_\w+|oslo_reports|oslo_limit|driver_agent|cinder|audit|audit_middleware_notifications|profiler|ovn|coordination|watcher|service_user)$/

/** Logs go to standard output as JSON; keystonemiddleware's cache and TaskFlow's stores are not used; a database's connections look after themselves. */
const names: Record<string, RegExp> = {
  DEFAULT:
    /^(log_\w+|logging_\w+|use_(syslog|journal|json|stderr|eventlog)|syslog_\w+|watch_log_file|max_logfile_\w+|default_log_levels|publish_errors|instance\w*_format|rate_limit_\w+|fatal_deprecations|rpc_\w+|conn_pool_\w+|executor_\w+|transport_url|control_exchange|graceful_shutdown_timeout|host|octavia_plugins|api_handler|backdoor_\w+)$/,
  amphora_agent: /^(agent_\w+|logging_template_override|amphora_id|amphora_udp_driver)$/,
  api_settings: /^(api_handler|api_v[12]_enabled)$/,
  certificates: /^signing_digest$/,
  controller_worker: /^(distributor_driver|statistics_drivers|event_notifications|amphora_delete_retr\w+)$/,
  database:
    /^(sqlite_synchronous|backend|slave_connection|mysql_\w+|connection_(recycle_time|debug|trace|parameters)|max_retries|retry_interval|max_overflow|pool_timeout|use_db_reconnect|db_\w+|min_pool_size|synchronous_reader)$/,
  haproxy_amphora: /^(base_path|base_cert_dir|haproxy_(template|cmd)|build_\w+|bind_host|respawn_\w+|use_upstart|api_db_commit_\w+)$/,
  health_manager: /^((health|stats)_update_threads|sock_rlimit|health_update_driver|event_streamer_driver|sync_provisioning_status)$/,
  keystone_authtoken:
    /^(auth_(uri|version|section|host|port|protocol)|delay_auth_decision|cache|memcached?_\w+|include_service_catalog|enforce_token_bind|admin_\w+|identity_uri|signing_dir|revocation_\w+|hash_algorithms|check_revocations_for_cached)$/,
  service_auth: /^(collect_timing|domain_(id|name)|split_loggers|tenant_(id|name)|trust_id|memcached?_\w+)$/,
  task_flow: /^(engine|disable_revert|persistence_connection|jobboard_\w+)$/,
}
/** Newer releases let each service have a login of its own; `[service_auth]` is for all but Neutron. */
const loginOfService =
  /^(auth_(url|type|section)|username|password|user_domain_(id|name)|project_(id|name)|project_domain_(id|name)|cafile|timeout|collect_timing|split_loggers|(min|max)_version|connect_retr\w+|status_code_retr\w+|service_type|keyfile|certfile)$/

export function isWithoutEffect(section: string, name: string): boolean {
  if (sections.test(section) || names[section]?.test(name)) return true
  return ['nova', 'neutron', 'glance', 'certificates'].includes(section) && loginOfService.test(name)
}
