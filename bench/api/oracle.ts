/** Octavia's API alone, in one process over SQLite, where the whole of it is not installed: good for reads. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { octaviaTables } from './octavia.ts'
import type { Target } from './target.ts'

const PORT = 21_400
const PYTHON = '/usr/bin/python3.11'
const shared = process.env.OTTAVIA_SHARED ?? fileURLToPath(new URL('../../../shared', import.meta.url))
const program = `${shared}/oracle/serve.py`

export const hasOracle = (): boolean => existsSync(program) && existsSync(PYTHON)

export async function startOracle(): Promise<Target> {
  const child = spawn(PYTHON, [program, String(PORT)], { stdio: ['ignore', 'pipe', 'ignore'] })
  let file: string | undefined
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('db=')) file = line.slice('db='.length)
    if (line.startsWith('ready')) break
  }
  if (file === undefined) throw new Error('the oracle did not start')
  const db = new DatabaseSync(file, { timeout: 10_000 })
  return {
    name: 'Octavia, API alone',
    url: `http://127.0.0.1:${PORT}`,
    pids: [child.pid!],
    helperPids: [],
    works: false,
    store: {
      async execute(statement) {
        db.exec(statement)
      },
      async columnsOf(table) {
        return (db.prepare(`select name from pragma_table_info('${table}')`).all() as { name: string }[]).map(({ name }) => name)
      },
      tables: octaviaTables,
      hexOfN: `printf('%08x', n)`,
      numbers: (first, last) =>
        `(with recursive numbers (n) as (select ${first} union all select n + 1 from numbers where n < ${last}) select n from numbers)`,
      concat: (...expressions) => `(${expressions.join(' || ')})`,
    },
    async stop() {
      db.close()
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    },
  }
}
