/**
 * The embedded compute: a server is a sandbox of namespaces on this host. Its outer network namespace has the management interface; what is
 * attached later appears there too, and the agent moves it into `amphora-haproxy`, a network namespace that it makes for itself.
 *
 * A server is stored before anything of it is made, and its row goes last, so whatever there is on the host is known by a row or is nobody's.
 * Servers outlive the controller: whether one lives is seen from its init process, never remembered.
 */
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { AGENT_ENVIRONMENT } from '../../agent/program.ts'
import type { Db } from '../../db/connection.ts'
import type { Server, WantedServer } from '../../drivers/compute/driver.ts'
import { NotFoundError } from '../../drivers/errors.ts'
import type { Fence, Made, Port } from '../../drivers/network/driver.ts'
import { type Clock, timestamp } from '../../lib/clock.ts'
import { KeyedLock } from '../../lib/keyed-lock.ts'
import type { Log } from '../../lib/log.ts'
import { checkFence } from '../network/fences.ts'
import { AGENT_COMMAND, AS_IN_AMPHORA, amphoraView, removeDisk, writeDisk } from './amphora-disk.ts'
import { Cgroups, type SandboxLimits } from './cgroups.ts'
import { bootId, initOf, isAlive, killInit } from './init-process.ts'
import { type SandboxNames, sandboxNames } from './names.ts'
import { plugBare, plugWithAddresses, type SandboxNetwork } from './plug.ts'
import {
  ensureServerGroup,
  findServer,
  findServerByName,
  findServers,
  insertServer,
  listServerGroups,
  listServers,
  removeServer,
  removeServerGroup,
  updateServer,
} from './repository.ts'
import { addNetns, deleteNetns, killInNetns, listNetns, startSandbox } from './sandbox.ts'
import { SUPERVISE } from './scripts.ts'
import type { EmbeddedServerRow } from './tables.ts'

export interface EmbeddedComputeOptions {
  db: Db
  network: SandboxNetwork
  stateDirectory: string
  stateHash: string
  /** Of one amphora. */
  limits: SandboxLimits
  /** Writes the agent's program, bundled in one file. */
  bundleAgent(outFile: string): Promise<void>
  clock: Clock
  log: Log
}

/** Who owns a server's ports, as Nova writes it. */
const DEVICE_OWNER = 'compute:nova'
/** Servers that are started side by side after the host's restart. */
const STARTS_AT_ONCE = 4

export class EmbeddedCompute {
  readonly #options: EmbeddedComputeOptions
  readonly #names: SandboxNames
  readonly #cgroups: Cgroups
  /** By the server's name. */
  readonly #locks = new KeyedLock()
  #agent: Promise<string> | undefined

  constructor(options: EmbeddedComputeOptions) {
    this.#options = options
    this.#names = sandboxNames(options.stateHash)
    this.#cgroups = new Cgroups(this.#names.prefix, options.log)
  }

