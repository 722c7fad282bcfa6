/**
 * Where neutron-lbaas was: clients of its time (`neutron lbaas-*`) send `/v2.0/lbaas/...` to the network endpoint. Each request goes on to
 * the load balancing API under the caller's own token; faults come back worded as Neutron's.
 */
import { Agent, request as httpRequest, type IncomingMessage, STATUS_CODES } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../../../config/config.ts'
import { HttpFault } from '../../http.ts'

/** As long as the API itself lets a request take. */
const FORWARD_TIMEOUT_MS = 60_000
/** Above any page that a client asks for; what is longer is asked for in pages. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024
/** Requests that are under way at once; more wait for these. */
const MAX_CONNECTIONS = 32

interface Answer {
  status: number
  body: Buffer
  contentType: string | undefined
  requestId: string | undefined
}

export function loadBalancingRoutes(app: FastifyInstance, { config }: { config: Config }): void {
  const agent = new Agent({ maxSockets: MAX_CONNECTIONS })

  app.register(async (forwarding) => {
    forwarding.removeAllContentTypeParsers()
    forwarding.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))

    forwarding.route({
      method: ['GET', 'POST', 'PUT', 'DELETE'],
      url: '/v2.0/lbaas/*',
      async handler(request, reply) {
        const { bind_host, bind_port } = config.api_settings
        const answer = await send({
          agent,
          host: reachableHost(bind_host),
          port: bind_port,
          method: request.method,
          path: request.raw.url!,
          headers: {
            accept: 'application/json',
            'x-auth-token': String(request.headers['x-auth-token']),
            ...(request.body === undefined ? {} : { 'content-type': request.headers['content-type'] ?? 'application/json' }),
          },
          body: withPlainBooleans(request.body as Buffer | undefined),
        })
        if (answer.requestId !== undefined) reply.header('x-openstack-request-id', answer.requestId)
        if (answer.status >= 400) throw neutronFault(answer)
        reply.code(answer.status)
        if (answer.contentType !== undefined) reply.type(answer.contentType)
        return reply.send(answer.body.length === 0 ? undefined : answer.body)
      },
    })
  })
}

/** In: a request of the load balancing API. Throws a fault 503 when no answer comes in time, or more of it than is taken. */
function send({ body, ...options }: SendOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new HttpFault(503, 'The load balancing service does not answer.', 'ServiceUnavailable'))
    const outgoing = httpRequest({ ...options, signal: AbortSignal.timeout(FORWARD_TIMEOUT_MS) }, (incoming) => {
      readAnswer(incoming).then(resolve, fail)
    })
    outgoing.on('error', fail)
    outgoing.end(body)
  })
}

interface SendOptions {
  agent: Agent
  host: string
  port: number
  method: string
  path: string
  headers: Record<string, string>
  body: Buffer | undefined
}

async function readAnswer(incoming: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_ANSWER_BYTES) throw new Error(`an answer is longer than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  const { statusCode, headers } = incoming
  return {
    status: statusCode!,
    body: Buffer.concat(chunks),
    contentType: headers['content-type'],
    requestId: [headers['x-openstack-request-id'] ?? []].flat()[0],
  }
}

/** Neutron took any spelling of a boolean, and its client sends what its user typed (`--admin-state-up False`); the API takes fewer. */
const booleans = ['admin_state_up', 'invert']
const spelledBooleans: Record<string, boolean> = { true: true, false: false }

/** In: a body, as `{"pool": {"admin_state_up": "True"}}`. Out: the same with real booleans; what can't be read is for the API to refuse. */
function withPlainBooleans(body: Buffer | undefined): Buffer | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(String(body))
  } catch {
    return body
  }
  const attributes = Object.values(parsed ?? {})[0] as Record<string, unknown> | null | undefined
  let changed = false
  for (const name of booleans) {
    const value = attributes?.[name]
    const plain = typeof value === 'string' ? spelledBooleans[value.toLowerCase()] : undefined
    if (plain === undefined) continue
    attributes![name] = plain
    changed = true
  }
  return changed ? Buffer.from(JSON.stringify(parsed)) : body
}

/** The services share a machine: what is bound to all addresses answers on loopback. */
function reachableHost(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
}

/** The same status, in the names of neutron-lbaas (`extensions/loadbalancerv2.py`) and of Neutron's own exceptions. */
function neutronFault({ status, body }: Answer): HttpFault {
  const message = faultText(body.toString()) || (STATUS_CODES[status] ?? 'The request could not be fulfilled.')
  const named = faultNames.find((name) => name.status === status && (name.text === undefined || name.text.test(message)))
  return new HttpFault(status, message, named?.type)
}

/** The first that fits; a status that is not here is named as the network service names its own. */
const faultNames: { status: number; text?: RegExp; type: string }[] = [
  { status: 400, text: /has children/, type: 'EntityInUse' },
  { status: 400, text: /not found\.$/, type: 'EntityNotFound' },
  { status: 403, text: /^Quota has been met/, type: 'OverQuota' },
  { status: 403, type: 'PolicyNotAuthorized' },
  { status: 404, text: /./, type: 'EntityNotFound' },
  { status: 409, text: /already using protocol /, type: 'LoadBalancerListenerProtocolPortExists' },
  { status: 409, text: /^Another member/, type: 'MemberExists' },
  { status: 409, text: /already has a health monitor/, type: 'OneHealthMonitorPerPool' },
  { status: 409, text: /already has a default pool/, type: 'OnePoolPerListener' },
  { status: 409, text: /in use/, type: 'EntityInUse' },
  { status: 409, type: 'StateInvalid' },
  { status: 501, type: 'DriverError' },
  { status: 503, type: 'ServiceUnavailable' },
]

/** The words of any of the API's shapes of a fault. */
function faultText(body: string): string {
  try {
    const fault = JSON.parse(body) as { faultstring?: string; description?: string; error?: { message?: string } }
    return fault.faultstring ?? (fault.description || undefined) ?? fault.error?.message ?? ''
  } catch {
    return ''
  }
}
