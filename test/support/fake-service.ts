/** An HTTP service that a test plays, on a free port of loopback. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export abstract class FakeService {
  /** Once it has started. */
  protected url = ''
  readonly #server = createServer((request, response) => void this.handle(request, response))

  protected abstract handle(request: IncomingMessage, response: ServerResponse): void | Promise<void>

  /** Answers its URL. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this.url
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
