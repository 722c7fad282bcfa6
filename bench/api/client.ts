/** The load: requests over kept connections, and how long each took. */
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const MAX_CONNECTIONS = 64
const REQUEST_TIMEOUT_MS = 60_000

export interface Answer {
  status: number
  ms: number
  text: string
}

export class LoadClient {
  readonly #url: URL
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS })

  constructor(url: string) {
    this.#url = new URL(url)
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Throws for a status that is not expected. */
  async send(method: string, path: string, body?: unknown, expected: readonly number[] = [200, 201, 202, 204]): Promise<Answer> {
    const answer = await this.#try(method, path, body).catch((error: NodeJS.ErrnoException) => {
      // A server may close a connection just when it is used again; every client tries once more.
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return this.#try(method, path, body)
      throw error
    })
    if (!expected.includes(answer.status)) throw new Error(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 500)}`)
    return answer
  }

  #try(method: string, path: string, body: unknown): Promise<Answer> {
    const data = body === undefined ? undefined : JSON.stringify(body)
    const headers: Record<string, string | number> = { accept: 'application/json' }
    if (data !== undefined) Object.assign(headers, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(data) })
    const { hostname, port } = this.#url
    const startedAt = performance.now()
    return new Promise((resolve, reject) => {
      const sent = request({ agent: this.#agent, hostname, port, method, path, headers, timeout: REQUEST_TIMEOUT_MS }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, ms: performance.now() - startedAt, text: Buffer.concat(chunks).toString() }),
        )
      })
      sent.on('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer in ${REQUEST_TIMEOUT_MS} ms`)))
      sent.on('error', reject)
      sent.end(data)
    })
  }

  /** Asks every `pollMs` until the condition holds; throws after a minute. */
  async until(condition: () => Promise<boolean>, pollMs: number): Promise<void> {
    const deadline = performance.now() + REQUEST_TIMEOUT_MS
    while (!(await condition())) {
      if (performance.now() > deadline) throw new Error(`not reached within ${REQUEST_TIMEOUT_MS} ms`)
      await sleep(pollMs)
    }
  }
}
