/** What a flow plays on: drivers in memory, a load balancer with its amphorae in an otherwise empty database, and eyes to see what became of it. */
import { takeQuota } from '../../src/api/quota.ts'
import type { ConfigSource } from '../../src/config/config.ts'
import type { Context } from '../../src/context.ts'
import type { Db } from '../../src/db/connection.ts'
import type {
  HealthMonitorRow,
  L7PolicyRow,
  L7RuleRow,
  ListenerRow,
  LoadBalancerRow,
  MemberRow,
  PoolRow,
  ProvisioningStatus,
  Topology,
} from '../../src/db/tables.ts'
import { MemoryAmphora } from '../../src/drivers/amphora/memory.ts'
import { MemoryCertificates } from '../../src/drivers/certificates/memory.ts'
import { MemoryCompute } from '../../src/drivers/compute/memory.ts'
import { MemoryImages } from '../../src/drivers/image/memory.ts'
import { MemoryNetwork } from '../../src/drivers/network/memory.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { createMetrics } from '../../src/monitoring/metrics.ts'
import { newAmphora } from '../../src/resources/amphora/row.ts'
import { networkPlug } from '../../src/tasks/legs.ts'
import { machineKind, noWishes } from '../../src/tasks/machine.ts'
import { kindOf } from '../../src/tasks/spare-amphorae.ts'
import {
  aConfig,
  aHealthMonitorRow,
  aListenerRow,
  aLoadBalancerRow,
  aMemberRow,
  anAmphoraRow,
  anL7PolicyRow,
  anL7RuleRow,
  aPoolRow,
} from './builders.ts'
import { MemoryTrust } from './trust.ts'

export const statusTables = ['load_balancer', 'listener', 'pool', 'member', 'health_monitor', 'l7policy', 'l7rule'] as const

/** Occurs in the key that the stage's CA issues; must not be found in the journal. */
export const SECRET = 'very-secret-key'

export class Stage {
  private idsMade = 0
  readonly network = new MemoryNetwork()
  readonly compute = new MemoryCompute(this.network)
  readonly image = new MemoryImages()
  readonly amphora = new MemoryAmphora()
  readonly certificates = new MemoryCertificates()
  readonly trust = new MemoryTrust({ key: SECRET, endsAt: () => Date.parse('2030-01-01T00:00:00Z') })
  readonly vipSubnet = this.addSubnet('10.0.0.0/24')
  readonly memberSubnet = this.addSubnet('10.1.0.0/24')
  readonly db: Db
  readonly context: Context
  readonly load_balancer_id = this.nextId()

  constructor(db: Db, config: ConfigSource['overrides'] = {}) {
    this.db = db
    const { compute, network, image, amphora, certificates } = this
    const services = { clock: systemClock, log: createLog('silent'), metrics: createMetrics(), trust: this.trust }
    this.context = { db, config: aConfig(config), compute, network, image, amphora, certificates, ...services }
  }

  /** The same in every run, for steps are told apart by the ids in their names. */
  private nextId(): string {
    this.idsMade += 1
    return `00000000-0000-4000-8000-${String(this.idsMade).padStart(12, '0')}`
  }

  private addSubnet(cidr: string) {
    return this.network.addSubnet({ id: this.nextId(), network_id: this.network.addNetwork({ id: this.nextId() }).id, cidr })
  }

  /** As the API leaves it: with the VIP's port, and its quota taken. */
  async insertLoadBalancer(given: Partial<LoadBalancerRow> = {}): Promise<void> {
    const port = await this.network.ensurePort({
      name: `octavia-lb-${this.load_balancer_id}`,
      network_id: this.vipSubnet.network_id,
      fixed_ips: [{ subnet_id: this.vipSubnet.id, ip_address: '10.0.0.10' }],
      project_id: 'project-1',
      device_owner: 'Octavia',
      device_id: `lb-${this.load_balancer_id}`,
      admin_state_up: false,
      security_group_ids: [],
      allowed_address_pairs: [],
      made_by: 'api',
    })
    const row = aLoadBalancerRow({
      id: this.load_balancer_id,
      vip_address: '10.0.0.10',
      vip_port_id: port.id,
      vip_subnet_id: this.vipSubnet.id,
      vip_network_id: this.vipSubnet.network_id,
      provisioning_status: 'PENDING_UPDATE',
      ...given,
    })
    await this.insert('load_balancer', row)
  }

