/**
 * The embedded network service: Neutron's objects as rows, and this host's bridges, veth pairs and walls brought to what the rows say.
 * Rows come first: what the kernel lacks after a crash is made up for by `reconcile`.
 */
import type { Config } from '../../config/config.ts'
import type { Db, Tx } from '../../db/connection.ts'
import type { Fence } from '../../drivers/network/driver.ts'
import { type Clock, timestamp } from '../../lib/clock.ts'
import { parseCidr } from '../../lib/ip.ts'
import type { Log } from '../../lib/log.ts'
import { countFree } from './addresses.ts'
import { type BridgeSpec, Fabric } from './fabric.ts'
import { checkFence, forgetOldFences } from './fences.ts'
import type { Filter } from './filter.ts'
import { type FirstStart, type FoundNetworks, findFirstNetworks, HOST_REACHES, makeFirstNetworks } from './first-start.ts'
import { readSysctl } from './kernel.ts'
import { type NetworkNames, networkNames } from './names.ts'
import * as networks from './networks.ts'
import * as ports from './ports.ts'
import { chooseRanges, refuseOverlap, usedRanges } from './ranges.ts'
import * as groups from './security-groups.ts'
import type { NetworkRow, PortRow, SecurityGroupRow, SecurityGroupRuleRow, SubnetRow } from './tables.ts'
import { WallKeeper } from './wall-keeper.ts'

export interface EmbeddedNetworkOptions {
  db: Db
  /** Six hex digits that tell this state's links and tables from another's. */
  stateHash: string
  config: Pick<Config, 'embedded' | 'health_manager'>
  log: Log
  clock: Clock
  /** UDP ports that machines on lb-mgmt-net may reach on this host; default: `[health_manager] bind_port`. */
  heartbeatPorts?: number[]
  /** False: rows only, the machine is not touched (tests, no-op compute). */
  kernel?: boolean
}

/** What a fenced call says of itself; see `checkFence`. */
export interface Fenced {
  fence?: Fence
}

export class EmbeddedNetwork {
  readonly #db: Db
  readonly #config: EmbeddedNetworkOptions['config']
  readonly #log: Log
  readonly #clock: Clock
  readonly #touchesKernel: boolean
  readonly #names: NetworkNames
  readonly #fabric: Fabric
  /** Ports whose links are being made: their walls are laid meanwhile. */
  readonly #attaching = new Set<string>()
  readonly #walls: WallKeeper
  /** Changes of links, one after the other: two at a time would judge by what the other is about to change. */
  #links: Promise<unknown> = Promise.resolve()

  constructor(options: EmbeddedNetworkOptions) {
    this.#names = networkNames(options.stateHash)
    this.#db = options.db
    this.#config = options.config
    this.#log = options.log
    this.#clock = options.clock
    this.#touchesKernel = options.kernel ?? true
    this.#fabric = new Fabric(this.#names)
    this.#walls = new WallKeeper(this.#names, () => this.#wallsInput(options.heartbeatPorts ?? [options.config.health_manager.bind_port]))
  }

