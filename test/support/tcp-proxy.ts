/** Stands between a client and a server on loopback and does to their connections what networks do. */
import { connect, createServer, type Socket } from 'node:net'

type Side = 'client' | 'server'

interface Pair {
  client: Socket
  server: Socket
  /** Whose words get lost. */
  lost: Set<Side>
  /** What the client has said of `loseAfter` so far. */
  heard: string
}

export class TcpProxy {
  readonly #pairs = new Set<Pair>()
  readonly #listener = createServer((client) => this.#accept(client))
  readonly #target: number
  #isCut = false
  #awaited: { first: string; second: string; side: Side; resolve(): void } | undefined
  #port = 0

  private constructor(target: number) {
    this.#target = target
  }

  /** In: the port of the server. */
  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    await new Promise<void>((resolve) => proxy.#listener.listen(0, '127.0.0.1', resolve))
    proxy.#port = (proxy.#listener.address() as { port: number }).port
    return proxy
  }

  get port(): number {
    return this.#port
  }

  /** Nothing passes any more, and nobody is told; new connections are made and silent, too. */
  cut(): void {
    this.#isCut = true
    for (const { client, server } of this.#pairs) {
      client.pause()
      server.pause()
    }
  }

  heal(): void {
    this.#isCut = false
    for (const { client, server } of this.#pairs) {
      client.resume()
      server.resume()
    }
  }

  /** From now on what one side of the connections that are there says is lost; `endThem` ends them. */
  lose(side: Side): { endThem(): void } {
    const pairs = [...this.#pairs]
    for (const { lost } of pairs) lost.add(side)
    return {
      endThem() {
        for (const { client, server } of pairs) {
          client.destroy()
          server.destroy()
        }
      },
    }
  }

  /**
   * The next client that says `first` and then, on the same connection, `second`: from that second word on what `side` says there is lost, which is the word
   * itself or its answer. Resolves in that moment.
   */
  loseAfter(first: string, second: string, side: Side): Promise<void> {
    return new Promise((resolve) => {
      this.#awaited = { first, second, side, resolve }
    })
  }

  async stop(): Promise<void> {
    for (const { client, server } of this.#pairs) {
      client.destroy()
      server.destroy()
    }
    await new Promise((resolve) => this.#listener.close(resolve))
  }

  #accept(client: Socket): void {
    const server = connect(this.#target, '127.0.0.1')
    const pair: Pair = { client, server, lost: new Set(), heard: '' }
    this.#pairs.add(pair)
    for (const [side, to] of [
      ['client', server],
      ['server', client],
    ] as const) {
      const from = pair[side]
      from.on('data', (data) => {
        if (side === 'client') this.#hear(pair, data)
        if (!pair.lost.has(side)) to.write(data)
      })
      from.on('error', () => {})
      from.on('close', () => {
        this.#pairs.delete(pair)
        to.destroy()
      })
    }
    if (this.#isCut) {
      client.pause()
      server.pause()
    }
  }

  #hear(pair: Pair, data: Buffer): void {
    if (this.#awaited === undefined) return
    const { first, second, side, resolve } = this.#awaited
    pair.heard += data.toString('latin1')
    const at = pair.heard.indexOf(first)
    if (at === -1 || !pair.heard.includes(second, at + first.length)) return
    pair.lost.add(side)
    this.#awaited = undefined
    resolve()
  }
}