  /** A load balancer that serves: its group, machines and their ports are there, as an earlier flow left them. */
  async insertServing(topology: Topology = 'SINGLE', given: Partial<LoadBalancerRow> = {}): Promise<void> {
    await this.insertLoadBalancer({ topology, ...given })
    const { network, compute, load_balancer_id, vipSubnet } = this
    const group = await network.ensureSecurityGroup({ name: `lb-${load_balancer_id}`, made_by: 'earlier-flow' })
    for (const role of topology === 'SINGLE' ? (['STANDALONE'] as const) : (['MASTER', 'BACKUP'] as const)) {
      const id = this.nextId()
      const files = {}
      const machine = { network_ids: [], security_group_ids: [], compute_flavor: null, image_id: 'image-of-amphora', server_group_id: null }
      const { compute_id } = await compute.ensureServer(
        { amphora_id: id, name: `amphora-${id}`, availability_zone: null, files, made_by: 'earlier-flow', ...machine },
        { flow_id: 'earlier-flow', generation: 1 },
      )
      const port = await network.ensurePort({
        name: `octavia-lb-vrrp-${id}`,
        network_id: vipSubnet.network_id,
        fixed_ips: [{ subnet_id: vipSubnet.id }],
        project_id: null,
        device_owner: 'Octavia',
        device_id: '',
        admin_state_up: true,
        security_group_ids: [group],
        allowed_address_pairs: [{ ip_address: '10.0.0.10' }],
        made_by: 'earlier-flow',
      })
      await compute.attachPort(compute_id, port.id, { flow_id: 'earlier-flow', generation: 1 })
      await this.db
        .insertInto('amphora')
        .values(
          anAmphoraRow({
            id,
            loadbalancer_id: load_balancer_id,
            compute_id,
            role,
            lb_network_ip: (await compute.getServer(compute_id)).lb_network_ip,
            vrrp_ip: port.fixed_ips[0]?.ip_address,
            vrrp_port_id: port.id,
            ...(role === 'STANDALONE' ? {} : { vrrp_id: 1, vrrp_priority: role === 'MASTER' ? 100 : 90 }),
          }),
        )
        .execute()
    }
  }

  /** A spare amphora of the default kind, as an earlier flow left it; answers its id. */
  async insertSpare(): Promise<string> {
    const id = this.nextId()
    const { image_tag: _, ...kind } = await machineKind(this.context, noWishes)
    const image_id = 'image-of-amphora'
    const { compute_id } = await this.compute.ensureServer(
      { amphora_id: id, name: `amphora-${id}`, files: {}, server_group_id: null, made_by: 'earlier-flow', image_id, ...kind },
      { flow_id: 'earlier-flow', generation: 1 },
    )
    const { lb_network_ip } = await this.compute.getServer(compute_id)
    const nobodys = { loadbalancer_id: null, role: null, vrrp_id: null, vrrp_priority: null, created_at: '2026-01-01T00:00:00' }
    await this.db
      .insertInto('amphora')
      .values({ ...newAmphora({ id, ...nobodys }), compute_id, lb_network_ip, status: 'READY' })
      .execute()
    await this.db
      .insertInto('spare_amphora')
      .values({ amphora_id: id, kind: await kindOf(this.context, noWishes), taken_by: null })
      .execute()
    return id
  }

  insertListener(given: Partial<ListenerRow> = {}): Promise<ListenerRow> {
    return this.insert('listener', aListenerRow({ id: this.nextId(), load_balancer_id: this.load_balancer_id, ...given }))
  }

  insertPool(given: Partial<PoolRow> = {}): Promise<PoolRow> {
    return this.insert('pool', aPoolRow({ id: this.nextId(), load_balancer_id: this.load_balancer_id, ...given }))
  }

  insertMember(given: Partial<MemberRow> & { pool_id: string }): Promise<MemberRow> {
    return this.insert('member', aMemberRow({ id: this.nextId(), ...given }))
  }

  insertHealthMonitor(given: Partial<HealthMonitorRow> & { pool_id: string }): Promise<HealthMonitorRow> {
    return this.insert('health_monitor', aHealthMonitorRow({ id: this.nextId(), ...given }))
  }

  insertL7Policy(given: Partial<L7PolicyRow> & { listener_id: string }): Promise<L7PolicyRow> {
    return this.insert('l7policy', anL7PolicyRow({ id: this.nextId(), ...given }))
  }

