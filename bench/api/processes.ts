/** What processes cost, read from /proc: a process, its descendants, and the children it has already waited for. */
import { readdirSync, readFileSync } from 'node:fs'

/** Linux counts time in hundredths of a second for everybody. */
const MS_PER_TICK = 10

/** CPU time in milliseconds that these processes and their descendants have used so far. */
export function cpuMs(roots: readonly number[]): number {
  const processes = new Map<number, { parent: number; ticks: number }>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = statOf(entry)
    if (stat !== undefined) processes.set(Number(entry), stat)
  }
  let ticks = 0
  for (const [pid, { ticks: own }] of processes) if (descends(pid, roots, processes)) ticks += own
  return ticks * MS_PER_TICK
}

function statOf(pid: string): { parent: number; ticks: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold anything. Behind it: state, parent, ..., utime, stime, and both of the children that were waited for.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { parent: Number(fields[1]), ticks: [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0) }
  } catch {
    // It ended while it was looked at.
    return undefined
  }
}

function descends(pid: number, roots: readonly number[], processes: Map<number, { parent: number }>): boolean {
  for (let at = pid; at > 1; at = processes.get(at)?.parent ?? 0) if (roots.includes(at)) return true
  return false
}
