/** Networks, ports and security groups in this process's memory: keeps every promise of the driver, for tests. */
import { randomUUID } from 'node:crypto'
import { cidrContains, formatIp, parseCidr, parseIp } from '../../lib/ip.ts'
import { NotFoundError, RefusedError } from '../errors.ts'
import { Failures } from '../failures.ts'
import { Fences } from '../fences.ts'
import type {
  Fence,
  FixedIp,
  Made,
  Network,
  NetworkDriver,
  Port,
  PortOfDevice,
  QosPolicy,
  SecurityGroup,
  SecurityGroupRule,
  Subnet,
  WantedPort,
} from './driver.ts'
import { withoutPortUp } from './port-of-device.ts'

/** The project that owns what amphorae need. */
const SERVICE_PROJECT = 'service-project'

export type MemoryPort = Port & { made_by: string; vnic_type?: WantedPort['vnic_type'] }
export type MemorySecurityGroup = SecurityGroup & { name: string; made_by: string; rules: SecurityGroupRule[] }

export class MemoryNetwork implements NetworkDriver {
  readonly knowsViewers = false
  readonly networks: Network[] = []
  readonly subnets: Subnet[] = []
  readonly ports: MemoryPort[] = []
  readonly securityGroups: MemorySecurityGroup[] = []
  readonly qosPolicies: QosPolicy[] = []
  private readonly failures = new Failures<keyof NetworkDriver>()
  private readonly fences = new Fences()

  /** The next call of this method fails; with `after` it has its effect all the same. */
  failNext(method: keyof NetworkDriver, error?: Error, options?: { after?: boolean }): void {
    this.failures.failNext(method, error, options)
  }

  addNetwork(given: Partial<Network> = {}): Network {
    const id = given.id ?? randomUUID()
    const network = {
      id,
      name: `network-${id}`,
      project_id: SERVICE_PROJECT,
      subnet_ids: [],
      mtu: 1500,
      port_security_enabled: true,
      ...given,
    }
    this.networks.push(network)
    return network
  }

  /** A subnet with its gateway at the first address. */
  addSubnet(given: Partial<Subnet> & { network_id: string; cidr: string }): Subnet {
    const cidr = parseCidr(given.cidr)
    if (cidr === null) throw new Error(`${given.cidr} is no range`)
    const id = given.id ?? randomUUID()
    const subnet: Subnet = {
      id,
      name: `subnet-${id}`,
      project_id: SERVICE_PROJECT,
      ip_version: cidr.version,
      gateway_ip: formatIp({ version: cidr.version, value: cidr.first + 1n }),
      host_routes: [],
      ...given,
    }
    this.subnets.push(subnet)
    this.found('Network', this.networks, subnet.network_id).subnet_ids.push(id)
    return subnet
  }

  /** A user's own. */
  addSecurityGroup(given: Partial<MemorySecurityGroup> = {}): MemorySecurityGroup {
    const group = { id: randomUUID(), project_id: SERVICE_PROJECT, name: 'default', made_by: '', rules: [], ...given }
    this.securityGroups.push(group)
    return group
  }

  /** A user's own. */
  addPort({ network_id, project_id, subnet_id }: { network_id: string; project_id: string; subnet_id: string }): MemoryPort {
    const port: MemoryPort = {
      id: randomUUID(),
      name: '',
      project_id,
      network_id,
      mac_address: this.newMacAddress(),
      fixed_ips: [this.takeAddress({ subnet_id })],
      device_owner: '',
      device_id: '',
      admin_state_up: true,
      status: 'DOWN',
      security_group_ids: [],
      allowed_address_pairs: [],
      qos_policy_id: null,
      made_by: '',
    }
    this.ports.push(port)
    return port
  }

  getNetwork(id: string): Promise<Network> {
    return this.failures.around('getNetwork', () => structuredClone(this.found('Network', this.networks, id)))
  }

  getSubnet(id: string): Promise<Subnet> {
    return this.failures.around('getSubnet', () => structuredClone(this.found('Subnet', this.subnets, id)))
  }

