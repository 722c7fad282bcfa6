/** Machines in this process's memory: keeps every promise of the driver, for tests. */
import { randomUUID } from 'node:crypto'
import { NotFoundError, RefusedError } from '../errors.ts'
import { Failures } from '../failures.ts'
import { Fences } from '../fences.ts'
import type { Fence, Made, NetworkDriver } from '../network/driver.ts'
import type { ComputeDriver, Server, WantedServer } from './driver.ts'

export type MemoryServer = { wanted: WantedServer; state: Server; management_port_ids: string[]; attached_port_ids: string[] }
export type MemoryServerGroup = { id: string; name: string; policy: string; made_by: string }

/** Used where no management network is asked for: documentation addresses, one for each machine. */
const FIRST_ADDRESS = '192.0.2.'

const DEFAULT_ZONE = 'nova'

export class MemoryCompute implements ComputeDriver {
  hasHosts = true
  readonly hasPorts = true
  readonly firstLookMs = 0
  readonly lookIntervalMs = 250
  readonly servers: MemoryServer[] = []
  readonly serverGroups: MemoryServerGroup[] = []
  /** Machines that let go of no port, since their host is silent. */
  readonly hanging = new Set<string>()
  /** What there is; a test adds what it needs. */
  readonly flavors: string[] = []
  readonly availabilityZones: string[] = [DEFAULT_ZONE]
  private readonly network: NetworkDriver
  private readonly failures = new Failures<keyof ComputeDriver>()
  private readonly fences = new Fences()
  private made = 0

  constructor(network: NetworkDriver) {
    this.network = network
  }

  /** The next call of this method fails; with `after` it has its effect all the same. */
  failNext(method: keyof ComputeDriver, error?: Error, options?: { after?: boolean }): void {
    this.failures.failNext(method, error, options)
  }

  /** The machine's init dies: the server is GONE, its ports stay until it is deleted. */
  kill(compute_id: string): void {
    this.found(compute_id).state.status = 'GONE'
  }

  ensureServer(wanted: WantedServer, fence: Fence): Promise<{ compute_id: string }> {
    return this.failures.around('ensureServer', async () => {
      this.fences.check(wanted.name, fence)
      const known = this.servers.find((server) => server.wanted.name === wanted.name)
      if (known !== undefined) return { compute_id: known.state.compute_id }
      const compute_id = randomUUID()
      this.made += 1
      const server: MemoryServer = {
        wanted: structuredClone(wanted),
        state: {
          compute_id,
          status: 'ACTIVE',
          fault: null,
          lb_network_ip: `${FIRST_ADDRESS}${this.made}`,
          image_id: wanted.image_id,
          compute_flavor: wanted.compute_flavor,
          availability_zone: wanted.availability_zone ?? DEFAULT_ZONE,
        },
        management_port_ids: [],
        attached_port_ids: [],
      }
      this.servers.push(server)
      for (const network_id of wanted.network_ids) {
        const port = await this.network.ensurePort({
          name: `management-${compute_id}-${network_id}`,
          network_id,
          fixed_ips: [],
          project_id: null,
          device_owner: 'compute:nova',
          device_id: compute_id,
          admin_state_up: true,
          security_group_ids: wanted.security_group_ids,
          allowed_address_pairs: [],
          made_by: wanted.made_by,
        })
        if (server.management_port_ids.length === 0) server.state.lb_network_ip = port.fixed_ips[0]?.ip_address ?? null
        server.management_port_ids.push(port.id)
      }
      return { compute_id }
    })
  }

  getServer(compute_id: string): Promise<Server> {
    return this.failures.around('getServer', () => {
      const server = this.servers.find((known) => known.state.compute_id === compute_id)
      if (server !== undefined) return { ...server.state }
      return {
        compute_id,
        status: 'GONE' as const,
        fault: null,
        lb_network_ip: null,
        image_id: null,
        compute_flavor: null,
        availability_zone: null,
      }
    })
  }

  listGone(compute_ids: readonly string[]): Promise<string[]> {
    const isGone = (id: string) => (this.servers.find(({ state }) => state.compute_id === id)?.state.status ?? 'GONE') === 'GONE'
    return this.failures.around('listGone', () => compute_ids.filter(isGone))
  }

