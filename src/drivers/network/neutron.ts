/**
 * Networks of an OpenStack: Neutron's API v2.0, as upstream's `allowed_address_pairs_driver` uses it. Neutron knows no fences, so an old one is not refused; what
 * is made says who made it (its description), and two that make the same end with one.
 */
import { type Config, ConfigError } from '../../config/config.ts'
import { ifThere, RefusedError, ServiceError } from '../errors.ts'
import type { OpenStackSession } from '../openstack/session.ts'
import type {
  Made,
  Network,
  NetworkDriver,
  Port,
  PortOfDevice,
  QosPolicy,
  SecurityGroup,
  SecurityGroupRule,
  Subnet,
  Viewer,
  WantedPort,
} from './driver.ts'
import { isFault, makerIn, NeutronApi, translated } from './neutron-api.ts'
import { ensurePort, type PortRow, portNamed, shownPort } from './neutron-ports.ts'
import { deleteGroup, ensureGroup, groupsNamed, onlyGroup, setRules } from './neutron-security-groups.ts'
import { withoutPortUp } from './port-of-device.ts'
import { ToldToFlows } from './told-to-flows.ts'

/** What Neutron says where it has no word of it. */
const USUAL_MTU = 1_500
const PORT_FIELDS = ['id', 'name', 'description']

type NetworkRow = {
  id: string
  name: string
  project_id?: string
  tenant_id?: string
  subnets: string[]
  mtu?: number
  port_security_enabled?: boolean
}
type SubnetRow = {
  id: string
  name: string
  project_id?: string
  tenant_id?: string
  network_id: string
  ip_version: 4 | 6
  cidr: string
  gateway_ip: string | null
  host_routes: { destination: string; nexthop: string }[]
}
type Owned = { id: string; project_id?: string; tenant_id?: string }
type Described = { id: string; name: string; description?: string | null }
type Availability = { subnet_ip_availability: { subnet_id: string; total_ips: number; used_ips: number }[] }

export class NeutronNetwork implements NetworkDriver {
  readonly knowsViewers = true
  readonly #api: NeutronApi
  readonly #patience: Config['networking']
  readonly #told = new ToldToFlows()

