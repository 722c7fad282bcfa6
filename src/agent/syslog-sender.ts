/**
 * Sends lines to the first receiver of a list that can be reached, as upstream's rsyslog does: the others stand in for it, and it is tried again
 * now and then. What cannot be sent waits in a bounded queue, whose oldest lines go first.
 */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { connect, isIPv6, type Socket } from 'node:net'

/** Upstream's options. */
export interface SyslogOptions {
  targets: readonly { host: string; port: number }[]
  protocol: 'UDP' | 'TCP'
  /** After so many attempts in vain what waits is dropped; -1: never. */
  retryCount: number
  retryIntervalMs: number
  /** In lines. */
  queueSize: number
}

const CONNECT_TIMEOUT_MS = 5_000
/** Lines given to the kernel at once. */
const BATCH_LINES = 256
/** Datagrams that the kernel has not taken yet. */
const MAX_DATAGRAMS_UNDER_WAY = 64

interface Target {
  host: string
  port: number
  /** By the monotonic clock. */
  notBefore: number
  isLost: boolean
}

export class SyslogSender {
  private readonly options: SyslogOptions
  private readonly targets: Target[]
  private readonly report: (text: string) => void
  private readonly queue = new BoundedQueue()
  private readonly datagramSockets = new Map<4 | 6, DatagramSocket>()
  private underWay = 0
  private connection: { socket: Socket; rank: number } | undefined
  private connecting = false
  /** In vain, since something was sent last. */
  private attempts = 0
  private timer: NodeJS.Timeout | undefined
  private stopped = false

  /** `report` is told when a receiver is lost or found, and what was dropped. */
  constructor(options: SyslogOptions, report: (text: string) => void) {
    this.options = options
    this.targets = options.targets.map(({ host, port }) => ({ host, port, notBefore: 0, isLost: false }))
    this.report = report
  }

  /** Lines that were never sent. */
  get dropped(): number {
    return this.queue.dropped
  }

  send(messages: readonly string[]): void {
    this.queue.push(messages, this.options.queueSize)
    this.pump()
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    this.connection?.socket.end()
    for (const socket of this.datagramSockets.values()) socket.close()
  }

  private pump(): void {
    if (this.stopped) return
    if (this.options.protocol === 'UDP') this.pumpDatagrams()
    else if (this.connection !== undefined) this.pumpConnection(this.connection)
    else if (this.queue.length > 0) void this.connectToBest()
  }

  /** Nobody says whether a datagram arrives, so another receiver is taken only where the kernel knows no way. */
  private pumpDatagrams(): void {
    while (this.queue.length > 0 && this.underWay < MAX_DATAGRAMS_UNDER_WAY) {
      const target = this.targets.find(({ notBefore }) => notBefore <= performance.now())
      if (target === undefined) {
        this.later()
        return
      }
      const message = this.queue.shift(1)
      this.underWay++
      this.datagramSocket(isIPv6(target.host) ? 6 : 4).send(message[0]!, target.port, target.host, (error) => {
        this.underWay--
        if (error) {
          this.lost(target, error)
          this.queue.putBack(message)
        } else this.found(target)
        this.pump()
      })
    }
  }

  private pumpConnection({ socket, rank }: { socket: Socket; rank: number }): void {
    // The next lines follow when the kernel has taken these.
    if (this.underWay > 0 || this.queue.length === 0) return
    const lines = this.queue.shift(BATCH_LINES)
    this.underWay = lines.length
    socket.write(lines.map((line) => `${line}\n`).join(''), (error) => {
      this.underWay = 0
      if (error) this.queue.putBack(lines)
      this.pump()
    })
    if (rank > 0) this.later()
  }

  /** Connects to the first target that can be had, if that is a better one than now. */
  private async connectToBest(): Promise<void> {
    if (this.connecting) return
    this.connecting = true
    const better = this.targets.slice(0, this.connection?.rank).entries()
    for (const [rank, target] of better) {
      if (this.stopped) break
      if (target.notBefore > performance.now()) continue
      const socket = await this.connectTo(target)
      if (socket === null) continue
      this.take(socket, rank)
      break
    }
    this.connecting = false
    if (this.connection !== undefined) this.pump()
    else if (this.queue.length > 0) this.later()
  }

  private take(socket: Socket, rank: number): void {
    const target = this.targets[rank]!
    const former = this.connection
    this.connection = { socket, rank }
    former?.socket.end()
    this.found(target)
    socket.on('close', () => {
      if (this.connection?.socket !== socket || this.stopped) return
      this.connection = undefined
      this.lost(target, new Error('the connection has ended'))
      this.pump()
    })
  }

  private connectTo(target: Target): Promise<Socket | null> {
    return new Promise((resolve) => {
      const socket = connect({ host: target.host, port: target.port, keepAlive: true })
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy(new Error(`no answer within ${CONNECT_TIMEOUT_MS} ms`)))
      socket.once('connect', () => {
        socket.setTimeout(0)
        resolve(socket)
      })
      // After a connection was there, 'close' follows.
      socket.on('error', (error) => {
        this.lost(target, error)
        resolve(null)
      })
      // Nothing is to be said to us, but only who reads sees the end.
      socket.resume()
    })
  }

  private found(target: Target): void {
    this.attempts = 0
    if (!target.isLost) return
    target.isLost = false
    this.report(`logs are sent to ${target.host} port ${target.port} again; ${this.queue.dropped} lines have been dropped so far`)
  }

  private lost(target: Target, error: Error): void {
    target.notBefore = performance.now() + this.options.retryIntervalMs
    if (target.isLost) return
    target.isLost = true
    this.report(`logs cannot be sent to ${target.host} port ${target.port}: ${error.message}`)
  }

  /** Tries again after a while. */
  private later(): void {
    if (this.stopped) return
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      if (this.connection === undefined) this.countAttempt()
      if (this.options.protocol === 'TCP') void this.connectToBest()
      else this.pump()
    }, this.options.retryIntervalMs)
  }

  private countAttempt(): void {
    const { retryCount } = this.options
    if (retryCount < 0 || ++this.attempts <= retryCount) return
    this.attempts = 0
    this.queue.clear()
  }

  private datagramSocket(family: 4 | 6): DatagramSocket {
    const known = this.datagramSockets.get(family)
    if (known !== undefined) return known
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6')
    // What goes wrong is told to the datagram that it happens to.
    socket.on('error', () => {})
    this.datagramSockets.set(family, socket)
    return socket
  }
}

/** First in, first out. */
class BoundedQueue {
  dropped = 0
  private items: string[] = []
  /** Those before it are gone: taking them out one by one would copy the others each time. */
  private first = 0

  get length(): number {
    return this.items.length - this.first
  }

  push(messages: readonly string[], limit: number): void {
    for (const message of messages) this.items.push(message)
    const excess = this.length - limit
    if (excess > 0) this.dropped += this.shift(excess).length
  }

  shift(count: number): string[] {
    const taken = this.items.slice(this.first, this.first + count)
    this.first += taken.length
    if (this.first * 2 > this.items.length) {
      this.items = this.items.slice(this.first)
      this.first = 0
    }
    return taken
  }

  putBack(messages: readonly string[]): void {
    this.items.splice(this.first, 0, ...messages)
  }

  clear(): void {
    this.dropped += this.length
    this.items = []
    this.first = 0
  }
}
