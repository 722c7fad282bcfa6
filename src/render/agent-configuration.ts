/** The agent's own configuration file, in upstream's format, so that upstream's agent reads it as well. */
import type { Config } from '../config/config.ts'
import { amphoraFiles } from '../lib/amphora-files.ts'
import { heartbeatKeyOf } from '../lib/heartbeat-key.ts'

type Settings = Pick<Config, 'amphora_agent' | 'haproxy_amphora' | 'health_manager' | 'controller_worker'>

/** Holds the amphora's own heartbeat key: never journal or log it. Throws when the configuration names no key or no receiver of heartbeats. */
export function renderAgentConfiguration(
  amphora_id: string,
  topology: 'SINGLE' | 'ACTIVE_STANDBY',
  { amphora_agent, haproxy_amphora, health_manager, controller_worker }: Settings,
): string {
  const { heartbeat_key, heartbeat_interval, controller_ip_port_list } = health_manager
  if (heartbeat_key === null) throw new Error('[health_manager] heartbeat_key is not set')
  if (controller_ip_port_list.length === 0) throw new Error('[health_manager] controller_ip_port_list is empty')
  const sections: Record<string, Record<string, string | number>> = {
    DEFAULT: { debug: 'False' },
    haproxy_amphora: {
      base_cert_dir: '/var/lib/octavia/certs',
      base_path: '/var/lib/octavia',
      bind_host: '::',
      bind_port: haproxy_amphora.bind_port,
      deregistration_delay: haproxy_amphora.deregistration_delay,
      haproxy_cmd: '/usr/sbin/haproxy',
      ...(haproxy_amphora.udp_backend === 'auto' ? {} : { udp_backend: haproxy_amphora.udp_backend }),
      respawn_count: 2,
      respawn_interval: 2,
    },
    health_manager: {
      controller_ip_port_list: controller_ip_port_list.join(', '),
      heartbeat_interval,
      heartbeat_key: heartbeatKeyOf(amphora_id, heartbeat_key),
      // Upstream's agent signs with that key as with any other, and does not know this option.
      own_heartbeat_key: 'True',
    },
    amphora_agent: {
      agent_server_ca: amphoraFiles.clientCa,
      agent_server_cert: amphoraFiles.serverCertificate,
      agent_request_read_timeout: 180,
      amphora_id,
      // Upstream's agent leaves these to its machine's rsyslog.
      ...Object.fromEntries(Object.entries(amphora_agent).map(([name, value]) => [name, String(value)])),
    },
    controller_worker: { loadbalancer_topology: topology, amp_boot_network_list: controller_worker.amp_boot_network_list.join(',') },
  }
  return Object.entries(sections)
    .map(([section, options]) => `[${section}]\n${Object.entries(options).map(line).join('')}`)
    .join('\n')
}

function line([name, value]: [string, string | number]): string {
  // A line break would begin an option of its own.
  if (/[\r\n]/.test(String(value))) throw new Error(`the value of ${name} has a line break`)
  return `${name} = ${value}\n`
}
