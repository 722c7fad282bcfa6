/** A Keystone of one page, for what the real one cannot be made to do on request: to fail, to be silent, to be counted. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { FakeService } from './fake-service.ts'

export type Fault = 'silent' | 'reset' | 'nonsense' | 401 | 403 | 429 | 500 | 503

export interface FakeToken {
  user: object
  expires_at: string
  [more: string]: unknown
}

export class FakeKeystone extends FakeService {
  /** `METHOD path?query`, in order; validations with the subject token's name. */
  readonly asked: string[] = []
  /** By the token itself. */
  readonly tokens = new Map<string, FakeToken>()
  /** Each answers one request, first to last; then all is well. */
  readonly faults: Fault[] = []
  /** As long as this is set, every request ends so. */
  down: Fault | undefined
  password = 'secret'
  ownLifetimeMs = 3_600_000
  /** What the service user's token is for. */
  ownProject: string | undefined
  catalog: object[] = []
  readonly #now: () => number
  readonly #own = new Set<string>()

  constructor(now: () => number) {
    super()
    this.#now = now
  }

  /** The service user's tokens are void. */
  forgetLogins(): void {
    this.#own.clear()
  }

  count(method: string): number {
    return this.asked.filter((line) => line.startsWith(method)).length
  }

  protected override async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    this.asked.push(`${request.method} ${request.url}`)
    const fault = this.faults.shift() ?? this.down
    if (fault === 'silent') return
    if (fault === 'reset') return void request.socket.destroy()
    if (fault === 'nonsense') return void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')
    const send = (status: number, body: object, headers: Record<string, string> = {}) =>
      void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    if (fault !== undefined) return send(fault, { error: { code: fault } })
    if (request.method === 'POST') return this.#login(JSON.parse(Buffer.concat(chunks).toString()), send)
    if (!this.#own.has(String(request.headers['x-auth-token']))) return send(401, {})
    const token = this.tokens.get(String(request.headers['x-subject-token']))
    const isExpired = token !== undefined && Date.parse(token.expires_at) <= this.#now()
    if (token === undefined || (isExpired && !request.url!.includes('allow_expired=1'))) return send(404, {})
    return send(200, { token })
  }

  #login(
    body: { auth: { identity: { password: { user: { password: string } } } } },
    send: (status: number, body: object, headers?: Record<string, string>) => void,
  ): void {
    if (body.auth.identity.password.user.password !== this.password) {
      send(401, {})
      return
    }
    const token = `own-${this.#own.size + this.count('POST')}`
    this.#own.add(token)
    const expires_at = new Date(this.#now() + this.ownLifetimeMs).toISOString()
    const project = this.ownProject === undefined ? {} : { project: { id: this.ownProject } }
    send(201, { token: { user: { id: 'octavia' }, expires_at, catalog: this.catalog, ...project } }, { 'x-subject-token': token })
  }
}