  listSubnets(network_id: string): Promise<Subnet[]> {
    return this.failures.around('listSubnets', () => {
      const { subnet_ids } = this.found('Network', this.networks, network_id)
      const subnets = subnet_ids.map((id) => this.found('Subnet', this.subnets, id))
      return subnets.map((subnet) => ({ ...structuredClone(subnet), free_addresses: this.countFree(subnet) }))
    })
  }

  getPort(id: string): Promise<Port> {
    return this.failures.around('getPort', () => withoutMaker(this.found('Port', this.ports, id)))
  }

  findPort(name: string, project_id = SERVICE_PROJECT): Promise<Port | null> {
    return this.failures.around('findPort', () => {
      const port = this.ports.find((known) => known.name === name && known.project_id === project_id)
      return port === undefined ? null : withoutMaker(port)
    })
  }

  listPortsOfDevice(device_id: string): Promise<Port[]> {
    return this.failures.around('listPortsOfDevice', () => this.ports.filter((port) => port.device_id === device_id).map(withoutMaker))
  }

  listDown(ports: readonly PortOfDevice[]): Promise<PortOfDevice[]> {
    return this.failures.around('listDown', () => withoutPortUp(ports, this.ports))
  }

  listMadePorts(): Promise<Made[]> {
    return this.failures.around('listMadePorts', () => this.ports.filter(({ made_by }) => made_by !== '').map(madeOf))
  }

  listMadeSecurityGroups(): Promise<Made[]> {
    return this.failures.around('listMadeSecurityGroups', () => this.securityGroups.filter(({ made_by }) => made_by !== '').map(madeOf))
  }

  getQosPolicy(id: string): Promise<QosPolicy> {
    return this.failures.around('getQosPolicy', () => this.found('QoS Policy', this.qosPolicies, id))
  }

  getSecurityGroup(id: string): Promise<SecurityGroup> {
    return this.failures.around('getSecurityGroup', () => {
      const { project_id } = this.found('Security Group', this.securityGroups, id)
      return { id, project_id }
    })
  }

  ensurePort(wanted: WantedPort, fence?: Fence): Promise<Port> {
    return this.failures.around('ensurePort', () => {
      this.fences.check(wanted.name, fence)
      const known = this.ports.find((port) => port.name === wanted.name)
      if (known !== undefined) return withoutMaker(known)
      const network = this.found('Network', this.networks, wanted.network_id)
      const places = wanted.fixed_ips.length > 0 ? wanted.fixed_ips : network.subnet_ids.slice(0, 1).map((subnet_id) => ({ subnet_id }))
      const { fixed_ips: _, project_id, made_by, qos_policy_id, ...rest } = wanted
      const port: MemoryPort = {
        ...structuredClone(rest),
        id: randomUUID(),
        project_id: project_id ?? SERVICE_PROJECT,
        mac_address: this.newMacAddress(),
        fixed_ips: places.map((place) => this.takeAddress(place)),
        status: 'DOWN',
        qos_policy_id: qos_policy_id ?? null,
        made_by,
      }
      this.ports.push(port)
      return withoutMaker(port)
    })
  }

  deletePort(id: string, options: { made_by?: string } = {}): Promise<void> {
    return this.failures.around('deletePort', () => remove(this.ports, id, options.made_by))
  }

  updatePort(id: string, changes: Parameters<NetworkDriver['updatePort']>[1], fence?: Fence): Promise<void> {
    return this.failures.around('updatePort', () => {
      this.fences.check(id, fence)
      if (changes.qos_policy_id) this.found('QoS Policy', this.qosPolicies, changes.qos_policy_id)
      Object.assign(this.found('Port', this.ports, id), structuredClone(changes))
    })
  }

  ensureSecurityGroup(wanted: { name: string; made_by: string }, fence?: Fence): Promise<string> {
    return this.failures.around('ensureSecurityGroup', () => {
      this.fences.check(wanted.name, fence)
      const known = this.securityGroups.find((group) => group.name === wanted.name)
      if (known !== undefined) return known.id
      const group = { id: randomUUID(), project_id: SERVICE_PROJECT, ...wanted, rules: [] }
      this.securityGroups.push(group)
      return group.id
    })
  }

