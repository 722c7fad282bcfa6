/** How many connections HAProxy may be told to take where the machine does not let it open as many files as its configuration would need. */
import { readFileSync } from 'node:fs'

/** Linux's number of CAP_SYS_RESOURCE, which lets a process raise its own hard limits. */
const CAP_SYS_RESOURCE = 24n
/** Sockets of listeners, checks, logs and the masters' own; generous. */
const OTHER_FILES = 500
/** HAProxy plans two sockets and half a pipe's two ends for each connection. */
const FILES_PER_CONNECTION = 2.5

/** Null where HAProxy can raise the limit to whatever it needs. `limits` and `status` are /proc/self/limits and /proc/self/status. */
export function mostConnections(limits: string, status: string): number | null {
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`)
  if ((capabilities >> CAP_SYS_RESOURCE) & 1n) return null
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1]
  return hard === undefined ? null : Math.max(1, Math.floor((Number(hard) - OTHER_FILES) / FILES_PER_CONNECTION))
}

export const mostConnectionsHere = (): number | null =>
  mostConnections(readFileSync('/proc/self/limits', 'utf8'), readFileSync('/proc/self/status', 'utf8'))
