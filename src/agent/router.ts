/** Just enough of a router: a table of methods and paths, bounded bodies, and errors as the API spells them. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'

/** The largest file a controller sends; a configuration with thousands of members is about one MiB. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024

export interface AgentRequestParts {
  /** The path's variables, by name. */
  params: Record<string, string>
  /** What stands behind the question mark. */
  query: string
  body: Buffer
  /** Of who asks. */
  socket: TLSSocket
}

export interface AgentResponse {
  status: number
  /** An object is sent as JSON, a text as it is; a function writes text for as long as it likes, and ends the response. */
  body: object | string | ((response: ServerResponse) => void)
  etag?: string
}

export type Handler = (request: AgentRequestParts) => AgentResponse | Promise<AgentResponse>

/** `PUT /1.0/loadbalancer/:lb_id/haproxy`: a variable is one segment of letters, digits, `.`, `:`, `_`, `-`, so it never leaves a directory. */
export type RouteTable = Record<string, Handler>

/** An answer by exception: `body` is what a handler says ({ message, details }). */
export class HttpError extends Error {
  readonly status: number
  readonly body: object
  constructor(status: number, body: object) {
    super(JSON.stringify(body))
    this.status = status
    this.body = body
  }
}

// Not node:http's STATUS_CODES: importing that module by name loads all it offers, its WebSocket client too (4 MiB).
const reasons = {
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Request Entity Too Large',
  500: 'Internal Server Error',
} as const

/** What the framework says when no handler is reached: `{ error, http_code }`, worded as werkzeug's. */
export function frameworkError(status: keyof typeof reasons, text: string): HttpError {
  return new HttpError(status, { error: `${status} ${reasons[status]}: ${text}`, http_code: status })
}

export interface Router {
  /** Answers a request; never rejects. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
}

interface Route {
  method: string
  path: RegExp
  handler: Handler
}

/** `admit` throws to refuse a request before its body is read; `onError` is told of errors that are not answers. */
export function createRouter(
  table: RouteTable,
  hooks: { admit(request: IncomingMessage): void; onError(request: IncomingMessage, error: Error): void },
): Router {
  const routes = Object.entries(table).map(([name, handler]): Route => {
    const [method = '', path = ''] = name.split(' ')
    return { method, path: new RegExp(`^${path.replaceAll('.', '\\.').replace(/:(\w+)/g, '(?<$1>[\\w.:-]+)')}$`), handler }
  })
  return {
    async handle(request, response) {
      try {
        const { handler, params } = find(routes, request)
        hooks.admit(request)
        const body = await readBody(request)
        const query = (request.url ?? '').split('?')[1] ?? ''
        send(response, await handler({ params, query, body, socket: request.socket as TLSSocket }))
      } catch (error) {
        if (error instanceof HttpError) {
          send(response, { status: error.status, body: error.body })
          return
        }
        hooks.onError(request, error as Error)
        const general = frameworkError(500, (error as Error).message)
        send(response, { status: general.status, body: general.body })
      }
    },
  }
}

function find(routes: Route[], request: IncomingMessage): { handler: Handler; params: Record<string, string> } {
  // Octavia's driver asks for the version at `//`, which its own agent takes for `/`.
  const path = (request.url ?? '/').split('?')[0]!.replace(/\/{2,}/g, '/')
  const method = request.method === 'HEAD' ? 'GET' : request.method
  let isKnownPath = false
  for (const route of routes) {
    const match = route.path.exec(path)
    // No file of the agent is called `.` or `..`.
    if (match === null || Object.values(match.groups ?? {}).some((value) => /^\.+$/.test(value))) continue
    if (route.method === method) return { handler: route.handler, params: { ...match.groups } }
    isKnownPath = true
  }
  if (isKnownPath) throw frameworkError(405, 'The method is not allowed for the requested URL.')
  throw frameworkError(
    404,
    'The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.',
  )
}

function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= MAX_BODY_BYTES) chunks.push(chunk)
      else {
        // The rest is not read; the connection is closed with the answer.
        request.pause()
        reject(frameworkError(413, 'The data value transmitted exceeds the capacity limit.'))
      }
    })
    request.on('end', () => resolve(Buffer.concat(chunks)))
    request.on('error', reject)
  })
}

function send(response: ServerResponse, { status, body, etag }: AgentResponse): void {
  if (typeof body === 'function') {
    response.writeHead(status, { 'Content-Type': 'text/plain; charset=UTF-8' })
    // So that the client sees at once that it is heard.
    response.flushHeaders()
    body(response)
    return
  }
  const isText = typeof body === 'string'
  const bytes = Buffer.from(isText ? body : JSON.stringify(body))
  response.writeHead(status, {
    'Content-Type': isText ? 'text/plain; charset=UTF-8' : 'application/json',
    'Content-Length': bytes.length,
    ...(etag === undefined ? {} : { ETag: etag }),
    ...(status === 413 ? { Connection: 'close' } : {}),
  })
  response.end(bytes)
}