  /** Once per process, before anything else: starts again what the host's restart ended, and removes what no row knows. What runs goes on. */
  async reconcile(): Promise<void> {
    await this.#agentFile()
    const rows = await listServers(this.#options.db)
    await this.#removeLeftovers(rows)
    const netns = new Set(await listNetns())
    // A server that merely died stays dead: that is for the health manager to see. Only a restart takes the network namespace away too.
    const ended = rows.filter(
      (row) =>
        row.status === 'ACTIVE' && (row.boot_id !== bootId || !netns.has(this.#names.ofServer(row.compute_id))) && !isAlive(initOf(row)),
    )
    const next = ended.values()
    const starter = async () => {
      for (const row of next) await this.#startAgain(row)
    }
    await Promise.all(Array.from({ length: STARTS_AT_ONCE }, starter))
  }

  /** Starts the server unless one of that name is there; answers when its init runs, not its agent. Throws what kept it from starting. */
  async ensureServer(wanted: WantedServer, fence: Fence): Promise<{ compute_id: string }> {
    return await this.#locks.run(wanted.name, async () => {
      const { server, isNew } = await this.#findOrInsert(wanted, fence)
      if (server.status === 'ACTIVE') return { compute_id: server.compute_id }
      // An earlier call was interrupted or failed: what it left is cleared away before the next try.
      if (!isNew) await this.#stop(server)
      await this.#start(server, () => {
        mkdirSync(this.#disk(server.compute_id), { recursive: true, mode: 0o700 })
        writeDisk(this.#disk(server.compute_id), server.name, wanted.files)
        return this.#ensureManagementPorts(server, wanted)
      })
      return { compute_id: server.compute_id }
    })
  }

  /** Costs one query and one read of /proc. */
  async getServer(compute_id: string): Promise<Server> {
    const row = await findServer(this.#options.db, compute_id)
    return {
      compute_id,
      status: statusOf(row),
      fault: row?.failure ?? null,
      lb_network_ip: row?.lb_network_ip ?? null,
      image_id: row?.image ?? null,
      compute_flavor: row?.compute_flavor ?? null,
      availability_zone: row?.availability_zone ?? null,
    }
  }

  /** Costs one query and a read of /proc for each. */
  async listGone(compute_ids: readonly string[]): Promise<string[]> {
    const rows = new Map((await findServers(this.#options.db, compute_ids)).map((row) => [row.compute_id, row]))
    return compute_ids.filter((id) => statusOf(rows.get(id)) === 'GONE')
  }

  async listMadeServerGroups(): Promise<Made[]> {
    return (await listServerGroups(this.#options.db)).map(({ id, name, made_by }) => ({ id, name, made_by }))
  }

  async listMadeServers(): Promise<Made[]> {
    return (await listServers(this.#options.db)).map(({ compute_id, name, made_by }) => ({ id: compute_id, name, made_by }))
  }

  async findServer(name: string): Promise<string | null> {
    return (await findServerByName(this.#options.db, name))?.compute_id ?? null
  }

  /** Nothing of the server is left afterwards, but the ports it did not come with: those are free again. */
  async deleteServer(compute_id: string, { made_by }: { made_by?: string } = {}): Promise<void> {
    const { db, network } = this.#options
    const found = await findServer(db, compute_id)
    if (found === undefined) return
    await this.#locks.run(found.name, async () => {
      const row = await findServer(db, compute_id)
      if (row === undefined || (made_by !== undefined && row.made_by !== made_by)) return
      await this.#stop(row)
      for (const port of await network.listPortsOfDevice(compute_id)) {
        if (isManagementPort(row, port)) await network.deletePort(port.id)
        else await this.#release(port.id)
      }
      removeDisk(this.#disk(compute_id))
      await removeServer(db, compute_id)
    })
  }

  /** Throws NotFoundError when the server is gone. */
  async attachPort(compute_id: string, port_id: string, fence: Fence): Promise<void> {
    await this.#check(compute_id, fence)
    await this.#withServer(compute_id, async (row) => {
      if (row.status !== 'ACTIVE' || !isAlive(initOf(row))) throw new NotFoundError('Server', compute_id)
      const { network } = this.#options
      // First whose it is, so that deleting the server finds it wherever this call is interrupted.
      await network.updatePort(port_id, { device_id: compute_id, device_owner: DEVICE_OWNER })
      await plugBare(network, this.#names.ofServer(compute_id), port_id)
    })
  }

  async detachPort(compute_id: string, port_id: string): Promise<void> {
    const { network } = this.#options
    const attached = (await network.listPortsOfDevice(compute_id)).some((port) => port.id === port_id)
    if (attached) await this.#release(port_id)
  }

  async ensureServerGroup(wanted: { name: string; policy: string; made_by: string }, fence: Fence): Promise<string> {
    const { db, clock } = this.#options
    await this.#check(wanted.name, fence)
    return await ensureServerGroup(db, { id: randomUUID(), ...wanted, created_at: timestamp(clock.now()) })
  }

  async deleteServerGroup(id: string): Promise<void> {
    await removeServerGroup(this.#options.db, id)
  }

  async #withServer(compute_id: string, work: (row: EmbeddedServerRow) => Promise<void>): Promise<void> {
    const found = await findServer(this.#options.db, compute_id)
    if (found === undefined) throw new NotFoundError('Server', compute_id)
    await this.#locks.run(found.name, async () => {
      const row = await findServer(this.#options.db, compute_id)
      if (row === undefined) throw new NotFoundError('Server', compute_id)
      await work(row)
    })
  }

  async #check(subject: string, fence: Fence): Promise<void> {
    const { db, clock } = this.#options
    await db.transaction().execute((tx) => checkFence(tx, subject, fence, clock.now()))
  }

  #findOrInsert(wanted: WantedServer, fence: Fence): Promise<{ server: EmbeddedServerRow; isNew: boolean }> {
    const { db, clock } = this.#options
    return db.transaction().execute(async (tx) => {
      await checkFence(tx, wanted.name, fence, clock.now())
      const known = await findServerByName(tx, wanted.name)
      if (known !== undefined) return { server: known, isNew: false }
      const server = this.#newServer(wanted)
      await insertServer(tx, server)
      return { server, isNew: true }
    })
  }

  #newServer(wanted: WantedServer): EmbeddedServerRow {
    return {
      compute_id: randomUUID(),
      name: wanted.name,
      project: 'service',
      status: 'BOOTING',
      failure: null,
      image: wanted.image_id,
      compute_flavor: wanted.compute_flavor,
      availability_zone: wanted.availability_zone,
      server_group_id: wanted.server_group_id,
      management_port_id: null,
      lb_network_ip: null,
      made_by: wanted.made_by,
      created_at: timestamp(this.#options.clock.now()),
      init_pid: null,
      init_started: null,
      boot_id: null,
    }
  }

  async #ensureManagementPorts(server: EmbeddedServerRow, wanted: WantedServer): Promise<Port[]> {
    const ports = wanted.network_ids.map((network_id, index) =>
      this.#options.network.ensurePort({
        name: managementPortName(server, index),
        network_id,
        fixed_ips: [],
        project_id: null,
        device_owner: DEVICE_OWNER,
        device_id: server.compute_id,
        admin_state_up: true,
        security_group_ids: wanted.security_group_ids,
        allowed_address_pairs: [],
        made_by: wanted.made_by,
      }),
    )
    return await Promise.all(ports)
  }

  /** Nothing of it may be running. Ends ACTIVE or, throwing, in ERROR. */
  async #start(server: EmbeddedServerRow, prepare: () => Promise<Port[]>): Promise<void> {
    const { db, network, limits, log } = this.#options
    const { compute_id } = server
    const netns = this.#names.ofServer(compute_id)
    try {
      const agent = await this.#agentFile()
      const [ports] = await allSettled([prepare(), addNetns(netns)])
      const disk = this.#disk(compute_id)
      const starting = startSandbox({
        netns,
        cgroups: this.#cgroups.prepare(cgroupOf(compute_id), limits),
        hostname: server.name,
        view: amphoraView(disk, { node: realpathSync(process.execPath), agent }),
        prefix: AS_IN_AMPHORA,
        script: SUPERVISE,
        command: AGENT_COMMAND,
        environment: AGENT_ENVIRONMENT,
        startLog: join(disk, 'start.log'),
      })
      const [init] = await allSettled([starting, plugWithAddresses(network, netns, ports)])
      await updateServer(db, compute_id, {
        ...init,
        status: 'ACTIVE',
        failure: null,
        management_port_id: ports[0]?.id ?? null,
        lb_network_ip: ports[0]?.fixed_ips[0]?.ip_address ?? null,
      })
    } catch (error) {
      log.error({ compute_id, error: String(error) }, 'a server did not start')
      await updateServer(db, compute_id, { status: 'ERROR', failure: (error as Error).message })
      throw error
    }
  }

  /** After the host's restart: the same disk and the same ports, those that were attached later among them. */
  async #startAgain(row: EmbeddedServerRow): Promise<void> {
    const { network, log } = this.#options
    const { compute_id } = row
    await this.#locks.run(row.name, async () => {
      try {
        await this.#stop(row)
        const ports = await network.listPortsOfDevice(compute_id)
        const management = ports.filter((port) => isManagementPort(row, port)).sort((a, b) => a.name.localeCompare(b.name))
        await this.#start(row, async () => management)
        for (const port of ports) if (!management.includes(port)) await plugBare(network, this.#names.ofServer(compute_id), port.id)
        log.info({ compute_id }, 'a server was started again')
      } catch (error) {
        // One that doesn't come up keeps no other from it; it is seen as dead.
        log.error({ compute_id, error: String(error) }, 'a server could not be started again')
      }
    })
  }

  /** No process, cgroup or network namespace of it is left; its ports and disk stay. */
  async #stop(row: EmbeddedServerRow): Promise<void> {
    await killInit(initOf(row))
    await this.#removeSandbox(this.#names.ofServer(row.compute_id), cgroupOf(row.compute_id), { known: row.init_pid !== null })
  }