  constructor(session: OpenStackSession, { neutron: options, networking: patience }: Pick<Config, 'neutron' | 'networking'>) {
    const client = session.client({ name: 'Neutron', type: 'network', section: 'neutron', version: '/v2.0', options, patience })
    this.#api = new NeutronApi(client, async () => {
      const { project_id } = await session.who()
      if (project_id === null) throw new ConfigError('[service_auth] project_name: missing, and what amphorae need belongs to a project')
      return project_id
    })
    this.#patience = patience
  }

  getNetwork(id: string, viewer?: Viewer): Promise<Network> {
    return translated(async () => {
      const ask = () => this.#api.get<NetworkRow>('networks', 'network', { what: 'Network', id, token: viewer?.token })
      const row = await this.#told.once(`network ${id}`, ask)
      return {
        id: row.id,
        name: row.name,
        project_id: ownerOf(row),
        subnet_ids: row.subnets,
        mtu: row.mtu || USUAL_MTU,
        port_security_enabled: row.port_security_enabled ?? true,
      }
    })
  }

  getSubnet(id: string, viewer?: Viewer): Promise<Subnet> {
    return translated(async () => {
      const ask = () => this.#api.get<SubnetRow>('subnets', 'subnet', { what: 'Subnet', id, token: viewer?.token })
      return shownSubnet(await this.#told.once(`subnet ${id}`, ask))
    })
  }

  listSubnets(network_id: string): Promise<Subnet[]> {
    return translated(async () => {
      const [rows, free] = await Promise.all([this.#api.list<SubnetRow>('subnets', { network_id }), this.#freeAddresses(network_id)])
      return rows.map((row) => ({ ...shownSubnet(row), free_addresses: free.get(row.id) }))
    })
  }

  getPort(id: string, viewer?: Viewer): Promise<Port> {
    return translated(async () => shownPort(await this.#api.get<PortRow>('ports', 'port', { what: 'Port', id, token: viewer?.token })))
  }

  findPort(name: string, project_id?: string): Promise<Port | null> {
    return translated(async () => {
      const row = await portNamed(this.#api, name, project_id ?? (await this.#api.serviceProject()))
      return row === undefined ? null : shownPort(row)
    })
  }

  listPortsOfDevice(device_id: string): Promise<Port[]> {
    return translated(async () => (await this.#api.list<PortRow>('ports', { device_id })).map(shownPort))
  }

  listDown(ports: readonly PortOfDevice[]): Promise<PortOfDevice[]> {
    return translated(async () => {
      const devices = [...new Set(ports.map(({ device_id }) => device_id))]
      const fields = ['id', 'device_id', 'fixed_ips', 'admin_state_up']
      const found = await this.#api.listByMany<Pick<PortRow, 'device_id' | 'fixed_ips' | 'admin_state_up'>>('ports', 'device_id', devices, {
        fields,
      })
      return withoutPortUp(ports, found)
    })
  }

  /** Nova takes the `device_owner` of what it attaches, so those are sought among the service's own; VIPs are in their users' projects. */
  listMadePorts(): Promise<Made[]> {
    return translated(async () => {
      const service = { [await this.#api.projectKey()]: await this.#api.serviceProject() }
      const found = [service, { device_owner: 'Octavia' }].map((query) =>
        this.#api.list<Described>('ports', { ...query, fields: PORT_FIELDS }),
      )
      return madeAmong((await Promise.all(found)).flat())
    })
  }

  listMadeSecurityGroups(): Promise<Made[]> {
    return translated(async () => {
      if (!(await this.#api.has('security-group'))) return []
      const service = { [await this.#api.projectKey()]: await this.#api.serviceProject() }
      return madeAmong(await this.#api.list<Described>('security-groups', { ...service, fields: PORT_FIELDS }))
    })
  }

  getQosPolicy(id: string, viewer?: Viewer): Promise<QosPolicy> {
    return translated(async () => {
      if (!(await this.#api.has('qos'))) throw new RefusedError('VIP QoS policy is not allowed in this deployment.', 400)
      const row = await this.#api.get<Owned & { shared: boolean }>('qos/policies', 'policy', {
        what: 'QoS Policy',
        id,
        token: viewer?.token,
      })
      return { id, project_id: ownerOf(row), shared: row.shared }
    })
  }

  getSecurityGroup(id: string, viewer?: Viewer): Promise<SecurityGroup> {
    return translated(async () => {
      const row = await this.#api.get<Owned>('security-groups', 'security_group', { what: 'Security Group', id, token: viewer?.token })
      return { id, project_id: ownerOf(row) }
    })
  }

  ensurePort(wanted: WantedPort): Promise<Port> {
    return translated(async () => shownPort(await ensurePort(this.#api, wanted)))
  }

  deletePort(id: string, { made_by }: { made_by?: string } = {}): Promise<void> {
    return translated(async () => {
      if (made_by !== undefined) {
        const port = await ifThere(this.#api.get<PortRow>('ports', 'port', { what: 'Port', id }))
        if (port === null || makerIn(port.description) !== made_by) return
      }
      await this.#api.delete('ports', id)
    })
  }

  updatePort(id: string, changes: Parameters<NetworkDriver['updatePort']>[1]): Promise<void> {
    return translated(async () => {
      const { security_group_ids, qos_policy_id, ...rest } = changes
      const api = this.#api
      const body: Record<string, unknown> = { ...rest }
      // It goes to another machine then; Nova takes no port that has a name of another's.
      if (changes.name !== undefined && (await api.has('dns-integration'))) body.dns_name = ''
      if (qos_policy_id !== undefined && (qos_policy_id !== null || (await api.has('qos')))) body.qos_policy_id = qos_policy_id
      if (security_group_ids === undefined || !(await api.has('security-group'))) return this.#change(id, body)
      try {
        await this.#change(id, { ...body, security_groups: security_group_ids })
      } catch (error) {
        // A port without port security has no groups, and nothing would heed them.
        if (!isFault(error, 'PortSecurityAndIPRequiredForSecurityGroups')) throw error
        await this.#change(id, body)
      }
    })
  }

  ensureSecurityGroup(wanted: { name: string; made_by: string }): Promise<string | null> {
    return translated(async () => ((await this.#api.has('security-group')) ? ensureGroup(this.#api, wanted) : null))
  }

  findSecurityGroup(name: string): Promise<string | null> {
    return translated(async () => {
      if (!(await this.#api.has('security-group'))) return null
      return onlyGroup(this.#api, await groupsNamed(this.#api, name))
    })
  }

  setSecurityGroupRules(id: string, rules: SecurityGroupRule[]): Promise<void> {
    return translated(() => setRules(this.#api, id, rules))
  }

  async deleteSecurityGroup(id: string, options: { made_by?: string } = {}): Promise<void> {
    const { max_retries, retry_interval } = this.#patience
    await ifThere(translated(() => deleteGroup(this.#api, id, { ...options, max_retries, retry_interval })))
  }

  async #change(id: string, body: Record<string, unknown>): Promise<void> {
    if (Object.keys(body).length > 0) await this.#api.update('ports', id, { port: body })
  }

  /** By subnet; empty where this Neutron, or this Neutron to us, does not tell. */
  async #freeAddresses(network_id: string): Promise<ReadonlyMap<string, number>> {
    if (!(await this.#api.has('network-ip-availability'))) return new Map()
    const about = { what: 'Network', id: network_id }
    try {
      const found = await this.#api.get<Availability>('network-ip-availabilities', 'network_ip_availability', about)
      return new Map(found.subnet_ip_availability.map(({ subnet_id, total_ips, used_ips }) => [subnet_id, total_ips - used_ips]))
    } catch (error) {
      if (error instanceof ServiceError && error.status === 403) return new Map()
      throw error
    }
  }
}

function ownerOf({ project_id, tenant_id }: { project_id?: string; tenant_id?: string }): string {
  return project_id ?? tenant_id ?? ''
}

function shownSubnet(row: SubnetRow): Subnet {
  const { id, name, network_id, ip_version, cidr, gateway_ip, host_routes } = row
  return { id, name, project_id: ownerOf(row), network_id, ip_version, cidr, gateway_ip, host_routes }
}

/** Each once. */
function madeAmong(rows: readonly Described[]): Made[] {
  const made = rows.flatMap(({ id, name, description }): Made[] => {
    const made_by = makerIn(description)
    return made_by === null ? [] : [{ id, name, made_by }]
  })
  return [...new Map(made.map((thing) => [thing.id, thing])).values()]
}
