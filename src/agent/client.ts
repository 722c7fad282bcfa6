/** The controller's side of an agent's HTTPS: one request, one answer. What to do about silence is the caller's business. */
import { Agent, request } from 'node:https'
import { createSecureContext, type TLSSocket } from 'node:tls'

/** An answer longer than this is no agent's. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024
/** Idle connections kept per agent; the agent closes them after its own keep-alive timeout. */
const MAX_IDLE_CONNECTIONS = 2
const USER_AGENT = 'Octavia HaProxy Rest Client/1.0 (Ottavia)'

export interface AgentClientOptions {
  /** PEM; what agents ask of the controller (clientAuth). */
  client: { certificate: string; key: string }
  /** PEM of the CA that signs agents' certificates. */
  serverCa: string
  port: number
  connectTimeoutMs: number
  readTimeoutMs: number
  /** The interface in which link-local addresses (fe80::) of agents lie. */
  linkLocalInterface: string
}

export interface AgentRequest {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  path: string
  body?: string
  headers?: Record<string, string>
  signal?: AbortSignal
}

export interface AgentAnswer {
  status: number
  /** The media type without parameters. */
  contentType: string
  etag: string | undefined
  body: string
}

export interface AgentClient {
  /** Rejects when the agent cannot be reached, is another than `amphora.id` (by its certificate), or does not answer in time. */
  send(amphora: { id: string; lb_network_ip: string }, wanted: AgentRequest): Promise<AgentAnswer>
  close(): void
}

export function createAgentClient(options: AgentClientOptions): AgentClient {
  const agent = new Agent({
    keepAlive: true,
    maxFreeSockets: MAX_IDLE_CONNECTIONS,
    // Made once, not anew for each attempt to reach an agent that boots.
    secureContext: createSecureContext({
      cert: options.client.certificate,
      key: options.client.key,
      ca: options.serverCa,
      minVersion: 'TLSv1.2',
    }),
  })
  return {
    send: (amphora, wanted) => send(agent, options, amphora, wanted),
    close: () => agent.destroy(),
  }
}

function send(
  agent: Agent,
  options: AgentClientOptions,
  amphora: { id: string; lb_network_ip: string },
  wanted: AgentRequest,
): Promise<AgentAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      agent,
      host: hostOf(amphora.lb_network_ip, options.linkLocalInterface),
      port: options.port,
      // The certificate has to carry this name (node:tls checks it): an address may have passed to another machine.
      servername: amphora.id,
      method: wanted.method,
      path: wanted.path,
      signal: wanted.signal,
      headers: {
        'User-Agent': USER_AGENT,
        ...wanted.headers,
        ...(wanted.body === undefined ? {} : { 'Content-Length': Buffer.byteLength(wanted.body) }),
      },
    })
    let timer: NodeJS.Timeout | undefined
    const limit = (ms: number, what: string) => {
      clearTimeout(timer)
      timer = setTimeout(() => outgoing.destroy(new Error(`${what} within ${ms} ms`)), ms)
    }
    limit(options.connectTimeoutMs, 'no connection')
    outgoing.on('socket', (socket) => {
      const established = () => limit(options.readTimeoutMs, 'no answer')
      if (outgoing.reusedSocket) established()
      else (socket as TLSSocket).once('secureConnect', established)
    })
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = []
      let length = 0
      incoming.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > MAX_ANSWER_BYTES) outgoing.destroy(new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`))
        else chunks.push(chunk)
      })
      incoming.on('error', reject)
      incoming.on('end', () => {
        clearTimeout(timer)
        resolve({
          status: incoming.statusCode ?? 0,
          contentType: (incoming.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase(),
          etag: incoming.headers.etag,
          body: Buffer.concat(chunks).toString('utf8'),
        })
      })
    })
    outgoing.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    outgoing.end(wanted.body)
  })
}

function hostOf(address: string, linkLocalInterface: string): string {
  return /^fe80:/i.test(address) ? `${address}%${linkLocalInterface}` : address
}