  insertL7Rule(given: Partial<L7RuleRow> & { l7policy_id: string }): Promise<L7RuleRow> {
    return this.insert('l7rule', anL7RuleRow({ id: this.nextId(), ...given }))
  }

  private async insert<R extends { project_id: string }>(table: (typeof statusTables)[number], row: R): Promise<R> {
    await this.db.transaction().execute(async (tx) => {
      await takeQuota(tx, this.context.config, table, row.project_id)
      await tx
        .insertInto(table as 'load_balancer')
        .values(row as unknown as LoadBalancerRow)
        .execute()
    })
    return row
  }

  /** A leg as an earlier flow left it, on every amphora. */
  async insertLegs(): Promise<void> {
    for (const { id, compute_id, lb_network_ip } of await this.amphorae()) {
      const port = await this.network.ensurePort({
        name: `octavia-lb-member-${id}-${this.memberSubnet.id}`,
        network_id: this.memberSubnet.network_id,
        fixed_ips: [{ subnet_id: this.memberSubnet.id }],
        project_id: null,
        device_owner: 'Octavia',
        device_id: '',
        admin_state_up: true,
        security_group_ids: [],
        allowed_address_pairs: [],
        made_by: 'earlier-flow',
      })
      const fence = { flow_id: 'earlier-flow', generation: 1 }
      await this.compute.attachPort(compute_id!, port.id, fence)
      const plug = await networkPlug(this.network, port, this.memberSubnet)
      await this.amphora.plugNetwork({ id, lb_network_ip: lb_network_ip! }, plug, fence)
      const { id: subnet_id, network_id } = this.memberSubnet
      await this.db.insertInto('amphora_member_port').values({ port_id: port.id, amphora_id: id, network_id, subnet_id }).execute()
    }
  }

  amphorae() {
    return this.db.selectFrom('amphora').selectAll().where('status', '!=', 'DELETED').orderBy('role').execute()
  }

  /** The distinct provisioning statuses of each table that has rows. */
  async statuses(): Promise<Partial<Record<(typeof statusTables)[number], string>>> {
    const found: Partial<Record<(typeof statusTables)[number], string>> = {}
    for (const table of statusTables) {
      const rows = await this.db.selectFrom(table).select('provisioning_status').execute()
      const distinct = new Set<ProvisioningStatus>(rows.map((row) => row.provisioning_status))
      if (distinct.size > 0) found[table] = [...distinct].sort().join(' ')
    }
    return found
  }

  /** The message of the one object of the table that has a fault. */
  async faultOf(table: (typeof statusTables)[number]): Promise<string | undefined> {
    const rows = await this.db.selectFrom(table).select('fault').execute()
    return rows.find(({ fault }) => fault !== null)?.fault?.message
  }

  /** What the project is counted to have; what it has none of is left out. */
  async inUse(): Promise<Record<string, number>> {
    const quota = await this.db.selectFrom('quota').selectAll().executeTakeFirstOrThrow()
    const counters = Object.entries(quota).filter(([name, count]) => name.startsWith('in_use_') && count !== 0)
    return Object.fromEntries(counters.map(([name, count]) => [name.replace('in_use_', ''), Number(count)]))
  }

  /** How many ports there are of each kind (the first words of their names), and how many groups, machines and server groups. */
  made(): Record<string, number> {
    const kinds = this.network.ports.map(({ name }) => /^octavia-lb(-vrrp|-member)?/.exec(name)?.[0] ?? name)
    const counts: Record<string, number> = {}
    for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1
    const others = {
      groups: this.network.securityGroups.length,
      machines: this.compute.servers.length,
      server_groups: this.compute.serverGroups.length,
    }
    return { ...counts, ...Object.fromEntries(Object.entries(others).filter(([, count]) => count > 0)) }
  }

  /** The TCP ports that the load balancer's group lets in from everywhere. */
  openPorts(): number[] {
    const rules = this.network.securityGroups.flatMap((group) => group.rules)
    return rules.filter((rule) => rule.remote_ip_prefix === null).flatMap(({ port }) => port ?? [])
  }

  /** haproxy.cfg of every amphora that has one. */
  haproxyCfgs(): string[] {
    return [...this.amphora.agents.values()].flatMap((agent) => [...agent.haproxy.values()].map(({ configuration }) => configuration))
  }

  /** Everything that the flows wrote down, as one text. */
  async journal(): Promise<string> {
    return JSON.stringify(await this.db.selectFrom('flow_step').selectAll().execute())
  }
}
