/**
 * Servers that were removed from the configuration while their connections go on. HAProxy has put them into maintenance, so nothing new reaches
 * them; when their last connection ends they are deleted, and at the end of their time what still runs is shut. After a reload they live on in
 * the old worker. The list is a small file, so that it survives the agent.
 */
import { rmSync } from 'node:fs'
import { readIfThere, writeAtomically } from './files.ts'
import { isSameServer, parseServer, type Server } from './haproxy-servers.ts'
import { commandWorker, parseProcesses, queryHaproxy, type Worker } from './haproxy-socket.ts'
import type { AgentLog } from './log.ts'

/** More of one load balancer than this are not counted singly: a reload leaves them to the old worker, whose end is bounded. */
export const MAX_DRAINING_SERVERS = 2_000
/** The wait between two looks: short at first, since most servers are idle at once, then twice as long each time. */
const FIRST_LOOK_MS = 20
const LONGEST_LOOK_MS = 1_000

export interface DrainingServer {
  backend: string
  server: string
  /** As it stood in the configuration. */
  line: string
  /** The worker whose connections they are. */
  worker_pid: number
  /** Milliseconds since 1970. */
  since: number
}

export interface DrainingSpec {
  file: string
  masterSocket: string
  log: AgentLog
  /** Milliseconds that a removed server's connections may go on in the worker that is in service. */
  limitMs: () => number
  /** The same for old workers; null where nothing ends them but HAProxy's own `hard-stop-after`. */
  oldWorkersLimitMs: () => number | null
  /** Runs what changes HAProxy, one after the other. */
  run: (work: () => Promise<void>) => Promise<void>
}

export class Draining {
  private readonly spec: DrainingSpec
  private servers: DrainingServer[]
  private timer: NodeJS.Timeout | undefined
  private waitMs = FIRST_LOOK_MS

  constructor(spec: DrainingSpec) {
    this.spec = spec
    this.servers = parse(readIfThere(spec.file))
    this.schedule()
  }

  list(): readonly DrainingServer[] {
    return this.servers
  }

  /** How many more may be added. */
  get room(): number {
    return MAX_DRAINING_SERVERS - this.servers.length
  }

  /** Whether this worker still has a server of that name, and as which. */
  state(workerPid: number, backend: string, wanted: Server): 'no' | 'same' | 'changed' {
    const known = this.servers.find((one) => one.worker_pid === workerPid && one.backend === backend && one.server === wanted.name)
    if (known === undefined) return 'no'
    const was = parseServer(known.line)
    return was !== null && isSameServer(was, wanted) ? 'same' : 'changed'
  }

  has(backend: string, server: string): boolean {
    return this.servers.some((one) => one.backend === backend && one.server === server)
  }

  /** Those beyond the bound are not listed. */
  add(workerPid: number, removed: readonly { backend: string; server: string; line: string }[]): void {
    const since = Date.now()
    const added = removed.slice(0, Math.max(this.room, 0)).map((one) => ({ ...one, worker_pid: workerPid, since }))
    if (added.length > 0) this.replace([...this.servers, ...added])
  }

  /** They are back in the configuration. */
  cancel(names: readonly { backend: string; server: string }[]): void {
    const back = new Set(names.map(({ backend, server }) => `${backend}/${server}`))
    const left = this.servers.filter(({ backend, server }) => !back.has(`${backend}/${server}`))
    if (left.length < this.servers.length) this.replace(left)
  }

