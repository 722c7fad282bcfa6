/**
 * Networks, subnets and ports as the one who asks may use them: what he cannot see does not exist. A network service that knows users is asked with his own
 * token, as upstream does; of others it is decided here, by projects. Nothing here may be called within a transaction.
 */
import type { FastifyRequest } from 'fastify'
import { type Fault, invalidSubresource } from '../api/faults.ts'
import type { Config } from '../config/config.ts'
import { NotFoundError } from '../drivers/errors.ts'
import type { Network, NetworkDriver, Port, Subnet, Viewer } from '../drivers/network/driver.ts'

/** On whose behalf. */
export interface Requester {
  /** Null sees the things of all. */
  readonly project_id: string | null
  readonly viewer?: Viewer
}

/** Of what is there already. */
export const everything: Requester = { project_id: null }

/** In: the project that owns, or will own, the load balancer. */
export function requesterOf(
  { caller, headers }: Pick<FastifyRequest, 'caller' | 'headers'>,
  config: Config,
  project_id: string,
): Requester {
  if (config.networking.allow_invisible_resource_usage) return everything
  const token = headers['x-auth-token']
  const hasToken = config.api_settings.auth_strategy === 'keystone' && typeof token === 'string'
  return { project_id: caller.is_admin ? null : project_id, ...(hasToken ? { viewer: { token } } : {}) }
}

/** Undefined: the service itself looks. */
export function viewerFor(network: NetworkDriver, { viewer }: Requester): Viewer | undefined {
  return network.knowsViewers ? viewer : undefined
}

/** Where the network service was not asked on his behalf. An owner is empty where it cannot tell; then it has its own way of refusing. */
function isHidden(network: NetworkDriver, requester: Requester, owner: string): boolean {
  if (requester.project_id === null || viewerFor(network, requester) !== undefined) return false
  return owner !== '' && owner !== requester.project_id
}

/** Throws 400. */
export async function visibleNetwork(
  network: NetworkDriver,
  id: string,
  requester: Requester,
  refusal: Fault = invalidSubresource('Network', id),
): Promise<Network> {
  const found = await existing('Network', id, () => network.getNetwork(id, viewerFor(network, requester)))
  if (found.shared === false && isHidden(network, requester, found.project_id)) throw refusal
  return found
}

/** Throws 400. */
export async function visibleSubnet(network: NetworkDriver, id: string, requester: Requester): Promise<Subnet> {
  const viewer = viewerFor(network, requester)
  const subnet = await existing('Subnet', id, () => network.getSubnet(id, viewer))
  // Who sees a subnet sees its network.
  if (viewer === undefined) await visibleNetwork(network, subnet.network_id, requester, invalidSubresource('Subnet', id))
  return subnet
}

/** Throws 400. */
export async function visiblePort(network: NetworkDriver, id: string, requester: Requester): Promise<Port> {
  const port = await existing('Port', id, () => network.getPort(id, viewerFor(network, requester)))
  if (isHidden(network, requester, port.project_id)) throw invalidSubresource('Port', id)
  return port
}

/** Throws 400. */
export async function visibleSecurityGroup(network: NetworkDriver, id: string, requester: Requester): Promise<void> {
  const { project_id } = await existing('Security Group', id, () => network.getSecurityGroup(id, viewerFor(network, requester)))
  if (isHidden(network, requester, project_id)) throw invalidSubresource('Security Group', id)
}

/** Throws 400. */
export async function visibleQosPolicy(network: NetworkDriver, id: string, requester: Requester): Promise<void> {
  const { project_id, shared } = await existing('qos_policy', id, () => network.getQosPolicy(id, viewerFor(network, requester)))
  if (!shared && isHidden(network, requester, project_id)) throw invalidSubresource('qos_policy', id)
}

/** `what` in the words of upstream's fault: what the network service does not have is the request's mistake (400). */
export async function existing<T>(what: string, id: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof NotFoundError) throw invalidSubresource(what, id)
    throw error
  }
}
