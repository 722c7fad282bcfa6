/**
 * A sandbox's first process. Killing it kills all of the sandbox (pid_namespaces(7)); it is recognised by pid, start time and boot, so neither a
 * pid used again nor a restart of the host is mistaken for it.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { InitColumns } from './tables.ts'

export interface InitProcess {
  init_pid: number
  init_started: number
  boot_id: string
}

export const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()

/** How long a killed sandbox may take to be gone; measured are 4-6 ms, up to 300 on a busy machine. */
const LONGEST_DEATH_MS = 10_000

/** The init with that pid. Throws when it has already ended. */
export function recordInit(pid: number): InitProcess {
  const started = startTime(pid)
  if (started === null) throw new Error(`the sandbox's first process ${pid} has ended`)
  return { init_pid: pid, init_started: started, boot_id: bootId }
}

/** Of a row that has started one. */
export function initOf(row: InitColumns): InitProcess | null {
  const { init_pid, init_started, boot_id } = row
  return init_pid === null || init_started === null || boot_id === null ? null : { init_pid, init_started, boot_id }
}

/** Costs one read of /proc. */
export function isAlive(init: InitProcess | null): init is InitProcess {
  return init !== null && init.boot_id === bootId && startTime(init.init_pid) === init.init_started
}

/** Gone afterwards with all processes of its sandbox. Throws when the kernel doesn't manage that in 10 seconds. */
export async function killInit(init: InitProcess | null): Promise<void> {
  if (!isAlive(init)) return
  signalUnlessGone(init.init_pid)
  await gone(init.init_pid, () => !isAlive(init))
}

/** Kills processes that were found by their cgroup or network namespace, and waits until they are gone. */
export async function killAll(pids: readonly number[]): Promise<void> {
  for (const pid of pids) signalUnlessGone(pid)
  for (const pid of pids) await gone(pid, () => startTime(pid) === null)
}

function signalUnlessGone(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function gone(pid: number, isGone: () => boolean): Promise<void> {
  const deadline = performance.now() + LONGEST_DEATH_MS
  while (!isGone()) {
    if (performance.now() > deadline) throw new Error(`process ${pid} does not end`)
    await sleep(1)
  }
}

/** Field 22 of `/proc/PID/stat` (proc(5)); null where there is no such process, or a dead one that nobody has waited for. */
function startTime(pid: number): number | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return null
  }
  // The command's name, in parentheses, may hold spaces and parentheses of its own.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? null : Number(fields[19])
}
