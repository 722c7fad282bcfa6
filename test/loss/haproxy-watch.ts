/** Looks at a load balancer's HAProxy from outside, by its master's own socket: how often it reloaded and how long old workers lived. */
import { readdirSync, readFileSync } from 'node:fs'
import { parseProcesses, queryHaproxy } from '../../src/agent/haproxy-socket.ts'
import { eventually } from '../support/eventually.ts'

const LOOK_EVERY_MS = 250

export class HaproxyWatch {
  readonly #socket: string
  /** When each old worker was first and last seen. */
  readonly #old = new Map<number, { first: number; last: number }>()
  readonly #timer: NodeJS.Timeout

  private constructor(socket: string) {
    this.#socket = socket
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS).unref()
  }

  static async of(load_balancer_id: string): Promise<HaproxyWatch> {
    const pid = await eventually(() => pidOf(load_balancer_id) ?? false)
    const watch = new HaproxyWatch(`/proc/${pid}/root/var/lib/octavia/${load_balancer_id}/master.sock`)
    await watch.reloads()
    return watch
  }

  async reloads(): Promise<number> {
    // While a master replaces itself its socket may not answer.
    return await eventually(async () => {
      const text = await queryHaproxy(this.#socket, 'show proc')
      return text.includes('master') ? { count: parseProcesses(text).reloads } : false
    }).then(({ count }) => count)
  }

  /** The longest time that a worker was seen after it had been replaced, and how many are left. */
  async stop(): Promise<{ workers: number; longestMs: number; left: number }> {
    clearInterval(this.#timer)
    const left = (await this.#look()).length
    const lives = [...this.#old.values()].map(({ first, last }) => last - first)
    return { workers: this.#old.size, longestMs: Math.max(0, ...lives), left }
  }

  async #look(): Promise<number[]> {
    const text = await queryHaproxy(this.#socket, 'show proc').catch(() => '')
    const old = /# old workers\n([^#]*)/.exec(text)?.[1] ?? ''
    const pids = [...old.matchAll(/^(\d+)\s+worker/gm)].map((match) => Number(match[1]))
    const now = performance.now()
    for (const pid of pids) {
      const known = this.#old.get(pid)
      if (known === undefined) this.#old.set(pid, { first: now, last: now })
      else known.last = now
    }
    return pids
  }
}

function pidOf(load_balancer_id: string): number | undefined {
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8')
      // The master; a worker's root is the same, but it may go.
      const [program, ...args] = command.split('\0')
      if (program!.endsWith('haproxy') && args.some((arg) => arg.includes(load_balancer_id))) return Number(entry)
    } catch {
      // It ended while it was looked at.
    }
  }
  return undefined
}
