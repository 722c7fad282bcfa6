/** The embedded cloud's networks, as load balancing wants them. */

import { NeutronError, NeutronNotFound, qosPolicyNotFound } from '../../embedded/network/errors.ts'
import type { PortCreate } from '../../embedded/network/ports.ts'
import type { IngressRule } from '../../embedded/network/security-groups.ts'
import type { EmbeddedNetwork } from '../../embedded/network/service.ts'
import type { PortRow } from '../../embedded/network/tables.ts'
import { NotFoundError, RefusedError } from '../errors.ts'
import type {
  Fence,
  Made,
  Network,
  NetworkDriver,
  Port,
  PortOfDevice,
  SecurityGroup,
  SecurityGroupRule,
  Subnet,
  WantedPort,
} from './driver.ts'
import { withoutPortUp } from './port-of-device.ts'

export class EmbeddedNetworkDriver implements NetworkDriver {
  readonly knowsViewers = false
  readonly #network: EmbeddedNetwork
  readonly #serviceProject: string

  /** `serviceProject` owns what amphorae need, so that no tenant sees it. */
  constructor(network: EmbeddedNetwork, serviceProject: string) {
    this.#network = network
    this.#serviceProject = serviceProject
  }

  getNetwork(id: string): Promise<Network> {
    return translated(() => this.#network.getNetwork(id))
  }

  getSubnet(id: string): Promise<Subnet> {
    return translated(() => this.#network.getSubnet(id))
  }

  async listSubnets(network_id: string): Promise<Subnet[]> {
    const subnets = await this.#network.listSubnets({ network_id })
    return Promise.all(subnets.map(async (subnet) => ({ ...subnet, free_addresses: await this.#network.countFreeAddresses(subnet.id) })))
  }

  getPort(id: string): Promise<Port> {
    return translated(async () => shown(await this.#network.getPort(id)))
  }

  /** Of the ports that flows made; a user's port never passes for one. */
  async findPort(name: string, project_id = this.#serviceProject): Promise<Port | null> {
    const port = await this.#network.findMadePort(name)
    return port === null || port.project_id !== project_id ? null : shown(port)
  }

  async listPortsOfDevice(device_id: string): Promise<Port[]> {
    return (await this.#network.listPorts({ device_id })).map(shown)
  }

  async listDown(ports: readonly PortOfDevice[]): Promise<PortOfDevice[]> {
    const found = await this.#network.listPorts({ device_id: ports.map(({ device_id }) => device_id) })
    return withoutPortUp(ports, found.map(shown))
  }

  async listMadePorts(): Promise<Made[]> {
    return madeAmong(await this.#network.listPorts())
  }

  async listMadeSecurityGroups(): Promise<Made[]> {
    return madeAmong(await this.#network.listSecurityGroups())
  }

  /** There is no quality of service yet. */
  async getQosPolicy(id: string): Promise<never> {
    return translated(() => Promise.reject(qosPolicyNotFound(id)))
  }

  async getSecurityGroup(id: string): Promise<SecurityGroup> {
    const { project_id } = await translated(() => this.#network.getSecurityGroup(id))
    return { id, project_id }
  }

  ensurePort(wanted: WantedPort, fence?: Fence): Promise<Port> {
    return translated(async () => {
      const port: PortCreate = {
        ...wanted,
        description: wanted.made_by,
        project_id: wanted.project_id ?? this.#serviceProject,
        fixed_ips: wanted.fixed_ips.length > 0 ? wanted.fixed_ips : [await this.#anyPlace(wanted.network_id)],
      }
      return shown(await this.#network.createPort(port, { fence }))
    })
  }

  async deletePort(id: string, options: { made_by?: string } = {}): Promise<void> {
    await this.#network.deletePort(id, options)
  }

  async updatePort(id: string, changes: Parameters<NetworkDriver['updatePort']>[1], fence?: Fence): Promise<void> {
    await translated(() => this.#network.updatePort(id, changes, { fence }))
  }

  ensureSecurityGroup(wanted: { name: string; made_by: string }, fence?: Fence): Promise<string> {
    return translated(async () => {
      const group = { ...wanted, project_id: this.#serviceProject, description: wanted.made_by }
      return (await this.#network.createSecurityGroup(group, { fence })).id
    })
  }

  async findSecurityGroup(name: string): Promise<string | null> {
    return (await this.#network.findMadeSecurityGroup(name))?.id ?? null
  }

  async setSecurityGroupRules(id: string, rules: SecurityGroupRule[], fence?: Fence): Promise<void> {
    const wanted = rules.map(({ direction: _, port, ...rule }): IngressRule => ({ ...rule, port_range_min: port, port_range_max: port }))
    await translated(() => this.#network.setIngressRules(id, wanted, { fence }))
  }

  async deleteSecurityGroup(id: string, options: { made_by?: string } = {}): Promise<void> {
    try {
      await translated(() => this.#network.deleteSecurityGroup(id, options))
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error
    }
  }

  /** An IPv4 subnet rather than one of IPv6, and one that has an address left. */
  async #anyPlace(network_id: string): Promise<{ subnet_id?: string }> {
    const subnets = await this.#network.listSubnets({ network_id })
    for (const { id } of subnets.toSorted((a, b) => a.ip_version - b.ip_version)) {
      if ((await this.#network.countFreeAddresses(id)) > 0) return { subnet_id: id }
    }
    return {} // the network says what is wrong with it
  }
}

function madeAmong(rows: readonly { id: string; name: string; made_by: string | null }[]): Made[] {
  return rows.flatMap(({ id, name, made_by }) => (made_by === null ? [] : [{ id, name, made_by }]))
}

function shown(port: PortRow): Port {
  const { made_by: _, description: _description, ...rest } = port
  return rest
}

/** What callers of drivers expect instead of Neutron's faults. */
async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof NeutronNotFound) throw new NotFoundError(error.what, error.id)
    if (error instanceof NeutronError) throw new RefusedError(error.message, error.status)
    throw error
  }
}