  async #removeSandbox(netns: string, cgroup: string, { known }: { known: boolean }): Promise<void> {
    await this.#cgroups.remove(cgroup)
    if (!known) await killInNetns(netns)
    await deleteNetns(netns)
  }

  async #release(port_id: string): Promise<void> {
    const { network } = this.#options
    await network.detachPort(port_id)
    await network.updatePort(port_id, { device_id: '', device_owner: '' })
  }

  async #removeLeftovers(rows: readonly EmbeddedServerRow[]): Promise<void> {
    const known = new Set(rows.map((row) => row.compute_id))
    const disks = existsSync(this.#disk('')) ? readdirSync(this.#disk('')) : []
    const cgroups = this.#cgroups.names().filter((name) => name.startsWith(cgroupOf('')))
    const netns = (await listNetns()).filter((name) => name.startsWith(this.#names.ofServer('')))
    const found = [
      ...disks,
      ...cgroups.map((name) => name.slice(cgroupOf('').length)),
      ...netns.map((name) => name.slice(this.#names.ofServer('').length)),
    ]
    for (const compute_id of new Set(found)) {
      if (known.has(compute_id)) continue
      this.#options.log.warn({ compute_id }, 'removing what is left of a server that no row knows')
      await this.#removeSandbox(this.#names.ofServer(compute_id), cgroupOf(compute_id), { known: false })
      removeDisk(this.#disk(compute_id))
    }
  }

  /** Bundled once per process, for the servers started from now on; those that run keep the file they were started with. */
  #agentFile(): Promise<string> {
    this.#agent ??= (async () => {
      const directory = join(this.#options.stateDirectory, 'program')
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      const file = join(directory, 'agent.mjs')
      await this.#options.bundleAgent(`${file}.new`)
      renameSync(`${file}.new`, file)
      return file
    })()
    return this.#agent
  }

  #disk(compute_id: string): string {
    return join(this.#options.stateDirectory, 'amphorae', compute_id)
  }
}

/** A server that started and whose init has died since is gone. */
function statusOf(row: EmbeddedServerRow | undefined): Server['status'] {
  if (row === undefined) return 'GONE'
  return row.status === 'ACTIVE' && !isAlive(initOf(row)) ? 'GONE' : row.status
}

function cgroupOf(compute_id: string): string {
  return `amphora-${compute_id}`
}

function managementPortName(server: { name: string }, index: number): string {
  return `${server.name}-eth${index}`
}

function isManagementPort(server: { name: string }, port: Port): boolean {
  return port.name.startsWith(managementPortName(server, 0).slice(0, -1))
}

/** As Promise.all, but nothing goes on behind the caller's back when one fails. */
async function allSettled<A, B>(work: [Promise<A>, Promise<B>]): Promise<[A, B]> {
  await Promise.allSettled(work)
  return await Promise.all(work)
}
