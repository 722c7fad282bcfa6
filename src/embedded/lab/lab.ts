/**
 * Test hosts for the embedded cloud: a command in namespaces of its own (network, mounts, processes, ipc, host name) with one address on a subnet.
 * It sees the host's files, since it is the operator's own command; its network, its processes and its /run/netns are its own.
 *
 * Whoever calls this is root and has the state directory; nothing here is reachable by HTTP. The controller may run meanwhile: both write
 * to the same database, and a lab host belongs to neither.
 */
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { AGENT_ENVIRONMENT } from '../../agent/program.ts'
import type { Db } from '../../db/connection.ts'
import { RefusedError } from '../../drivers/errors.ts'
import { type Clock, timestamp } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import { AS_IN_AMPHORA } from '../compute/amphora-disk.ts'
import { Cgroups } from '../compute/cgroups.ts'
import { bootId, type InitProcess, initOf, isAlive, killInit } from '../compute/init-process.ts'
import { type SandboxNames, sandboxNames } from '../compute/names.ts'
import { plugWithAddresses, type SandboxNetwork } from '../compute/plug.ts'
import { findServer } from '../compute/repository.ts'
import { addNetns, deleteNetns, enterSandbox, killInNetns, listNetns, runInForeground, startSandbox } from '../compute/sandbox.ts'
import { RUN } from '../compute/scripts.ts'
import type { EmbeddedLabHostRow } from '../compute/tables.ts'
import { findLabHost, findSubnets, insertLabHost, listLabHosts, removeLabHost, updateLabHost } from './repository.ts'

export interface LabOptions {
  db: Db
  network: SandboxNetwork
  /** Who owns the hosts' ports. */
  project_id: string
  stateDirectory: string
  stateHash: string
  clock: Clock
  log: Log
}

export interface LabHost {
  name: string
  ip_address: string
  /** False: its command has ended; address and namespace stay until it is deleted. */
  running: boolean
  command: string[]
}

