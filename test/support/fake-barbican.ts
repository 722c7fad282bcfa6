/** A Barbican with one container, of a certificate and its key: who may read them, and who uses them. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Issued } from './certificates.ts'
import { FakeService } from './fake-service.ts'

type Answer = { status: number; body?: unknown }
type Acl = { read: { users: string[]; 'project-access': boolean } }

/** The service's user; whoever has another token is the tenant. */
const SERVICE = { user: 'octavia', tokens: /^own-/ }

export class FakeBarbican extends FakeService {
  readonly #container = randomUUID() as string
  /** By id. */
  readonly #payloads: Map<string, { name: string; payload: string }>
  readonly #acls = new Map<string, Acl>()
  /** Load balancers that the container says it is used by. */
  readonly consumers: string[] = []

  constructor({ certificate, private_key }: Issued) {
    super()
    const contents = { certificate, private_key }
    this.#payloads = new Map(Object.entries(contents).map(([name, payload]) => [randomUUID(), { name, payload }]))
  }

  /** What a listener names. */
  get reference(): string {
    return `${this.url}/v1/containers/${this.#container}`
  }

  protected override async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const isService = SERVICE.tokens.test(String(request.headers['x-auth-token']))
    const text = Buffer.concat(chunks).toString()
    const { status, body = {} } = this.#answer(`${request.method} ${request.url}`, isService, text === '' ? {} : JSON.parse(text))
    const isPayload = typeof body === 'string'
    response
      .writeHead(status, { 'content-type': isPayload ? 'application/octet-stream' : 'application/json' })
      .end(isPayload ? body : JSON.stringify(body))
  }

  #answer(what: string, isService: boolean, body: unknown): Answer {
    const [, method, id = '', part] = /^(\w+) \/v1\/(?:secrets|containers)\/([^/]+)(?:\/(\w+))?$/.exec(what) ?? []
    const secret = this.#payloads.get(id)
    if (secret === undefined && id !== this.#container) return { status: 404 }
    const acl = this.#acls.get(id) ?? { read: { users: [], 'project-access': true } }
    if (part === 'consumers') return this.#changeConsumers(method!, body as { URL: string })
    if (part === 'acl') {
      if (isService) return { status: 403 }
      if (method === 'PATCH') this.#acls.set(id, body as Acl)
      return { status: 200, body: method === 'PATCH' ? {} : acl }
    }
    if (isService && !acl.read.users.includes(SERVICE.user)) return { status: 403 }
    if (secret !== undefined) return part === 'payload' ? { status: 200, body: secret.payload } : { status: 404 }
    const secret_refs = [...this.#payloads].map(([secret_id, { name }]) => ({ name, secret_ref: `${this.url}/v1/secrets/${secret_id}` }))
    return { status: 200, body: { secret_refs } }
  }

  #changeConsumers(method: string, { URL: url }: { URL: string }): Answer {
    const at = this.consumers.indexOf(url)
    if (method === 'POST' && at < 0) this.consumers.push(url)
    if (method === 'DELETE') {
      if (at < 0) return { status: 404 }
      this.consumers.splice(at, 1)
    }
    return { status: 200 }
  }
}
