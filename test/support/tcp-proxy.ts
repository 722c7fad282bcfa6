/** Stands between a client and a server on loopback and does to their connections what networks do. */
import { connect, createServer, type Socket } from 'node:net'

interface Pair {
  client: Socket
  server: Socket
}

export class TcpProxy {
  readonly #pairs = new Set<Pair>()
  readonly #listener = createServer((client) => this.#accept(client))
  readonly #target: number
  #isCut = false
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
  lose(side: 'client' | 'server'): { endThem(): void } {
    const pairs = [...this.#pairs]
    for (const pair of pairs) pair[side].removeAllListeners('data').on('data', () => {})
    return {
      endThem() {
        for (const { client, server } of pairs) {
          client.destroy()
          server.destroy()
        }
      },
    }
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
    const pair = { client, server }
    this.#pairs.add(pair)
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('data', (data) => to.write(data))
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
}
