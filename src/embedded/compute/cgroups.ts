/**
 * Limits for sandboxes, and a place of their own: a service manager that restarts the controller kills what is in the controller's cgroup.
 * Version 1 or 2 is used, whichever has the controller; a hierarchy that cannot be written to is left out with one warning.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../lib/log.ts'
import { killAll } from './init-process.ts'

export interface SandboxLimits {
  memory_mb: number
  /** Processors' worth of time; a fraction is allowed. */
  cpus: number
}

interface Hierarchy {
  version: 1 | 2
  mountPoint: string
  /** Which limits are set in it. */
  memory: boolean
  cpu: boolean
}

const MIB = 1024 * 1024
const CPU_PERIOD_US = 100_000
/**
 * Where real-time processes are shared out by group (version 1 with CONFIG_RT_GROUP_SCHED) a new group has no right to run any, and keepalived
 * is one. Of a second, in microseconds, the largest share that is still free.
 */
const RT_SHARES_OF_ALL_US = [800_000, 400_000, 100_000]
const RT_SHARES_OF_ONE_US = [50_000, 20_000, 5_000]
/** A cgroup is busy until the kernel has buried its last process. */
const REMOVAL_ATTEMPTS = 500
const REMOVAL_WAIT_MS = 10

export class Cgroups {
  readonly #parent: string
  readonly #log: Log
  #writable: Hierarchy[] | undefined

  /** `parent` is the group, directly under each hierarchy's root, that holds those of all sandboxes. */
  constructor(parent: string, log: Log) {
    this.#parent = parent
    this.#log = log
  }

  /** Makes the sandbox's cgroups and sets its limits; a process joins by writing 0 to each of the files in the answer. */
  prepare(name: string, limits: SandboxLimits | null): string[] {
    this.#writable ??= this.#makeParents()
    return this.#writable.map((hierarchy) => {
      const group = this.#path(hierarchy, name)
      mkdirSync(group, { recursive: true })
      if (limits !== null && hierarchy.memory) this.#limitMemory(hierarchy, group, limits.memory_mb)
      if (limits !== null && hierarchy.cpu) this.#limitCpu(hierarchy, group, limits.cpus)
      return join(group, 'cgroup.procs')
    })
  }

  /** The sandboxes that have a cgroup. */
  names(): string[] {
    const parents = hierarchies().map((hierarchy) => this.#path(hierarchy))
    const entries = parents.filter((parent) => existsSync(parent)).flatMap((parent) => readdirSync(parent, { withFileTypes: true }))
    return [...new Set(entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name))]
  }

  /** Kills what is in the sandbox's cgroups and removes them. */
  async remove(name: string): Promise<void> {
    const groups = hierarchies()
      .map((hierarchy) => this.#path(hierarchy, name))
      .filter((group) => existsSync(group))
    await killAll([...new Set(groups.flatMap(pidsIn))])
    for (const group of groups) await removeGroup(group)
  }

  async removeAll(): Promise<void> {
    for (const name of this.names()) await this.remove(name)
    for (const hierarchy of hierarchies()) if (existsSync(this.#path(hierarchy))) await removeGroup(this.#path(hierarchy))
  }

  #path(hierarchy: Hierarchy, name = ''): string {
    return join(hierarchy.mountPoint, this.#parent, name)
  }

  #makeParents(): Hierarchy[] {
    const writable = hierarchies().filter((hierarchy) => {
      try {
        if (hierarchy.version === 2) delegate(hierarchy.mountPoint, hierarchy)
        mkdirSync(this.#path(hierarchy), { recursive: true })
        if (hierarchy.version === 2) delegate(this.#path(hierarchy), hierarchy)
        else if (hierarchy.cpu) allowRealTime(this.#path(hierarchy), RT_SHARES_OF_ALL_US)
        return true
      } catch (error) {
        this.#log.warn({ mount_point: hierarchy.mountPoint, error: String(error) }, 'this cgroup hierarchy cannot be used')
        return false
      }
    })
    for (const kind of ['memory', 'cpu'] as const) {
      if (!writable.some((hierarchy) => hierarchy[kind])) this.#log.warn({ kind }, 'amphorae run without this limit: no cgroup for it')
    }
    return writable
  }

  #limitMemory({ version }: Hierarchy, group: string, mebibytes: number): void {
    writeFileSync(join(group, version === 1 ? 'memory.limit_in_bytes' : 'memory.max'), String(mebibytes * MIB))
  }

  #limitCpu({ version }: Hierarchy, group: string, cpus: number): void {
    const quota = Math.round(cpus * CPU_PERIOD_US)
    if (version === 2) {
      writeFileSync(join(group, 'cpu.max'), `${quota} ${CPU_PERIOD_US}`)
      return
    }
    writeFileSync(join(group, 'cpu.cfs_period_us'), String(CPU_PERIOD_US))
    writeFileSync(join(group, 'cpu.cfs_quota_us'), String(quota))
    if (!allowRealTime(group, RT_SHARES_OF_ONE_US)) this.#log.warn({ group }, 'no share of real-time processing is left for this sandbox')
  }
}

/** From /proc/self/mountinfo (proc(5)): those with a limit that is set, and systemd's own, by which it finds a service's processes. */
function hierarchies(): Hierarchy[] {
  const found = new Map<string, Hierarchy>()
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [left = '', right = ''] = line.split(' - ')
    const mountPoint = left.split(' ')[4]
    const [type, , superOptions = ''] = right.split(' ')
    if (mountPoint === undefined) continue
    if (type === 'cgroup') {
      const options = superOptions.split(',')
      const hierarchy = { version: 1 as const, mountPoint, memory: options.includes('memory'), cpu: options.includes('cpu') }
      if (hierarchy.memory || hierarchy.cpu || options.includes('name=systemd')) found.set(mountPoint, hierarchy)
    }
    if (type === 'cgroup2') {
      const controllers = readFileSync(join(mountPoint, 'cgroup.controllers'), 'utf8').trim().split(' ')
      found.set(mountPoint, { version: 2, mountPoint, memory: controllers.includes('memory'), cpu: controllers.includes('cpu') })
    }
  }
  return [...found.values()]
}

/** Version 2: lets the group's children have limits. */
function delegate(group: string, { memory, cpu }: Hierarchy): void {
  const wanted = [memory && '+memory', cpu && '+cpu'].filter((word) => word !== false)
  if (wanted.length > 0) writeFileSync(join(group, 'cgroup.subtree_control'), wanted.join(' '))
}

/** True when the group may run real-time processes, or when the kernel doesn't ask. */
function allowRealTime(group: string, sharesUs: readonly number[]): boolean {
  const file = join(group, 'cpu.rt_runtime_us')
  if (!existsSync(file) || Number(readFileSync(file, 'utf8')) > 0) return true
  return sharesUs.some((share) => {
    try {
      writeFileSync(file, String(share))
      return true
    } catch {
      // That much is not free; the next is smaller.
      return false
    }
  })
}

/** Processes outside our own pid namespace are listed as 0. */
function pidsIn(group: string): number[] {
  const lines = readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n')
  return lines.map(Number).filter((pid) => pid > 0)
}

async function removeGroup(group: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      rmdirSync(group)
      return
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') return
      if (code !== 'EBUSY' || attempt === REMOVAL_ATTEMPTS) throw error
      await sleep(REMOVAL_WAIT_MS)
    }
  }
}
