/**
 * Networks, subnets and ports as the one who asks may use them. Upstream asks Neutron with the user's own token, so what he cannot see
 * does not exist; our drivers ask as the service, so it is decided here. Nothing here may be called within a transaction.
 */
import { type Fault, invalidSubresource } from '../api/faults.ts'
import type { Caller } from '../api/policy.ts'
import { NotFoundError } from '../drivers/errors.ts'
import type { Network, NetworkDriver, Port, Subnet } from '../drivers/network/driver.ts'

/** On whose behalf; null is an admin, who sees everything. */
export type Requester = { project_id: string } | null

/** In: the project that owns, or will own, the load balancer. */
export function requesterOf(caller: Caller, project_id: string): Requester {
  return caller.is_admin ? null : { project_id }
}

/** Throws 400. */
export async function visibleNetwork(
  network: NetworkDriver,
  id: string,
  requester: Requester,
  refusal: Fault = invalidSubresource('Network', id),
): Promise<Network> {
  const found = await existing('Network', id, () => network.getNetwork(id))
  // Where the backend cannot tell what is shared, it also has its own way of refusing.
  if (found.shared === false && requester !== null && found.project_id !== requester.project_id) throw refusal
  return found
}

/** Throws 400. */
export async function visibleSubnet(network: NetworkDriver, id: string, requester: Requester): Promise<Subnet> {
  const subnet = await existing('Subnet', id, () => network.getSubnet(id))
  await visibleNetwork(network, subnet.network_id, requester, invalidSubresource('Subnet', id))
  return subnet
}

/** Throws 400. */
export async function visiblePort(network: NetworkDriver, id: string, requester: Requester): Promise<Port> {
  const port = await existing('Port', id, () => network.getPort(id))
  if (port.project_id !== '' && requester !== null && port.project_id !== requester.project_id) throw invalidSubresource('Port', id)
  return port
}

/** Throws 400. */
export async function visibleSecurityGroup(network: NetworkDriver, id: string, requester: Requester): Promise<void> {
  const { project_id } = await existing('Security Group', id, () => network.getSecurityGroup(id))
  if (project_id !== '' && requester !== null && project_id !== requester.project_id) throw invalidSubresource('Security Group', id)
}

/** Throws 400. */
export async function visibleQosPolicy(network: NetworkDriver, id: string, requester: Requester): Promise<void> {
  const { project_id, shared } = await existing('qos_policy', id, () => network.getQosPolicy(id))
  if (!shared && project_id !== '' && requester !== null && project_id !== requester.project_id) throw invalidSubresource('qos_policy', id)
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
