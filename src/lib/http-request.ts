/** One HTTP request to a service, one answer, each within bounds. What to do about silence is the caller's business. */
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { orDistrust } from './distrust.ts'

export interface HttpClientOptions {
  /** Connections at once; further requests wait for one. */
  maxConnections: number
  /** An answer longer than this is refused. */
  maxAnswerBytes: number
  /** From the request to the whole answer. */
  timeoutMs: number
  /** PEM. For `https:` only. */
  tls: { ca?: string | string[]; cert?: string; key?: string; rejectUnauthorized: boolean }
}

export interface HttpAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: string
  /** The same, for what is no text. */
  bytes: Buffer
}

export interface HttpRequest {
  method: string
  headers: Record<string, string>
  body?: string | Uint8Array
  signal?: AbortSignal
  /** Instead of the client's. */
  timeoutMs?: number
  /** On a connection of its own: on one that was kept, it is not known whether a request arrived that the service closes it upon. */
  onNewConnection?: boolean
}

export interface HttpClient {
  /** Rejects when there is no whole answer in time; with Distrust when there will not be one. */
  send(url: string, wanted: HttpRequest): Promise<HttpAnswer>
  close(): void
}

export function createHttpClient({ maxConnections, maxAnswerBytes, timeoutMs: usualTimeoutMs, tls }: HttpClientOptions): HttpClient {
  const pool = { keepAlive: true, maxSockets: maxConnections }
  const agents = { 'http:': new HttpAgent(pool), 'https:': new HttpsAgent({ ...pool, ...tls }) }
  const single = { keepAlive: false, maxSockets: maxConnections }
  const newConnections = { 'http:': new HttpAgent(single), 'https:': new HttpsAgent({ ...single, ...tls }) }
  return {
    send(url, { method, headers, body, signal, timeoutMs = usualTimeoutMs, onNewConnection = false }) {
      const { protocol } = new URL(url)
      const isTls = protocol === 'https:'
      return new Promise((resolve, reject) => {
        const outgoing = (isTls ? httpsRequest : httpRequest)(url, {
          agent: (onNewConnection ? newConnections : agents)[isTls ? 'https:' : 'http:'],
          method,
          signal,
          headers: { ...headers, ...(body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }) },
        })
        const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
        const fail = (error: Error) => {
          clearTimeout(timer)
          reject(orDistrust(error))
        }
        outgoing.on('response', (incoming) => {
          const chunks: Buffer[] = []
          let length = 0
          incoming.on('data', (chunk: Buffer) => {
            length += chunk.length
            if (length > maxAnswerBytes) outgoing.destroy(new Error(`an answer of more than ${maxAnswerBytes} bytes`))
            else chunks.push(chunk)
          })
          incoming.on('error', fail)
          incoming.on('end', () => {
            clearTimeout(timer)
            const bytes = Buffer.concat(chunks)
            resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: bytes.toString('utf8'), bytes })
          })
        })
        outgoing.on('error', fail)
        outgoing.end(body)
      })
    },
    close() {
      for (const agent of [...Object.values(agents), ...Object.values(newConnections)]) agent.destroy()
    },
  }
}
