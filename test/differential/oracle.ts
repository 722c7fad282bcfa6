/** The real octavia-api: one process over SQLite, without authentication, with no-op drivers and no worker. It ends by itself after half an hour. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { type Answer, ask } from './http.ts'
import { isPending, mendTree, playWorker } from './player.ts'
import type { Kind, Request } from './requests.ts'

const PYTHON = '/usr/bin/python3.11'
const PORT = 23_200
const START_TIMEOUT_MS = 60_000
const shared = process.env.OTTAVIA_SHARED ?? fileURLToPath(new URL('../../../shared', import.meta.url))
const program = `${shared}/oracle/serve.py`

/** Why there can be no oracle; undefined: there can. */
export function whyNoOracle(): string | undefined {
  if (!existsSync(program)) return 'shared/oracle/serve.py is not there'
  if (!existsSync('/usr/lib/python3/dist-packages/octavia') || !existsSync(PYTHON)) return 'python3-octavia is not installed'
  return undefined
}

export interface Oracle {
  readonly port: number
  ask(request: Request): Promise<Answer>
  /** Does what the worker would. */
  settle(): void
  /** Does what a fully populated create forgets. */
  mendTree(load_balancer_id: string): void
  /** Whether something waits for the worker. */
  isPending(): boolean
  /** What there is, oldest first; `parent` is the pool or l7policy it belongs to. */
  objects(kind: Kind): { id: string; parent: string | null }[]
  /** As if it had just started. */
  reset(): void
  stop(): Promise<void>
}

/** In: the directory of its local_cert_manager. */
export async function startOracle(certificates: string, port = PORT): Promise<Oracle> {
  const env = { ...process.env, OS_OCTAVIA_TLS_STORAGE: certificates }
  const child = spawn(PYTHON, [program, String(port)], { stdio: ['ignore', 'pipe', 'ignore'], env })
  const file = await databaseOf(child)
  const db = new DatabaseSync(file, { timeout: 10_000 })
  return {
    port,
    ask: (request) => ask(port, request),
    settle: () => playWorker(db),
    mendTree: (id) => mendTree(db, id),
    isPending: () => isPending(db),
    objects: (kind) => db.prepare(listings[kind]).all() as { id: string; parent: string | null }[],
    reset() {
      for (const table of filled) db.exec(`delete from ${table}`)
    },
    async stop() {
      db.close()
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
      rmSync(dirname(file), { recursive: true, force: true })
    },
  }
}

async function databaseOf(child: ChildProcess): Promise<string> {
  const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS)
  let file: string | undefined
  for await (const line of createInterface(child.stdout!)) {
    if (line.startsWith('db=')) file = line.slice('db='.length)
    if (line.startsWith('ready')) break
  }
  clearTimeout(timer)
  if (file === undefined) throw new Error('the oracle did not start')
  return file
}

const listing = (table: string, parent: string) => `select id, ${parent} as parent from ${table} order by created_at, rowid`

/** Of rows that stand for what was deleted. */
const PLACEHOLDER = '00000000-0000-0000-0000-000000000000'

const listings: Record<Kind, string> = {
  loadbalancer: `select id, null as parent from load_balancer where provisioning_status <> 'DELETED' order by created_at, rowid`,
  listener: listing('listener', 'load_balancer_id'),
  pool: listing('pool', 'load_balancer_id'),
  member: listing('member', 'pool_id'),
  healthmonitor: listing('health_monitor', 'pool_id'),
  l7policy: listing('l7policy', 'listener_id'),
  rule: listing('l7rule', 'l7policy_id'),
  flavorprofile: `select id, null as parent from flavor_profile where id <> '${PLACEHOLDER}' order by rowid`,
  flavor: `select id, null as parent from flavor where id <> '${PLACEHOLDER}' order by rowid`,
  availabilityzoneprofile: `select id, null as parent from availability_zone_profile where id <> '${PLACEHOLDER}' order by rowid`,
}

const filled = [
  ...['tags', 'l7rule', 'l7policy', 'listener_cidr', 'sni', 'listener_statistics', 'listener', 'health_monitor', 'member'],
  ...['session_persistence', 'pool', 'amphora_health', 'amphora', 'vrrp_group', 'additional_vip', 'vip', 'load_balancer', 'quotas'],
  ...['flavor', 'flavor_profile', 'availability_zone', 'availability_zone_profile'],
]