  /**
   * Makes what the first start makes: lb-mgmt-net (of the service project) and the shared `private` (of the admin project), with ranges
   * that are free on this host. Later starts find it. Throws ConfigError when a range is in use on this host.
   */
  async prepare(projects: FirstStart): Promise<FoundNetworks> {
    const known = await findFirstNetworks(this.#db)
    if (known !== null) return known
    const used = this.#touchesKernel ? await usedRanges(this.#names) : []
    const ranges = await chooseRanges(this.#config.embedded, used)
    return this.#change((tx, now) => makeFirstNetworks(tx, projects, ranges, now))
  }

  listNetworks(filter?: Filter<NetworkRow>): Promise<networks.EmbeddedNetworkView[]> {
    return networks.listNetworks(this.#db, filter)
  }
  getNetwork(id: string): Promise<networks.EmbeddedNetworkView> {
    return networks.getNetwork(this.#db, id)
  }
  async createNetwork(wanted: networks.NetworkCreate): Promise<networks.EmbeddedNetworkView> {
    const network = await this.#change((tx, now) => networks.createNetwork(tx, wanted, now))
    await this.#bringBridge(network.id)
    return network
  }
  async updateNetwork(id: string, changes: networks.NetworkUpdate): Promise<networks.EmbeddedNetworkView> {
    const network = await this.#change((tx, now) => networks.updateNetwork(tx, id, changes, now))
    await this.#bringBridge(id)
    return network
  }
  async deleteNetwork(id: string): Promise<void> {
    await this.#change((tx) => networks.deleteNetwork(tx, id))
    await this.#onLinks(async () => {
      await this.#fabric.removeBridge(id)
      await this.#fabric.sweepBlackholes(await this.#bridgeSpecs())
    })
    await this.#refreshWalls()
  }

  listSubnets(filter?: Filter<SubnetRow>): Promise<SubnetRow[]> {
    return networks.listSubnets(this.#db, filter)
  }
  getSubnet(id: string): Promise<SubnetRow> {
    return networks.getSubnet(this.#db, id)
  }
  async createSubnet(wanted: networks.SubnetCreate): Promise<SubnetRow> {
    return this.#change((tx, now) => networks.createSubnet(tx, wanted, now))
  }
  async updateSubnet(id: string, changes: networks.SubnetUpdate): Promise<SubnetRow> {
    const subnet = await this.#change((tx, now) => networks.updateSubnet(tx, id, changes, now))
    if (subnet.made_by === HOST_REACHES) await this.#bringBridge(subnet.network_id)
    return subnet
  }
  async deleteSubnet(id: string): Promise<void> {
    const network_id = await this.#change((tx) => networks.deleteSubnet(tx, id))
    await this.#bringBridge(network_id)
  }
  /** How many addresses can still be given out without being asked for. */
  async countFreeAddresses(subnet_id: string): Promise<number> {
    const subnet = await networks.getSubnet(this.#db, subnet_id)
    const onNetwork = await ports.listPorts(this.#db, { network_id: subnet.network_id })
    return countFree(subnet, ports.usedAddresses(subnet, onNetwork))
  }

  listPorts(filter?: Filter<PortRow>): Promise<PortRow[]> {
    return ports.listPorts(this.#db, filter)
  }
  getPort(id: string): Promise<PortRow> {
    return ports.getPort(this.#db, id)
  }
  /** The port that a flow made under this name. */
  async findMadePort(name: string): Promise<PortRow | null> {
    return (await ports.findMadePort(this.#db, name)) ?? null
  }
  /** With `made_by`, a repeated call returns the port made under this name before. */
  createPort(wanted: ports.PortCreate, { fence }: Fenced = {}): Promise<PortRow> {
    return this.#change(async (tx, now) => {
      await checkFence(tx, wanted.name ?? 'port', fence, this.#clock.now())
      return ports.createPort(tx, wanted, now)
    })
  }
  async updatePort(id: string, changes: ports.PortUpdate, { fence }: Fenced = {}): Promise<PortRow> {
    const plugged = await this.plugged(id)
    const { before, port } = await this.#change(async (tx, now) => {
      await checkFence(tx, id, fence, this.#clock.now())
      return { before: await ports.getPort(tx, id), port: await ports.updatePort(tx, id, changes, plugged, now) }
    })
    if (changes.admin_state_up === false) await this.#bringPort(id)
    if (await this.#wallsNamePort(before, port)) await this.#refreshWalls()
    if (changes.admin_state_up === true) await this.#bringPort(id)
    return port
  }
  /** Unplugs it too. With `made_by`, a port that another flow made stays. Content when there is none; returns whether there was. */
  async deletePort(id: string, { made_by }: { made_by?: string } = {}): Promise<boolean> {
    const port = await this.#change((tx) => ports.deletePort(tx, id, made_by))
    if (port === undefined) return false
    await Promise.all([this.#onLinks(() => this.#fabric.unplug(id)), this.#refreshWalls()])
    return true
  }

  /**
   * Puts the port into a machine: an interface with its MAC address appears in the namespace `netnsPath` (a file such as
   * /proc/PID/ns/net), named `ifname` or by the kernel (eth0, eth1, ...). Repeating it does nothing.
   */
  async attachPort(id: string, machine: { netnsPath: string; ifname?: string }): Promise<void> {
    const port = await ports.getPort(this.#db, id)
    if (!this.#touchesKernel) return this.#storeStatus(port, true)
    const network = await networks.getNetwork(this.#db, port.network_id)
    this.#attaching.add(id)
    // Side by side: until its chains are there nothing passes, so a link without walls is never open.
    const walls = this.#walls.refresh()
    const link = this.#onLinks(async () => {
      if (await this.#fabric.isPlugged(id)) return
      // After a reboot the lab may come before the controller has made its bridges.
      if (!(await this.#fabric.hasBridge(network.id))) await this.#fabric.ensureBridge((await this.#bridgeSpec(network.id))!)
      await this.#fabric.plug(port, network, machine)
    })
    const [outcome] = await Promise.allSettled([link, walls])
    this.#attaching.delete(id)
    if (outcome.status === 'rejected') await this.#walls.refresh()
    await Promise.all([link, walls])
    await this.#storeStatus(port, true)
    // The row may have been deleted, disabled or enabled while the link was made.
    const [now] = await ports.listPorts(this.#db, { id })
    if (now?.admin_state_up !== port.admin_state_up) await this.#bringPort(id)
  }

  /** The machine's side goes too. Content when it is not plugged, or does not exist. */
  async detachPort(id: string): Promise<void> {
    await this.#onLinks(() => this.#fabric.unplug(id))
    const [port] = await ports.listPorts(this.#db, { id })
    if (port !== undefined) await this.#storeStatus(port, false)
    await this.#refreshWalls()
  }

  /** Whether the port is in a machine now; it leaves with the machine's namespace. */
  async plugged(id: string): Promise<boolean> {
    return this.#touchesKernel && this.#fabric.isPlugged(id)
  }

  listSecurityGroups(filter?: Filter<SecurityGroupRow>): Promise<groups.SecurityGroupView[]> {
    return groups.listSecurityGroups(this.#db, filter)
  }
  getSecurityGroup(id: string): Promise<groups.SecurityGroupView> {
    return groups.getSecurityGroup(this.#db, id)
  }
  async findMadeSecurityGroup(name: string): Promise<groups.SecurityGroupView | null> {
    return (await groups.findMadeGroup(this.#db, name)) ?? null
  }
  /** Every project has a default group from its first look at groups on. */
  ensureDefaultSecurityGroup(project_id: string): Promise<string> {
    return this.#change((tx, now) => groups.ensureDefaultGroup(tx, project_id, now))
  }
  /** With `made_by`, a repeated call returns the group made under this name before. */
  createSecurityGroup(wanted: groups.SecurityGroupCreate, { fence }: Fenced = {}): Promise<groups.SecurityGroupView> {
    return this.#change(async (tx, now) => {
      await checkFence(tx, wanted.name, fence, this.#clock.now())
      return groups.createSecurityGroup(tx, wanted, now)
    })
  }
  updateSecurityGroup(id: string, changes: groups.SecurityGroupUpdate): Promise<groups.SecurityGroupView> {
    return this.#change((tx, now) => groups.updateSecurityGroup(tx, id, changes, now))
  }
  /** With `made_by`, a group that another flow made stays. */
  async deleteSecurityGroup(id: string, { made_by }: { made_by?: string } = {}): Promise<void> {
    await this.#change((tx) => groups.deleteSecurityGroup(tx, id, made_by))
    await this.#refreshWalls()
  }
  listSecurityGroupRules(filter?: Filter<SecurityGroupRuleRow>): Promise<SecurityGroupRuleRow[]> {
    return groups.listRules(this.#db, filter)
  }
  getSecurityGroupRule(id: string): Promise<SecurityGroupRuleRow> {
    return groups.getRule(this.#db, id)
  }
  async createSecurityGroupRule(wanted: groups.RuleCreate): Promise<SecurityGroupRuleRow> {
    const rule = await this.#change((tx, now) => groups.createRule(tx, wanted, now))
    await this.#refreshWalls()
    return rule
  }
  async deleteSecurityGroupRule(id: string): Promise<void> {
    await this.#change((tx) => groups.deleteRule(tx, id))
    await this.#refreshWalls()
  }
  /** Afterwards the group has exactly these ingress rules. */
  async setIngressRules(id: string, rules: groups.IngressRule[], { fence }: Fenced = {}): Promise<void> {
    const changed = await this.#change(async (tx, now) => {
      await checkFence(tx, id, fence, this.#clock.now())
      return groups.replaceIngressRules(tx, id, rules, now)
    })
    if (changed && (await this.#wallsNameGroup(id))) await this.#refreshWalls()
  }

  /**
   * Brings the kernel to what the rows say, whatever is there; for the start, and whenever in doubt. Throws ConfigError when a range of
   * ours has meanwhile been taken by somebody else on this host.
   */
  async reconcile(): Promise<void> {
    await this.#change((tx) => forgetOldFences(tx, this.#clock.now()))
    if (!this.#touchesKernel) return
    await this.#refuseTakenRanges()
    const bridges = await this.#bridgeSpecs()
    const allPorts = await ports.listPorts(this.#db)
    await this.#onLinks(() => this.#fabric.reconcile(bridges, allPorts))
    await this.#walls.rebuild()
    const plugged = await this.#fabric.pluggedAmong(allPorts)
    for (const port of allPorts) await this.#storeStatus(port, plugged.has(port.id))
    if ((await readSysctl('bridge/bridge-nf-call-iptables')) === '1') {
      this.#log.info('bridge-nf-call-iptables is on: rules of this host that drop forwarded packets also drop those between machines')
    }
  }

  /** For every few seconds: lays the walls anew when somebody has taken them down, such as the host's own firewall flushing all tables. */
  async checkWalls(): Promise<void> {
    if (this.#touchesKernel) await this.#walls.check()
  }

  /** Removes every bridge, link, route and table of this state, also those that no row knows; needs no database. */
  async teardown(): Promise<void> {
    await this.#onLinks(() => this.#fabric.teardown())
    this.#walls.forget()
  }

  #change<T>(work: (tx: Tx, now: string) => Promise<T>): Promise<T> {
    return this.#db.transaction().execute((tx) => work(tx, timestamp(this.#clock.now())))
  }

  /** A link's change waits for those before it; nothing happens where the machine is not to be touched. */
  #onLinks(work: () => Promise<void>): Promise<void> {
    if (!this.#touchesKernel) return Promise.resolve()
    const done = this.#links.then(work)
    this.#links = done.catch(() => {}) // its caller is told; the next one starts all the same
    return done
  }

  async #refreshWalls(): Promise<void> {
    if (this.#touchesKernel) await this.#walls.refresh()
  }

  /** Of a port that is in no machine the walls know at most its addresses, as a member of a group that is some rule's remote. */
  async #wallsNamePort(before: PortRow, after: PortRow): Promise<boolean> {
    if (this.#attaching.has(after.id) || (await this.plugged(after.id))) return true
    const its = new Set([...before.security_group_ids, ...after.security_group_ids])
    const rules = its.size === 0 ? [] : await groups.listRules(this.#db)
    return rules.some(({ remote_group_id }) => remote_group_id !== null && its.has(remote_group_id))
  }

  /** The walls hold the rules of groups that plugged ports have; another port's are read when it is attached. */
  async #wallsNameGroup(id: string): Promise<boolean> {
    const members = (await ports.listPorts(this.#db)).filter((port) => port.security_group_ids.includes(id))
    const plugged = await this.#fabric.pluggedAmong(members)
    return members.some((port) => plugged.has(port.id) || this.#attaching.has(port.id))
  }

  async #bringBridge(network_id: string): Promise<void> {
    await this.#onLinks(async () => {
      // Read here, in turn: an older caller must not undo what a newer one has done.
      const spec = await this.#bridgeSpec(network_id)
      if (spec === undefined) return
      await this.#fabric.ensureBridge(spec)
      if (spec.network.role !== null) await this.#fabric.sweepBlackholes(await this.#bridgeSpecs())
    })
    await this.#refreshWalls()
  }

  async #bringPort(id: string): Promise<void> {
    await this.#onLinks(async () => {
      if (!(await this.#fabric.isPlugged(id))) return
      const [port] = await ports.listPorts(this.#db, { id })
      if (port === undefined) await this.#fabric.unplug(id)
      else await this.#fabric.setUp(id, port.admin_state_up)
    })
  }

  async #storeStatus(port: PortRow, plugged: boolean): Promise<void> {
    const status = plugged && port.admin_state_up ? 'ACTIVE' : 'DOWN'
    if (port.status === status) return
    await this.#db.updateTable('embedded_port').set({ status }).where('id', '=', port.id).execute()
  }

  async #bridgeSpecs(): Promise<BridgeSpec[]> {
    const [rows, subnets] = await Promise.all([networks.listNetworks(this.#db), networks.listSubnets(this.#db)])
    return rows.map((network) => ({
      network,
      hostAddresses: subnets
        .filter((subnet) => subnet.network_id === network.id && subnet.made_by === HOST_REACHES && subnet.gateway_ip !== null)
        .map((subnet) => `${subnet.gateway_ip}/${parseCidr(subnet.cidr)!.prefix}`),
    }))
  }

  async #bridgeSpec(network_id: string): Promise<BridgeSpec | undefined> {
    return (await this.#bridgeSpecs()).find(({ network }) => network.id === network_id)
  }

  async #refuseTakenRanges(): Promise<void> {
    const used = await usedRanges(this.#names)
    for (const subnet of await networks.listSubnets(this.#db, { made_by: HOST_REACHES })) {
      refuseOverlap(subnet.name, parseCidr(subnet.cidr)!, used)
    }
  }

  async #wallsInput(heartbeatPorts: number[]) {
    const [specs, allPorts, rules] = await Promise.all([this.#bridgeSpecs(), ports.listPorts(this.#db), groups.listRules(this.#db)])
    const plugged = await this.#fabric.pluggedAmong(allPorts)
    const management = specs.find(({ network }) => network.role === 'management')
    return {
      networks: specs.map(({ network }) => network),
      ports: allPorts.filter((port) => plugged.has(port.id) || this.#attaching.has(port.id)),
      rules,
      remotePorts: allPorts,
      managementAddresses: management?.hostAddresses.map((address) => address.split('/')[0]!) ?? [],
      heartbeatPorts,
    }
  }
}
