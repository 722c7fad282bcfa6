/** A network that is not there: any id is accepted, ids are derived from names, nothing is kept. For benchmarks and tests of the API. */
import { derivedId } from '../../lib/derived-id.ts'
import type { Made, Network, NetworkDriver, Port, PortOfDevice, QosPolicy, SecurityGroup, Subnet, WantedPort } from './driver.ts'

/** What upstream's no-op driver gives to a VIP without an address. */
const ADDRESS = '198.51.100.1'

export class NoopNetwork implements NetworkDriver {
  readonly knowsViewers = false

  async getNetwork(id: string): Promise<Network> {
    return { id, name: `network-${id}`, project_id: '', subnet_ids: [counterpart(id)], mtu: 1500, port_security_enabled: true }
  }

  async getSubnet(id: string): Promise<Subnet> {
    return {
      id,
      name: `subnet-${id}`,
      project_id: '',
      network_id: counterpart(id),
      ip_version: 4,
      cidr: '198.51.100.0/24',
      gateway_ip: null,
      host_routes: [],
      anywhere: true,
    }
  }

  async listSubnets(network_id: string): Promise<Subnet[]> {
    return [await this.getSubnet(counterpart(network_id))]
  }

  async getPort(id: string): Promise<Port> {
    const network_id = derivedId('network', id)
    return {
      id,
      name: `port-${id}`,
      project_id: '',
      network_id,
      mac_address: 'fa:16:3e:00:00:01',
      fixed_ips: [{ subnet_id: counterpart(network_id), ip_address: ADDRESS }],
      device_owner: '',
      device_id: '',
      admin_state_up: true,
      status: 'ACTIVE',
      security_group_ids: [],
      allowed_address_pairs: [],
      qos_policy_id: null,
    }
  }

  /** Nothing is kept, so nothing is found. */
  async findPort(): Promise<null> {
    return null
  }

  async listPortsOfDevice(): Promise<Port[]> {
    return []
  }

  async listDown(): Promise<PortOfDevice[]> {
    return []
  }

  async listMadePorts(): Promise<Made[]> {
    return []
  }

  async listMadeSecurityGroups(): Promise<Made[]> {
    return []
  }

  async getQosPolicy(id: string): Promise<QosPolicy> {
    return { id, project_id: '', shared: false }
  }

  async getSecurityGroup(id: string): Promise<SecurityGroup> {
    return { id, project_id: '' }
  }

  async ensurePort(wanted: WantedPort): Promise<Port> {
    const { fixed_ips, project_id, qos_policy_id, made_by: _, ...rest } = wanted
    const places = fixed_ips.length > 0 ? fixed_ips : [{ subnet_id: counterpart(wanted.network_id) }]
    return {
      ...rest,
      id: derivedId('port', wanted.name),
      project_id: project_id ?? '',
      mac_address: 'fa:16:3e:00:00:01',
      fixed_ips: places.map((place) => ({ ip_address: ADDRESS, ...place })),
      status: 'ACTIVE',
      qos_policy_id: qos_policy_id ?? null,
    }
  }

  async deletePort(): Promise<void> {}

  async updatePort(): Promise<void> {}

  async ensureSecurityGroup(wanted: { name: string }): Promise<string> {
    return derivedId('security-group', wanted.name)
  }

  async findSecurityGroup(): Promise<null> {
    return null
  }

  async setSecurityGroupRules(): Promise<void> {}

  async deleteSecurityGroup(): Promise<void> {}
}

/** A subnet's network and a network's subnet: the last hexadecimal digit's lowest bit turned, so that going there and back ends where it began. */
function counterpart(id: string): string {
  const last = Number.parseInt(id.slice(-1), 16)
  return Number.isNaN(last) ? id : `${id.slice(0, -1)}${(last ^ 1).toString(16)}`
}