const DEVICE_OWNER = 'lab:host'
/** A part of names of namespaces, cgroups and files, and a host name. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9-]{0,39}$/

export class Lab {
  readonly #options: LabOptions
  readonly #names: SandboxNames
  readonly #cgroups: Cgroups

  constructor(options: LabOptions) {
    this.#options = options
    this.#names = sandboxNames(options.stateHash)
    this.#cgroups = new Cgroups(this.#names.prefix, options.log)
  }

  /**
   * Starts the command on a new host on that subnet (id or name) and answers its address; does not wait for the command to do anything.
   * Throws RefusedError when the name is taken or no such subnet is there.
   */
  async createHost(wanted: { name: string; subnet: string; command: string[]; working_directory: string }): Promise<LabHost> {
    const { db, network, project_id, clock } = this.#options
    if (!NAME.test(wanted.name))
      throw new RefusedError(`'${wanted.name}' cannot be a host's name: letters, digits and dashes, at most 40`, 400)
    if ((await findLabHost(db, wanted.name)) !== undefined) throw new RefusedError(`there is already a lab host '${wanted.name}'`)
    const subnets = await findSubnets(db, wanted.subnet)
    const [subnet] = subnets
    if (subnet === undefined) throw new RefusedError(`there is no subnet '${wanted.subnet}'`, 404)
    if (subnets.length > 1) throw new RefusedError(`several subnets are called '${wanted.subnet}': give its id`)
    const id = randomUUID()
    const port = await network.ensurePort({
      name: `lab-${wanted.name}`,
      network_id: subnet.network_id,
      fixed_ips: [{ subnet_id: subnet.id }],
      project_id,
      device_owner: DEVICE_OWNER,
      device_id: id,
      admin_state_up: true,
      security_group_ids: [],
      allowed_address_pairs: [],
      made_by: id,
    })
    const row: EmbeddedLabHostRow = {
      id,
      name: wanted.name,
      port_id: port.id,
      ip_address: port.fixed_ips[0]!.ip_address,
      command: wanted.command,
      working_directory: wanted.working_directory,
      created_at: timestamp(clock.now()),
      init_pid: null,
      init_started: null,
      boot_id: null,
    }
    try {
      await insertLabHost(db, row)
      return describe({ ...row, ...(await this.#start(row)) })
    } catch (error) {
      await this.#remove(row)
      throw error
    }
  }

  async listHosts(): Promise<LabHost[]> {
    return (await listLabHosts(this.#options.db)).map(describe)
  }

  /** Gone afterwards with its port. Throws RefusedError when there is none of that name. */
  async deleteHost(name: string): Promise<void> {
    await this.#remove(await this.#hostNamed(name))
  }

  /** Runs the command on the host, also when the host's own command has ended; answers its status. */
  async execOnHost(name: string, command: string[]): Promise<number> {
    const row = await this.#hostNamed(name)
    const init = initOf(row)
    if (isAlive(init)) return await enterSandbox(init, command, { cwd: process.cwd(), environment: process.env })
    return await runInForeground('ip', ['netns', 'exec', this.#names.ofLabHost(name), ...command], process.env)
  }

  /** As a machine that loses power: SIGKILL to the amphora's init. */
  async killAmphora(compute_id: string): Promise<void> {
    await killInit(await this.#initOfAmphora(compute_id))
  }

  /** Runs the command in an amphora, with no more rights than the amphora has; answers its status. `inner`: where the tenants' traffic is. */
  async execInAmphora(compute_id: string, command: string[], { inner }: { inner: boolean }): Promise<number> {
    const init = await this.#initOfAmphora(compute_id)
    if (inner && !existsSync(`/proc/${init.init_pid}/root/run/netns/amphora-haproxy`)) {
      throw new RefusedError(`the amphora ${compute_id} has no namespace amphora-haproxy yet`)
    }
    const environment = { ...AGENT_ENVIRONMENT, TERM: process.env.TERM }
    return await enterSandbox(init, [...AS_IN_AMPHORA, ...command], { cwd: '/', environment, netns: inner ? 'amphora-haproxy' : undefined })
  }

  /** Once per start of the controller: starts again what the host's restart ended, and removes what no row knows. */
  async reconcile(): Promise<void> {
    const { db, log } = this.#options
    const netns = new Set(await listNetns())
    const onHost = this.#namesOnHost(netns)
    // Read after what is on the host: one that another process makes just now has its row first.
    const rows = await listLabHosts(db)
    const known = new Set(rows.map((row) => row.name))
    for (const name of onHost) {
      if (known.has(name)) continue
      await this.#removeSandbox(name)
      rmSync(this.#directory(name), { recursive: true, force: true })
    }
    for (const row of rows) {
      // Never started: its creator is still at it, or was killed; then it is there to be deleted.
      if (row.boot_id === null) continue
      if (isAlive(initOf(row)) || (row.boot_id === bootId && netns.has(this.#names.ofLabHost(row.name)))) continue
      try {
        await this.#removeSandbox(row.name)
        await this.#start(row)
        log.info({ host: row.name }, 'a lab host was started again')
      } catch (error) {
        log.error({ host: row.name, error: String(error) }, 'a lab host could not be started again')
      }
    }
  }

  async #start(row: EmbeddedLabHostRow): Promise<InitProcess> {
    const { db, network } = this.#options
    const netns = this.#names.ofLabHost(row.name)
    const directory = this.#directory(row.name)
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    await addNetns(netns)
    await plugWithAddresses(network, netns, [await network.getPort(row.port_id)])
    const init = await startSandbox({
      netns,
      cgroups: this.#cgroups.prepare(cgroupOf(row.name), null),
      hostname: row.name,
      view: ['--dev-bind', '/', '/', '--proc', '/proc', '--tmpfs', '/run/netns', '--chdir', row.working_directory],
      prefix: [],
      script: RUN,
      command: [join(directory, 'output.log'), ...row.command],
      environment: process.env,
      startLog: join(directory, 'start.log'),
    })
    await updateLabHost(db, row.id, { ...init })
    return init
  }

  async #remove(row: EmbeddedLabHostRow): Promise<void> {
    const { db, network } = this.#options
    await killInit(initOf(row))
    await this.#removeSandbox(row.name)
    await network.deletePort(row.port_id)
    rmSync(this.#directory(row.name), { recursive: true, force: true })
    await removeLabHost(db, row.id)
  }

  async #removeSandbox(name: string): Promise<void> {
    await this.#cgroups.remove(cgroupOf(name))
    await killInNetns(this.#names.ofLabHost(name))
    await deleteNetns(this.#names.ofLabHost(name))
  }

  #namesOnHost(netns: ReadonlySet<string>): Set<string> {
    const prefix = this.#names.ofLabHost('')
    const cgroups = this.#cgroups.names().filter((name) => name.startsWith(cgroupOf('')))
    const directories = existsSync(this.#directory('')) ? readdirSync(this.#directory('')) : []
    return new Set([
      ...[...netns].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)),
      ...cgroups.map((name) => name.slice(cgroupOf('').length)),
      ...directories,
    ])
  }

  async #hostNamed(name: string): Promise<EmbeddedLabHostRow> {
    const row = await findLabHost(this.#options.db, name)
    if (row === undefined) throw new RefusedError(`there is no lab host '${name}'`, 404)
    return row
  }

  async #initOfAmphora(compute_id: string): Promise<InitProcess> {
    const row = await findServer(this.#options.db, compute_id)
    if (row === undefined) throw new RefusedError(`there is no amphora with the compute id '${compute_id}'`, 404)
    const init = initOf(row)
    if (!isAlive(init)) throw new RefusedError(`the amphora ${compute_id} is dead`)
    return init
  }

  #directory(name: string): string {
    return join(this.#options.stateDirectory, 'lab', name)
  }
}

function describe(row: EmbeddedLabHostRow): LabHost {
  return { name: row.name, ip_address: row.ip_address, running: isAlive(initOf(row)), command: row.command }
}

function cgroupOf(name: string): string {
  return `lab-${name}`
}
