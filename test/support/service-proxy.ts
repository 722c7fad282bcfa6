/** Stands in front of one HTTP service, counts and times what it is asked, and does to single requests what services and networks do. */
import { type ClientRequest, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'

/**
 * stopped: nothing listens any more; the request is cut off, later ones are refused. error: 500, and the service is not asked. slow: the answer comes
 * `slowMs` late. cut: the connection ends before the service is asked. answer lost: the service did it, and the connection ends.
 */
export const mishaps = ['stopped', 'error', 'slow', 'cut', 'answer lost'] as const
export type Mishap = (typeof mishaps)[number]

export interface ServiceCall {
  method: string
  /** Without query. */
  path: string
  /** 0: no answer was sent. */
  status: number
  /** How long the client waited. */
  tookMs: number
}

export const SERVICE_WORDS = 'the service has a headache'

export class ServiceProxy {
  /** Ended ones, in the order in which they came. */
  calls: ServiceCall[] = []
  readonly url: string
  readonly #server: Server
  readonly #target: URL
  readonly #port: number
  #plan: { kind: Mishap; from: number; to: number; slowMs: number } | undefined
  #begun = 0
  #hasFailed = false

  private constructor(server: Server, target: URL) {
    this.#server = server
    this.#target = target
    this.#port = (server.address() as { port: number }).port
    this.url = `http://127.0.0.1:${this.#port}`
    server.on('request', (asked, answer) => void this.#handle(asked, answer))
  }

  /** In: where the service is, its host and port. */
  static async start(target: string): Promise<ServiceProxy> {
    const server = createServer({ keepAliveTimeout: 60_000 })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new ServiceProxy(server, new URL(target))
  }

  /** The next request has the number 0 then, and nothing goes wrong any more. */
  async reset(): Promise<void> {
    this.#plan = undefined
    this.#begun = 0
    this.#hasFailed = false
    this.calls = []
    if (!this.#server.listening) await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve))
  }

  /** From the request of that number on; the number of them, or all until `heal`. */
  plan(kind: Mishap, { from, times = Number.POSITIVE_INFINITY, slowMs = 0 }: { from: number; times?: number; slowMs?: number }): void {
    this.#plan = { kind, from, to: from + times, slowMs }
  }

  /** Whether anything has gone wrong since the last `reset`. */
  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /** The service is as it was. What was counted stays. */
  async heal(): Promise<void> {
    this.#plan = undefined
    if (!this.#server.listening) await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve))
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve))
  }

  async #handle(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const number = this.#begun++
    const started = performance.now()
    const plan = this.#plan !== undefined && number >= this.#plan.from && number < this.#plan.to ? this.#plan : undefined
    this.#hasFailed ||= plan !== undefined
    const call: ServiceCall = { method: asked.method!, path: asked.url!.replace(/\?.*/, ''), status: 0, tookMs: 0 }
    this.calls.push(call)
    const body = await bodyOf(asked)
    const cut = () => {
      call.tookMs = performance.now() - started
      asked.socket.destroy()
    }
    if (plan?.kind === 'stopped') {
      this.#server.close()
      this.#server.closeAllConnections()
      return cut()
    }
    if (plan?.kind === 'cut') return cut()
    const send = (status: number, headers: Record<string, string | string[] | undefined>, content: Buffer) => {
      call.status = status
      call.tookMs = performance.now() - started
      answer.writeHead(status, headers as Record<string, string>)
      answer.end(content)
    }
    if (plan?.kind === 'error') {
      const text = Buffer.from(JSON.stringify({ error: { message: SERVICE_WORDS, code: 500 } }))
      return send(500, { 'content-type': 'application/json', 'content-length': String(text.length) }, text)
    }
    try {
      const response = await this.#forward(asked, body)
      const content = await bodyOf(response)
      if (plan?.kind === 'answer lost') return cut()
      if (plan?.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, plan.slowMs))
      const { connection: _, 'transfer-encoding': __, ...headers } = response.headers
      send(response.statusCode!, { ...headers, 'content-length': String(content.length) }, content)
    } catch {
      cut()
    }
  }

  #forward(asked: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const { hostname, port } = this.#target
    return new Promise((resolve, reject) => {
      const forwarded: ClientRequest = request(
        { hostname, port, method: asked.method, path: asked.url, headers: asked.headers, agent: false },
        resolve,
      )
      forwarded.on('error', reject)
      forwarded.end(body)
    })
  }
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
