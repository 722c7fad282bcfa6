/**
 * Who runs a flow: host, boot, pid namespace, process and its start time. With it a worker sees that a process of its own host is dead and takes over
 * that one's flows at once, without waiting for the lease; of other hosts it knows nothing, and their leases decide.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** A killed process is gone within this, unless the disk keeps it. */
const END_WITHIN_MS = 5_000
const END_PAUSE_MS = 10

/** Workers of this very process that have not stopped; tests and `--roles` may have several. */
const alive = new Set<string>()

/** A new worker of this process. */
export function enlistWorker(): string {
  const worker = [...here(), String(process.pid), startTime(process.pid) ?? '', randomBytes(4).toString('hex')].join('/')
  alive.add(worker)
  return worker
}

/** It has stopped: from now on it counts as dead. */
export function dismissWorker(worker: string): void {
  alive.delete(worker)
}

/** True only if it is certain. */
export function isDead(worker: string): boolean {
  const [host, boot, namespace, pid, started] = worker.split('/')
  const [ourHost, ourBoot, ourNamespace] = here()
  if (host !== ourHost) return false
  // The host was started anew since.
  if (boot !== ourBoot) return true
  // A process of another container cannot be looked at.
  if (namespace !== ourNamespace) return false
  if (Number(pid) === process.pid && started === startTime(process.pid)) return !alive.has(worker)
  return startTime(Number(pid)) !== started
}

/** Kills the process if it is of this host and can be seen, and waits until it is gone; it may have been frozen. */
export async function endProcessOf(worker: string): Promise<void> {
  const [host, boot, namespace, pid, started] = worker.split('/')
  const [ourHost, ourBoot, ourNamespace] = here()
  if (host !== ourHost || boot !== ourBoot || namespace !== ourNamespace || Number(pid) === process.pid) return
  const giveUpAt = performance.now() + END_WITHIN_MS
  while (startTime(Number(pid)) === started && performance.now() < giveUpAt) {
    // Its start time is the same, so it is no other process that got the number meanwhile.
    kill(Number(pid))
    await sleep(END_PAUSE_MS)
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // It went by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

let ourPlace: [string, string, string] | undefined

function here(): [string, string, string] {
  ourPlace ??= [
    hostname().replaceAll('/', '-'),
    readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    readlinkSync('/proc/self/ns/pid'),
  ]
  return ourPlace
}

/** In clock ticks since boot: tells a process from a later one with its number. Undefined if there is none, or only its remains. */
function startTime(pid: number): string | undefined {
  try {
    // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state] = fields
    return state === 'Z' || state === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
