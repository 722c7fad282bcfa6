/** A Glance that has one image, whatever is asked for. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export class FakeGlance {
  readonly #server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ images: [{ id: 'image' }] }))
  })

  /** Answers its URL. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
