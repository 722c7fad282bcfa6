/**
 * A program for a client's namespace: keeps a load on load balancers until its standard input ends, then prints a LoadReport as a line of JSON. Until
 * then it prints, now and then, a line with the number of requests that have ended. It keeps its
 * rate whatever the answers do (an open loop), so what slows down or fails is seen and not avoided. It speaks HTTP/1.1 over plain sockets,
 * for a client library would hide what is looked for here: which connection failed, when, and whether an answer had begun.
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AnswerReader } from './answer-reader.ts'
import { type Loss, Outcomes } from './outcomes.ts'

export interface Target {
  host: string
  port: number
  tls: boolean
  path: string
  /** Requests a second on new connections, and on connections that are kept. */
  fresh: number
  kept: number
}

const TICK_MS = 4
const TELL_EVERY_MS = 100
/** Kept connections to each target: more than are in use at once, so that some are idle whenever something changes. */
const KEPT_CONNECTIONS = 32
/** What would be more waits until some have been answered; the rate that was kept is in the report. */
const MOST_IN_FLIGHT = 1_000
const PATIENCE_MS = 10_000

const targets = JSON.parse(process.argv[2]!) as Target[]
const outcomes = new Outcomes()
let inFlight = 0
let left: (() => void) | undefined

/** A connection between two requests, oldest use first. */
type Idle = { socket: Socket; onClosed: () => void }
const idle = new Map<Target, Idle[]>(targets.map((target) => [target, []]))

for (const target of targets) {
  for (const [on, rate] of [
    ['fresh', target.fresh],
    ['kept', target.kept],
  ] as const) {
    if (rate > 0) keepRate(rate, () => start(target, on))
  }
}
process.stdin.resume().on('end', async () => {
  stopped = true
  await new Promise<void>((resolve) => {
    left = resolve
    if (inFlight === 0) resolve()
  })
  process.stdout.write(`${JSON.stringify(outcomes.report())}\n`, () => process.exit(0))
})
let stopped = false
setInterval(() => process.stdout.write(`${outcomes.ended}\n`), TELL_EVERY_MS)

/** Calls `run` so many times a second; what a busy moment held up is caught up with. */
function keepRate(rate: number, run: () => void): void {
  const begun = performance.now()
  let done = 0
  const timer = setInterval(() => {
    if (stopped) clearInterval(timer)
    const due = ((performance.now() - begun) / 1_000) * rate
    for (; done < due && inFlight < MOST_IN_FLIGHT && !stopped; done++) run()
  }, TICK_MS)
}

function start(target: Target, on: 'fresh' | 'kept'): void {
  inFlight++
  const began = performance.now()
  const kept = on === 'kept' ? idle.get(target)!.shift() : undefined
  if (kept === undefined) onNewConnection(target, on, began, false)
  else {
    kept.socket.removeListener('end', kept.onClosed).removeListener('close', kept.onClosed)
    exchange(kept.socket, target, on, began, { wasIdle: true, isRetry: false })
  }
}

function onNewConnection(target: Target, on: 'fresh' | 'kept', began: number, isRetry: boolean): void {
  const { host, port } = target
  const socket = target.tls ? connectTls({ host, port, rejectUnauthorized: false }) : connectTcp({ host, port })
  socket.setNoDelay(true)
  const timer = setTimeout(() => socket.destroy(new Error('no connection in time')), PATIENCE_MS)
  const failed = (error?: Error) => {
    clearTimeout(timer)
    socket.removeAllListeners().on('error', () => {})
    lose(target, on, isRetry ? 'retry failed' : 'refused', error?.message ?? 'closed while connecting')
  }
  socket.once('error', failed)
  socket.once('close', failed)
  socket.once(target.tls ? 'secureConnect' : 'connect', () => {
    clearTimeout(timer)
    socket.removeListener('error', failed)
    socket.removeListener('close', failed)
    exchange(socket, target, on, began, { wasIdle: false, isRetry })
  })
}

/** One request and its answer on a connection; afterwards a kept one waits for its next turn. */
function exchange(
  socket: Socket,
  target: Target,
  on: 'fresh' | 'kept',
  began: number,
  { wasIdle, isRetry }: { wasIdle: boolean; isRetry: boolean },
): void {
  const reader = new AnswerReader()
  let error: Error | undefined
  const timer = setTimeout(() => finish(() => end('late', `nothing after ${PATIENCE_MS} ms`)), PATIENCE_MS)
  const end = (loss: Loss, detail: string) => {
    socket.destroy()
    lose(target, on, loss, detail)
  }
  const onData = (chunk: Buffer) => {
    const answer = reader.read(chunk)
    if (answer === null) return
    finish(() => {
      if (answer.status !== 200) return end('status', `${answer.status}`)
      settle()
      outcomes.answered(on, performance.now() - began, { retried: isRetry })
      if (on === 'kept' && !answer.closes) keep(socket, target)
      else socket.end()
    })
  }
  const onError = (cause: Error) => {
    error = cause
  }
  const onClose = () =>
    finish(() => {
      if (reader.hasBegun) return end('broken', error?.message ?? 'closed within the answer')
      if (!wasIdle) return end(isRetry ? 'retry failed' : 'closed', error?.message ?? 'closed before the answer')
      socket.destroy()
      onNewConnection(target, on, began, true)
    })
  const finish = (then: () => void) => {
    clearTimeout(timer)
    socket.removeListener('data', onData).removeListener('close', onClose).removeListener('end', onClose)
    then()
  }
  // The listener for errors stays: an error without one would end the program, and `close` follows each.
  socket.on('data', onData).once('error', onError).once('end', onClose).once('close', onClose)
  const connection = on === 'kept' ? 'keep-alive' : 'close'
  socket.write(`GET ${target.path} HTTP/1.1\r\nHost: ${target.host}\r\nConnection: ${connection}\r\n\r\n`)
}

function keep(socket: Socket, target: Target): void {
  const waiting = idle.get(target)!
  if (waiting.length >= KEPT_CONNECTIONS) {
    socket.end()
    return
  }
  const onClosed = () => {
    const index = waiting.findIndex((one) => one.socket === socket)
    if (index >= 0) waiting.splice(index, 1)
    socket.destroy()
  }
  socket.removeAllListeners('error').on('error', () => {})
  socket.once('end', onClosed)
  socket.once('close', onClosed)
  socket.resume()
  waiting.push({ socket, onClosed })
}

function lose(target: Target, on: 'fresh' | 'kept', loss: Loss, detail: string): void {
  settle()
  outcomes.lost(on, `${target.tls ? 'https' : 'http'}://${target.host}:${target.port}${target.path}`, loss, detail)
}

function settle(): void {
  inFlight--
  if (stopped && inFlight === 0) left?.()
}
