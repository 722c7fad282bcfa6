/** Neutron: the networks that amphorae boot on, what their management ports let in and out, and ports of tenants that the service is to make. */
import type { Config } from '../config/config.ts'
import type { ServiceClient } from '../drivers/openstack/session.ts'
import type { Look } from './check.ts'
import { error, ok, type Said, warning } from './finding.ts'
import { heartbeatPorts } from './heartbeats.ts'
import { found, mayAsk, NOBODY, REQUEST_TIMEOUT_MS, type Services } from './services.ts'

type Network = { id: string; name: string; status: string; admin_state_up: boolean; shared: boolean; tenant_id: string; subnets: string[] }
export type Rule = {
  direction: 'ingress' | 'egress'
  ethertype: string
  protocol: string | null
  port_range_min: number | null
  port_range_max: number | null
}
type Group = { id: string; name: string; security_group_rules: Rule[] }

/** Of a network that an amphora's ports are on; the second one takes over addresses of the first. */
const NEEDED_EXTENSIONS = ['allowed-address-pairs', 'security-group']
const AGENT_PORT_OPTION = '[haproxy_amphora] bind_port'

export async function checkNetwork({ config, services }: Look): Promise<Said[]> {
  const { network_driver, compute_driver } = config.controller_worker
  if (network_driver !== 'allowed_address_pairs_driver') return [ok(`${network_driver}: no networks of Neutron`)]
  if (services === null) return [error('allowed_address_pairs_driver needs an OpenStack', '[service_auth] auth_url = ...')]
  const { neutron } = services
  const { body } = await neutron.request<{ extensions: { alias: string }[] }>('GET', '/v2.0/extensions', { timeoutMs: REQUEST_TIMEOUT_MS })
  const lacking = NEEDED_EXTENSIONS.filter((wanted) => !body.extensions.some(({ alias }) => alias === wanted))
  const said = [
    ok('Neutron answers'),
    ...lacking.map((alias) =>
      error(`Neutron lacks the extension ${alias}`, 'its ml2 and service plug-ins; amphorae cannot be connected without it'),
    ),
  ]
  if (compute_driver !== 'compute_nova_driver') return said
  return [...said, ...(await bootNetworks(config, services)), ...(await groups(config, neutron))]
}

async function bootNetworks({ controller_worker: { amp_boot_network_list: ids } }: Config, services: Services): Promise<Said[]> {
  const option = '[controller_worker] amp_boot_network_list'
  if (ids.length === 0)
    return [
      error(`${option} is missing: amphorae have no management network`, 'openstack network list; then amp_boot_network_list = its id'),
    ]
  const said: Said[] = []
  for (const [i, id] of ids.entries()) {
    const body = await found<{ network: Network }>(services.neutron, `/v2.0/networks/${encodeURIComponent(id)}`)
    if (body === null) {
      said.push(
        error(`${option}: Neutron has no network ${id} (its id is asked for), or not for the service project`, 'openstack network list'),
      )
      continue
    }
    const { name, status, admin_state_up, shared, tenant_id, subnets } = body.network
    const { project_id } = await services.sessionOfNeutron.who()
    if (!admin_state_up) said.push(error(`${option}: the network ${name} is disabled`, `openstack network set --enable ${id}`))
    if (subnets.length === 0)
      said.push(error(`${option}: the network ${name} has no subnet`, `openstack subnet create --network ${id} --subnet-range ...`))
    if (!shared && tenant_id !== project_id)
      said.push(
        warning(`${option}: the network ${name} belongs to the project ${tenant_id}, and Nova may not let servers of ${project_id} on it`),
      )
    said.push(ok(`${i === 0 ? 'the management network' : 'a boot network'} of amphorae is ${name} (${status})`))
    if (i === 0) said.push(...(await mayMakePorts(services.neutron, id)))
  }
  return said
}

/** A port for another project on a subnet that does not exist: what is asked for when a tenant's VIP port is made. */
async function mayMakePorts(neutron: ServiceClient, network_id: string): Promise<Said[]> {
  const port = { network_id, tenant_id: NOBODY.replaceAll('-', ''), name: 'ottavia-check', fixed_ips: [{ subnet_id: NOBODY }] }
  const undo = (made: unknown) => neutron.request('DELETE', `/v2.0/ports/${(made as { port: { id: string } }).port.id}`)
  if (await mayAsk(neutron, '/v2.0/ports', { port }, undo)) return [ok('the service user may make ports for tenants')]
  return [
    error('Neutron does not let the service user make ports for tenants', 'openstack role add --user octavia --project service admin'),
  ]
}

async function groups(config: Config, neutron: ServiceClient): Promise<Said[]> {
  const ids = config.controller_worker.amp_secgroup_list
  const option = '[controller_worker] amp_secgroup_list'
  const port = config.haproxy_amphora.bind_port
  const letIn = (group: string) => `openstack security group rule create --protocol tcp --dst-port ${port} ${group}`
  if (ids.length === 0) {
    return [
      warning(
        `${option} is missing: the default group of the service project holds for management ports, which lets nothing in from controllers`,
        `openstack security group create lb-mgmt-sec-grp; ${letIn('lb-mgmt-sec-grp')}; then amp_secgroup_list = its id`,
      ),
    ]
  }
  const said: Said[] = []
  const rules: Rule[] = []
  for (const id of ids) {
    const body = await found<{ security_group: Group }>(neutron, `/v2.0/security-groups/${encodeURIComponent(id)}`)
    if (body === null)
      said.push(
        error(`${option}: Neutron has no security group ${id} (its id is asked for)`, 'openstack security group list --project service'),
      )
    else {
      said.push(ok(`management ports have the security group ${body.security_group.name}`))
      rules.push(...body.security_group.security_group_rules)
    }
  }
  if (rules.length === 0) return said
  if (!rules.some((rule) => allows(rule, 'ingress', 'tcp', port))) {
    said.push(error(`${option}: no rule lets controllers in on ${port}/tcp (${AGENT_PORT_OPTION}), where agents listen`, letIn(ids[0]!)))
  }
  for (const udp of heartbeatPorts(config)) {
    if (rules.some((rule) => allows(rule, 'egress', 'udp', udp))) continue
    said.push(
      error(
        `${option}: no rule lets heartbeats out to ${udp}/udp`,
        `openstack security group rule create --egress --protocol udp --dst-port ${udp} ${ids[0]}`,
      ),
    )
  }
  return said
}

const NUMBERS: Record<string, string> = { '6': 'tcp', '17': 'udp' }

/** Whether a rule lets that in or out, from or to anywhere at all. */
export function allows(rule: Rule, direction: Rule['direction'], protocol: 'tcp' | 'udp', port: number): boolean {
  if (rule.direction !== direction) return false
  const own = rule.protocol === null || rule.protocol === 'any' ? null : (NUMBERS[rule.protocol] ?? rule.protocol)
  if (own !== null && own !== protocol) return false
  return (rule.port_range_min ?? 0) <= port && port <= (rule.port_range_max ?? 65_535)
}