  listMadeServers(): Promise<Made[]> {
    return this.failures.around('listMadeServers', () =>
      this.servers.map(({ wanted, state }) => ({ id: state.compute_id, name: wanted.name, made_by: wanted.made_by })),
    )
  }

  findServer(name: string): Promise<string | null> {
    return this.failures.around('findServer', () => this.servers.find((server) => server.wanted.name === name)?.state.compute_id ?? null)
  }

  deleteServer(compute_id: string, options: { made_by?: string } = {}): Promise<void> {
    return this.failures.around('deleteServer', async () => {
      const server = this.servers.find((known) => known.state.compute_id === compute_id)
      if (server === undefined || (options.made_by !== undefined && server.wanted.made_by !== options.made_by)) return
      this.servers.splice(this.servers.indexOf(server), 1)
      for (const id of server.management_port_ids) await this.network.deletePort(id)
      for (const id of server.attached_port_ids) await this.release(id)
    })
  }

  attachPort(compute_id: string, port_id: string, fence: Fence): Promise<void> {
    return this.failures.around('attachPort', async () => {
      this.fences.check(compute_id, fence)
      const server = this.found(compute_id)
      if (server.attached_port_ids.includes(port_id)) return
      // As Nova, which goes by whatever stands there.
      const { device_id } = await this.network.getPort(port_id)
      if (device_id !== '' && device_id !== compute_id) throw new RefusedError(`Port ${port_id} is still in use.`)
      await this.network.updatePort(port_id, { device_id: compute_id, device_owner: 'compute:nova' })
      server.attached_port_ids.push(port_id)
    })
  }

  detachPort(compute_id: string, port_id: string, { soon = false }: { soon?: boolean } = {}): Promise<boolean> {
    return this.failures.around('detachPort', async () => {
      if (this.hanging.has(compute_id)) {
        if (soon) return false
        throw new Error(`server ${compute_id} keeps port ${port_id}`)
      }
      const server = this.servers.find((known) => known.state.compute_id === compute_id)
      const index = server?.attached_port_ids.indexOf(port_id) ?? -1
      if (server === undefined || index < 0) return true
      server.attached_port_ids.splice(index, 1)
      await this.release(port_id)
      return true
    })
  }

  ensureServerGroup(wanted: { name: string; policy: string; made_by: string }, fence: Fence): Promise<string> {
    return this.failures.around('ensureServerGroup', () => {
      this.fences.check(wanted.name, fence)
      const known = this.serverGroups.find((group) => group.name === wanted.name)
      if (known !== undefined) return known.id
      const group = { id: randomUUID(), ...wanted }
      this.serverGroups.push(group)
      return group.id
    })
  }

  deleteServerGroup(id: string): Promise<void> {
    return this.failures.around('deleteServerGroup', () => {
      const index = this.serverGroups.findIndex((group) => group.id === id)
      if (index >= 0) this.serverGroups.splice(index, 1)
    })
  }

  listMadeServerGroups(): Promise<Made[]> {
    return this.failures.around('listMadeServerGroups', () => this.serverGroups.map(({ id, name, made_by }) => ({ id, name, made_by })))
  }

  checkFlavor(id: string): Promise<void> {
    return this.failures.around('checkFlavor', () => mustBeAmong(this.flavors, 'Nova flavor', id))
  }

  checkAvailabilityZone(name: string): Promise<void> {
    return this.failures.around('checkAvailabilityZone', () => mustBeAmong(this.availabilityZones, 'Nova availability zone', name))
  }

  private found(compute_id: string): MemoryServer {
    const server = this.servers.find((known) => known.state.compute_id === compute_id)
    if (server === undefined) throw new NotFoundError('Server', compute_id)
    return server
  }

  /** A port that was made before the machine outlives it, as with Nova. */
  private async release(port_id: string): Promise<void> {
    try {
      await this.network.updatePort(port_id, { device_id: '', device_owner: '' })
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error
    }
  }
}

function mustBeAmong(known: string[], what: string, name: string): void {
  if (!known.includes(name)) throw new NotFoundError(what, name)
}
