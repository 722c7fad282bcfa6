/** How many datagrams the kernel had no room for: `drops` of `/proc/net/udp` (proc_net_udp(5)). */
import { readFileSync } from 'node:fs'

export class KernelDrops {
  /** By the address and port of the socket, as the kernel writes them. */
  readonly #last = new Map<string, number>()

  /** Since the last call, of the sockets of this network namespace that are bound to these ports; 0 where the kernel does not tell. */
  count(ports: readonly number[]): number {
    const wanted = new Set(ports.map((port) => port.toString(16).toUpperCase().padStart(4, '0')))
    let grown = 0
    for (const file of ['/proc/self/net/udp', '/proc/self/net/udp6']) {
      for (const line of lines(file)) {
        const fields = line.trim().split(/\s+/)
        const local = fields[1] ?? ''
        const drops = Number(fields.at(-1))
        if (!wanted.has(local.slice(local.lastIndexOf(':') + 1)) || !Number.isFinite(drops)) continue
        grown += Math.max(0, drops - (this.#last.get(local) ?? 0))
        this.#last.set(local, drops)
      }
    }
    return grown
  }
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(1)
  } catch {
    return []
  }
}