  /** Forgets all of them: HAProxy has ended, and their connections with it. */
  clear(): void {
    if (this.servers.length > 0) this.replace([])
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  private replace(servers: DrainingServer[]): void {
    this.store(servers)
    this.waitMs = FIRST_LOOK_MS
    this.schedule()
  }

  private store(servers: DrainingServer[]): void {
    this.servers = servers
    if (servers.length === 0) rmSync(this.spec.file, { force: true })
    else writeAtomically(this.spec.file, JSON.stringify(servers), { mode: 0o600 })
  }

  private schedule(): void {
    clearTimeout(this.timer)
    if (this.servers.length === 0) return
    this.timer = setTimeout(() => {
      this.spec
        .run(() => this.look())
        .catch((error: Error) => this.spec.log.debug(`draining: ${error.message}`))
        .finally(() => {
          this.waitMs = Math.min(this.waitMs * 2, LONGEST_LOOK_MS)
          this.schedule()
        })
    }, this.waitMs)
  }

  private async look(): Promise<void> {
    if (this.servers.length === 0) return
    const { workerPid, oldWorkerPids } = parseProcesses(await queryHaproxy(this.spec.masterSocket, 'show proc'))
    if (workerPid === null) return
    const byWorker = Map.groupBy(this.servers, ({ worker_pid }) => worker_pid)
    const gone: DrainingServer[] = []
    for (const [pid, servers] of byWorker) {
      if (pid === workerPid) gone.push(...(await this.lookAtCurrent(servers)))
      else if (oldWorkerPids.includes(pid)) gone.push(...(await this.lookAtOld(pid, servers)))
      else gone.push(...servers)
    }
    if (gone.length > 0) this.store(this.servers.filter((one) => !gone.includes(one)))
  }

  /** Deletes those that have no connection left; answers which. */
  private async lookAtCurrent(servers: DrainingServer[]): Promise<DrainingServer[]> {
    const late = this.late(servers, this.spec.limitMs())
    const shut = await this.command('@1', late, (name) => `shutdown sessions server ${name}`)
    this.told(late.filter((_, index) => shut[index] === ''))
    const answers = await this.command('@1', servers, (name) => `del server ${name}`)
    return servers.filter((one, index) => {
      const answer = answers[index]!
      if (/still has connections/.test(answer)) return false
      // Something refers to it by name: in maintenance it does no harm until the next reload.
      if (!/deleted|No such/i.test(answer)) this.spec.log.error(`${one.backend}/${one.server} cannot be deleted: ${answer.slice(0, 200)}`)
      return true
    })
  }

  /** In a worker that ends its proxies are stopped already, so sessions are shut one by one. Answers which servers have none left. */
  private async lookAtOld(pid: number, servers: DrainingServer[]): Promise<DrainingServer[]> {
    const worker: Worker = `@!${pid}`
    const used = usedConnections((await commandWorker(this.spec.masterSocket, worker, ['show servers conn']))[0]!)
    const busy = servers.filter(({ backend, server }) => (used.get(`${backend}/${server}`) ?? 0) > 0)
    const limitMs = this.spec.oldWorkersLimitMs()
    const late = limitMs === null ? [] : this.late(busy, limitMs)
    if (late.length > 0) {
      const names = new Set(late.map(({ backend, server }) => `be=${backend} srv=${server}`))
      const [sessions = ''] = await commandWorker(this.spec.masterSocket, worker, ['show sess'])
      const ids = sessions.split('\n').flatMap((line) => {
        const [, id, target] = /^(0x[0-9a-f]+): .*?(be=\S+ srv=\S+)/.exec(line) ?? []
        return target !== undefined && names.has(target) ? [id!] : []
      })
      await commandWorker(
        this.spec.masterSocket,
        worker,
        ids.map((id) => `shutdown session ${id}`),
      )
      this.told(late)
    }
    return servers.filter((one) => !busy.includes(one))
  }

  private late(servers: DrainingServer[], limitMs: number): DrainingServer[] {
    const now = Date.now()
    return servers.filter(({ since }) => now - since >= limitMs)
  }

  private command(worker: Worker, servers: DrainingServer[], command: (name: string) => string): Promise<string[]> {
    return commandWorker(
      this.spec.masterSocket,
      worker,
      servers.map(({ backend, server }) => command(`${backend}/${server}`)),
    )
  }

  private told(servers: DrainingServer[]): void {
    for (const { backend, server } of servers) this.spec.log.info(`${backend}/${server} has drained long enough: its connections are shut`)
  }
}

/** `show servers conn`: the connections in use, by `backend/server`. */
function usedConnections(text: string): Map<string, number> {
  const [header = '', ...rows] = text.split('\n')
  const column = header.replace(/^# /, '').split(' ').indexOf('used_cur')
  return new Map(
    rows.flatMap((row) => {
      const cells = row.split(' ')
      return cells.length < 2 ? [] : [[cells[0]!, Number(cells[column])]]
    }),
  )
}

function parse(text: string | null): DrainingServer[] {
  try {
    return text === null ? [] : (JSON.parse(text) as DrainingServer[])
  } catch {
    return [] // written half-way by a machine that lost power: HAProxy has ended too
  }
}
