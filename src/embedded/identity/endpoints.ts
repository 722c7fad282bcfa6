/** The services of the embedded cloud and their addresses: what Keystone calls catalog. Computed from the options, not stored. */
import { createHash } from 'node:crypto'
import type { Config } from '../../config/config.ts'
import { certManagerOf } from '../../drivers/certificates/index.ts'

export const regionId = 'RegionOne'

export type Service = { id: string; type: string; name: string; description: string; endpoints: Endpoint[] }
export type Endpoint = { id: string; service_id: string; interface: 'public' | 'internal' | 'admin'; url: string }

/**
 * All services with their URLs. `hostOfRequest` is the host by which the client reached the identity service (no port): it stands in for
 * a service that is bound to all addresses.
 */
export function servicesOf(config: Config, hostOfRequest: string): Service[] {
  const url = (host: string, port: number, path: string) => `http://${reachable(host, hostOfRequest)}:${port}${path}`
  const { api_settings, identity, embedded } = config
  return [
    service('octavia', 'load-balancer', 'Load balancing', url(api_settings.bind_host, api_settings.bind_port, '')),
    service('keystone', 'identity', 'Identity', url(identity.bind_host, identity.bind_port, '/v3')),
    service('neutron', 'network', 'Networking', url(embedded.bind_host, embedded.network_bind_port, '')),
    service('nova', 'compute', 'Compute', url(embedded.bind_host, embedded.compute_bind_port, '/v2.1')),
    ...(certManagerOf(config) === 'embedded_cert_manager'
      ? [service('barbican', 'key-manager', 'Secrets', url(embedded.bind_host, embedded.secrets_bind_port, ''))]
      : []),
    // An empty list of images, without whose address `openstack server list` would not begin.
    service('glance', 'image', 'Images', url(embedded.bind_host, embedded.compute_bind_port, '/image')),
  ]
}

/** As it stands in a URL: IPv6 in brackets; an address of all interfaces replaced by one that leads somewhere. */
function reachable(host: string, hostOfRequest: string): string {
  if (host === '0.0.0.0' || host === '::') return hostOfRequest
  return host.includes(':') ? `[${host}]` : host
}

function service(name: string, type: string, description: string, url: string): Service {
  const id = idFrom(name)
  const interfaces = ['public', 'internal', 'admin'] as const
  return {
    id,
    type,
    name,
    description,
    endpoints: interfaces.map((which) => ({ id: idFrom(`${name} ${which}`), service_id: id, interface: which, url })),
  }
}

/** The same after every start, so that a client may keep it. */
function idFrom(name: string): string {
  return createHash('sha256').update(`ottavia ${name}`).digest('hex').slice(0, 32)
}
