/** What is done to the cloud: each strike picks a victim, strikes, and after a while undoes what does not end by itself (what is frozen goes on). */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Several } from './several.ts'

const LONGEST_AWAY_MS = 3_000
const LONGEST_FREEZE_MS = 9_000

type Random = () => number
/** Answers what was struck, or null where there is no victim. */
type Strike = (cloud: Several, random: Random) => Promise<string | null>

export const strikes: Record<string, Strike> = {
  async 'controller killed'(cloud, random) {
    const victim = pick(cloud.controllers, random)
    if (!victim.isRunning) return null
    await victim.kill()
    return victim.api
  },
  async 'controller frozen'(cloud, random) {
    const victim = pick(cloud.controllers, random)
    if (!victim.isRunning) return null
    const { pid } = victim
    signal(pid, 'SIGSTOP')
    await sleep(random() * LONGEST_FREEZE_MS)
    signal(pid, 'SIGCONT')
    return victim.api
  },
  async 'controller restarted'(cloud, random) {
    const victim = pick(cloud.controllers, random)
    if (!victim.isRunning) return null
    await victim.stop()
    return victim.api
  },
  async 'PostgreSQL killed'(cloud, random) {
    await cloud.postgres.crash()
    await sleep(random() * LONGEST_AWAY_MS)
    await cloud.postgres.startAgain()
    return 'PostgreSQL'
  },
  async 'PostgreSQL frozen'(cloud, random) {
    const pids = [cloud.postgres.pid, ...childrenOf(cloud.postgres.pid)]
    for (const pid of pids) signal(pid, 'SIGSTOP')
    await sleep(random() * LONGEST_AWAY_MS)
    for (const pid of pids) signal(pid, 'SIGCONT')
    return 'PostgreSQL'
  },
  async 'amphora killed'(cloud, random) {
    const rows = await cloud.db.selectFrom('embedded_server').select(['name', 'init_pid']).where('status', '=', 'ACTIVE').execute()
    const victim = rows.length === 0 ? undefined : pick(rows, random)
    if (victim?.init_pid === null || victim === undefined) return null
    signal(victim.init_pid, 'SIGKILL')
    return victim.name
  },
  'HAProxy killed': killed('haproxy'),
  'HAProxy frozen': frozen('haproxy'),
  'keepalived killed': killed('keepalived'),
  'keepalived frozen': frozen('keepalived'),
  'agent killed': killed('agent'),
  'agent frozen': frozen('agent'),
}

function killed(program: string): Strike {
  return async (cloud, random) => {
    const victim = await ofAmphora(cloud, program, random)
    if (victim === null) return null
    signal(victim.pid, 'SIGKILL')
    return victim.name
  }
}

function frozen(program: string): Strike {
  return async (cloud, random) => {
    const victim = await ofAmphora(cloud, program, random)
    if (victim === null) return null
    signal(victim.pid, 'SIGSTOP')
    await sleep(random() * LONGEST_AWAY_MS)
    signal(victim.pid, 'SIGCONT')
    return victim.name
  }
}

/** A process of this program in some amphora. */
async function ofAmphora(cloud: Several, program: string, random: Random): Promise<{ pid: number; name: string } | null> {
  const rows = await cloud.db.selectFrom('embedded_server').select(['name', 'init_pid']).where('status', '=', 'ACTIVE').execute()
  const parents = parentsByPid()
  const inits = new Map(rows.map(({ name, init_pid }) => [init_pid, name]))
  const found: { pid: number; name: string }[] = []
  for (const pid of parents.keys()) {
    const command = commandOf(pid)
    const isIt =
      program === 'agent' ? command.includes('amphora-agent.conf') && command.includes('node') : command.split('\0')[0]!.endsWith(program)
    if (!isIt) continue
    let ancestor: number | undefined = pid
    while (ancestor !== undefined && !inits.has(ancestor)) ancestor = parents.get(ancestor)
    if (ancestor !== undefined) found.push({ pid, name: inits.get(ancestor)! })
  }
  return found.length === 0 ? null : pick(found, random)
}

function parentsByPid(): Map<number, number> {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
    } catch {
      // It has ended meanwhile.
    }
  }
  return parents
}

function childrenOf(parent: number): number[] {
  return [...parentsByPid()].filter(([, of]) => of === parent).map(([pid]) => pid)
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

export function pick<T>(values: readonly T[], random: Random): T {
  return values[Math.floor(random() * values.length)]!
}
