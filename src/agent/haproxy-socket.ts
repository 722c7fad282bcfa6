/** HAProxy's command sockets, and the answers the agent reads from them. */
import { connect } from 'node:net'

const QUERY_TIMEOUT_MS = 5_000
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

/** Sends one command to the socket at `path`; resolves with the whole answer. */
export function queryHaproxy(path: string, command: string): Promise<string> {
  return exchange(path, `${command}\n`, `'${command}'`)
}

/** Which process a master's socket hands commands on to: the current worker, or any worker by its number. */
export type Worker = '@1' | `@!${number}`

/**
 * Sends commands to a worker through its master's socket, all at once, and resolves with their answers, each without the empty lines around it.
 * Rejects when the worker is not there or ends meanwhile. What is sent may hold keys and is never part of an error.
 */
export async function commandWorker(masterSocket: string, worker: Worker, commands: readonly string[]): Promise<string[]> {
  if (commands.length === 0) return []
  const output = await exchange(masterSocket, `prompt\n${worker}\n${commands.join('\n')}\n`, `${commands.length} commands`)
  // First the master's prompt, then those of the worker, which is called by its number.
  const prompt = /^master> (\d+> )/.exec(output)?.[1]
  if (prompt === undefined) throw new Error(`HAProxy has no worker ${worker}`)
  const answers = output.slice(`master> ${prompt}`.length).split(`\n${prompt}`)
  if (answers.pop()?.trim() !== '' || answers.length !== commands.length)
    throw new Error(`HAProxy ended before it had answered ${commands.length} commands`)
  // Within a payload each line is prompted for by a plus.
  return answers.map((answer) => answer.replace(/^(?:\+ )+/, '').trim())
}

function exchange(path: string, text: string, what: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const socket = connect(path)
    socket.setTimeout(QUERY_TIMEOUT_MS, () => socket.destroy(new Error(`HAProxy did not answer ${what} within ${QUERY_TIMEOUT_MS} ms`)))
    socket.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > MAX_ANSWER_BYTES) socket.destroy(new Error(`HAProxy's answer to ${what} is too long`))
      else chunks.push(chunk)
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('utf8')))
    // The master answers and waits for more until its client has closed its side.
    socket.end(text)
  })
}

/** One line of `show stat`, as far as heartbeats need it. */
export interface StatRow {
  proxy: string
  /** `FRONTEND`, `BACKEND`, or a server's name. */
  server: string
  status: string
  weight: number
  currentSessions: number
  totalSessions: number
  bytesIn: number
  bytesOut: number
  /** Of servers: connections and responses that failed. */
  requestErrors: number
}

/** Reads `show stat`'s CSV. The internal proxies of PROMETHEUS listeners are left out: their traffic is nobody's to pay for. */
export function parseStat(csv: string): StatRow[] {
  const [header = '', ...lines] = csv.split('\n')
  const names = header.replace(/^# /, '').split(',')
  const column = (name: string) => names.indexOf(name)
  const [pxname, svname, status, weight] = ['pxname', 'svname', 'status', 'weight'].map(column) as [number, number, number, number]
  const [scur, stot, bin, bout] = ['scur', 'stot', 'bin', 'bout'].map(column) as [number, number, number, number]
  const [ereq, econ, eresp] = ['ereq', 'econ', 'eresp'].map(column) as [number, number, number]
  if (pxname < 0 || weight < 0) return []
  // Quoted texts, which may hold commas, stand only in columns after these.
  const needed = Math.max(pxname, svname, status, weight, scur, stot, bin, bout, ereq, econ, eresp) + 1
  const rows: StatRow[] = []
  for (const line of lines) {
    if (line === '' || line.startsWith('#')) continue
    const cells = line.split(',', needed)
    const proxy = cells[pxname]!
    if (proxy.includes('prometheus')) continue
    rows.push({
      proxy,
      server: cells[svname]!,
      status: cells[status]!,
      weight: Number(cells[weight]),
      currentSessions: Number(cells[scur]),
      totalSessions: Number(cells[stot]),
      bytesIn: Number(cells[bin]),
      bytesOut: Number(cells[bout]),
      // Each kind of row leaves those cells empty that are the others'.
      requestErrors: cells[svname] === 'FRONTEND' ? Number(cells[ereq]) : Number(cells[econ]) + Number(cells[eresp]),
    })
  }
  return rows
}

/** What `show proc` on a master socket tells: the workers, and how many reloads there were and failed. */
export interface MasterState {
  workerPid: number | null
  /** Of workers that finish their connections after a reload. */
  oldWorkerPids: number[]
  reloads: number
  failedReloads: number
}

export function parseProcesses(text: string): MasterState {
  const state: MasterState = { workerPid: null, oldWorkerPids: [], reloads: 0, failedReloads: 0 }
  let section = ''
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) {
      section = line.slice(1).trim()
      continue
    }
    const [pid, type, reloads] = line.trim().split(/\s+/)
    if (type === 'master') {
      state.reloads = Number(reloads)
      state.failedReloads = Number(/\[failed: (\d+)\]/.exec(line)?.[1] ?? 0)
    } else if (type === 'worker' && section === 'workers') state.workerPid = Number(pid)
    else if (type === 'worker') state.oldWorkerPids.push(Number(pid))
  }
  return state
}
