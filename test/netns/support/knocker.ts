/**
 * A program for a client's namespace: opens a new connection every few milliseconds and asks for one answer on it; beside that, some clients that keep
 * their connections and ask again and again. Its argument is Knocking as JSON. It prints a line when the first knock was answered, or not; it ends with its
 * standard input and prints a Knocked.
 */
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Knocking {
  address: string
  port: number
  everyMs: number
  /** Clients that keep their connections; each pauses so long between an answer and the next request. */
  kept: number
  keptPauseMs: number
  /** What the kept clients ask for. */
  keptPath: string
}

/** Times are milliseconds since 1970. */
export interface Knock {
  at: number
  /** Null: there was no connection. */
  connectedAfterMs: number | null
  /** Null: there was no answer. */
  answeredAfterMs: number | null
  error: string | null
}

export interface Knocked {
  knocks: Knock[]
  kept: {
    requests: number
    /** Sent on a connection that was there, and never answered. */
    cut: number
    /** Answers that asked to close the connection after them. */
    askedToClose: number
  }
}

/** A SYN that is lost is sent again after 1 and 3 seconds. */
const GIVE_UP_AFTER_MS = 5_000

const knocking = JSON.parse(process.argv[2]!) as Knocking
const knocked: Knocked = { knocks: [], kept: { requests: 0, cut: 0, askedToClose: 0 } }
const under = new Set<Promise<void>>()
let ending = false

const now = () => performance.timeOrigin + performance.now()
const host = knocking.address.includes(':') ? `[${knocking.address}]` : knocking.address

const timer = setInterval(() => {
  const done = knock().then((one) => {
    if (knocked.knocks.push(one) === 1) process.stdout.write('knocking\n')
    under.delete(done)
  })
  under.add(done)
}, knocking.everyMs)
const keeping = Array.from({ length: knocking.kept }, keep)

process.stdin.resume().on('end', async () => {
  ending = true
  clearInterval(timer)
  await Promise.all([...under, ...keeping])
  process.stdout.write(JSON.stringify(knocked), () => process.exit(0))
})

function knock(): Promise<Knock> {
  const one: Knock = { at: now(), connectedAfterMs: null, answeredAfterMs: null, error: null }
  return new Promise((resolve) => {
    const socket = connect({ host: knocking.address, port: knocking.port })
    let text = ''
    const end = (error: string | null) => {
      clearTimeout(giveUp)
      socket.destroy()
      if (text.startsWith('HTTP/1.1 200')) one.answeredAfterMs = now() - one.at
      else one.error = error ?? `answered '${text.slice(0, 40)}'`
      resolve(one)
    }
    const giveUp = setTimeout(() => end('TIMEOUT'), GIVE_UP_AFTER_MS)
    socket.on('connect', () => {
      one.connectedAfterMs = now() - one.at
      socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    })
    socket.on('data', (data) => {
      text += data
    })
    socket.on('end', () => end(text === '' ? 'CLOSED' : null))
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  })
}

async function keep(): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const url = `http://${host}:${knocking.port}${knocking.keptPath}`
  while (!ending) {
    await new Promise<void>((resolve) => {
      knocked.kept.requests++
      const request = get(url, { agent, timeout: GIVE_UP_AFTER_MS }, (response) => {
        if (response.headers.connection === 'close') knocked.kept.askedToClose++
        response.resume().on('end', resolve).on('error', cut)
      })
      function cut() {
        if (request.socket?.connecting === false) knocked.kept.cut++
        resolve()
      }
      request.on('timeout', () => request.destroy()).on('error', cut)
    })
    await sleep(knocking.keptPauseMs)
  }
  agent.destroy()
}
