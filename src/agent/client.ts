/** The controller's side of an agent's HTTPS: one request, one answer. What to do about silence is the caller's business. */
import type { ClientRequest, IncomingMessage } from 'node:http'
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
  /** PEM of the CAs that sign agents' certificates. */
  serverCas: string
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

export interface AgentPeer {
  id: string
  lb_network_ip: string
}

export interface AgentClient {
  /** Rejects when the agent cannot be reached, is another than `amphora.id` (by its certificate), or does not answer in time. */
  send(amphora: AgentPeer, wanted: AgentRequest): Promise<AgentAnswer>
  /** For an answer that may go on for long: its text as it comes, until it ends or `signal` aborts it; another answer where the status is not 200. */
  follow(amphora: AgentPeer, wanted: AgentRequest): Promise<AsyncIterable<string> | AgentAnswer>
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
      ca: options.serverCas,
      minVersion: 'TLSv1.2',
    }),
  })
  return {
    send: async (amphora, wanted) => complete(await begin(agent, options, amphora, wanted)),
    async follow(amphora, wanted) {
      const begun = await begin(agent, options, amphora, wanted)
      if (begun.incoming.statusCode !== 200) return complete(begun)
      begun.endTimer()
      begun.incoming.setEncoding('utf8')
      return begun.incoming
    },
    close: () => agent.destroy(),
  }
}

/** An answer of which the head is there. */
interface Begun {
  outgoing: ClientRequest
  incoming: IncomingMessage
  endTimer(): void
}

/** The timer for the answer runs on. */
function begin(agent: Agent, options: AgentClientOptions, amphora: AgentPeer, wanted: AgentRequest): Promise<Begun> {
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
    const endTimer = () => clearTimeout(timer)
    const limit = (ms: number, what: string) => {
      endTimer()
      timer = setTimeout(() => outgoing.destroy(new Error(`${what} within ${ms} ms`)), ms)
    }
    limit(options.connectTimeoutMs, 'no connection')
    outgoing.on('socket', (socket) => {
      const established = () => limit(options.readTimeoutMs, 'no answer')
      if (outgoing.reusedSocket) established()
      else (socket as TLSSocket).once('secureConnect', established)
    })
    outgoing.on('response', (incoming) => resolve({ outgoing, incoming, endTimer }))
    outgoing.on('error', (error) => {
      endTimer()
      reject(error)
    })
    outgoing.end(wanted.body)
  })
}

function complete({ outgoing, incoming, endTimer }: Begun): Promise<AgentAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    incoming.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > MAX_ANSWER_BYTES) outgoing.destroy(new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`))
      else chunks.push(chunk)
    })
    // What ends the exchange is told by the request, that it has ended by both.
    for (const part of [outgoing, incoming]) {
      part.on('error', (error) => {
        endTimer()
        reject(error)
      })
    }
    incoming.on('end', () => {
      endTimer()
      resolve({
        status: incoming.statusCode ?? 0,
        contentType: (incoming.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase(),
        etag: incoming.headers.etag,
        body: Buffer.concat(chunks).toString('utf8'),
      })
    })
  })
}

function hostOf(address: string, linkLocalInterface: string): string {
  return /^fe80:/i.test(address) ? `${address}%${linkLocalInterface}` : address
}