  findSecurityGroup(name: string): Promise<string | null> {
    return this.failures.around('findSecurityGroup', () => this.securityGroups.find((group) => group.name === name)?.id ?? null)
  }

  setSecurityGroupRules(id: string, rules: SecurityGroupRule[], fence?: Fence): Promise<void> {
    return this.failures.around('setSecurityGroupRules', () => {
      this.fences.check(id, fence)
      this.found('Security Group', this.securityGroups, id).rules = structuredClone(rules)
    })
  }

  /** As Neutron, refuses to delete a group that a port still has. */
  deleteSecurityGroup(id: string, options: { made_by?: string } = {}): Promise<void> {
    return this.failures.around('deleteSecurityGroup', () => {
      const user = this.ports.find((port) => port.security_group_ids.includes(id))
      const stays = options.made_by !== undefined && this.securityGroups.find((group) => group.id === id)?.made_by !== options.made_by
      if (user !== undefined && !stays) throw new RefusedError(`Security Group ${id} in use.`)
      remove(this.securityGroups, id, options.made_by)
    })
  }

  private found<T extends { id: string }>(what: string, things: T[], id: string): T {
    const thing = things.find((known) => known.id === id)
    if (thing === undefined) throw new NotFoundError(what, id)
    return thing
  }

  private newMacAddress(): string {
    const bytes = randomUUID().replaceAll('-', '').slice(0, 6).match(/../g)!
    return `fa:16:3e:${bytes.join(':')}`
  }

  private takeAddress(wanted: { subnet_id: string; ip_address?: string }): FixedIp {
    const subnet = this.found('Subnet', this.subnets, wanted.subnet_id)
    const used = this.usedAddresses(subnet)
    if (wanted.ip_address !== undefined) {
      const ip = parseIp(wanted.ip_address)
      if (ip === null || !cidrContains(parseCidr(subnet.cidr)!, ip)) {
        throw new RefusedError(`IP address ${wanted.ip_address} is not a valid IP for the specified subnet.`, 400)
      }
      if (used.has(formatIp(ip))) {
        throw new RefusedError(
          `Unable to complete operation for network ${subnet.network_id}. The IP address ${wanted.ip_address} is in use.`,
        )
      }
      return { subnet_id: subnet.id, ip_address: formatIp(ip) }
    }
    for (const ip_address of this.addressesOf(subnet)) if (!used.has(ip_address)) return { subnet_id: subnet.id, ip_address }
    throw new RefusedError(`No more IP addresses available on network ${subnet.network_id}.`)
  }

  private usedAddresses(subnet: Subnet): Set<string> {
    const ofPorts = this.ports.flatMap((port) => port.fixed_ips).filter((fixed) => fixed.subnet_id === subnet.id)
    return new Set([...ofPorts.map((fixed) => fixed.ip_address), ...(subnet.gateway_ip === null ? [] : [subnet.gateway_ip])])
  }

  private *addressesOf(subnet: Subnet): Generator<string> {
    const { version, first, last } = parseCidr(subnet.cidr)!
    for (let value = first + 1n; value < last; value++) yield formatIp({ version, value })
  }

  private countFree(subnet: Subnet): number {
    const { first, last } = parseCidr(subnet.cidr)!
    return Math.min(Number(last - first - 1n), Number.MAX_SAFE_INTEGER) - this.usedAddresses(subnet).size
  }
}

function withoutMaker({ made_by: _, ...port }: MemoryPort): Port {
  return structuredClone(port)
}

function remove(things: { id: string; made_by: string }[], id: string, made_by: string | undefined): void {
  const index = things.findIndex((thing) => thing.id === id && (made_by === undefined || thing.made_by === made_by))
  if (index >= 0) things.splice(index, 1)
}

function madeOf({ id, name, made_by }: Made): Made {
  return { id, name, made_by }
}
