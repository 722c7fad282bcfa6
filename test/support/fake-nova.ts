/** A Nova of one page, for what the real one cannot be made to do on request: to be busy, to fail, to answer nobody, to be slow, to be counted. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { FakeService } from './fake-service.ts'

type Body = Record<string, unknown>
type Answer = { status: number; body?: unknown; headers?: Record<string, string> }
/** `lost`: done, and nobody is told; `reset`: not even done. */
type Mishap = Answer | 'lost' | 'reset'

export interface FakeServer {
  id: string
  name: string
  status: string
  created: string
  metadata: Record<string, string>
  addresses: Record<string, object[]>
  [more: string]: unknown
}

export class FakeNova extends FakeService {
  /** `METHOD path?query`, in order. */
  readonly asked: string[] = []
  readonly servers: FakeServer[] = []
  /** What was asked of POST /servers, in order. */
  readonly boots: Body[] = []
  /** Ports by server. */
  readonly interfaces = new Map<string, { port_id: string; net_id: string; fixed_ips: { ip_address: string }[] }[]>()
  readonly groups: { id: string; name: string; policies: string[] }[] = []
  readonly flavors: string[] = []
  readonly zones: string[] = ['nova']
  /** Servers on a page, as `osapi_max_limit`. */
  pageSize = 1_000
  /** For so many looks a deleted server, or a detached port, is still there. */
  looksUntilGone = 0
  /** Whom Nova tells of ports that it gives to servers and takes from them. `bind` is false where there is no such port. */
  ports: { bind(port_id: string, server_id: string): boolean; release(port_id: string): void } = { bind: () => true, release() {} }
  readonly #mishaps: { request: RegExp; mishap: Mishap }[] = []
  readonly #going = new Map<string, number>()

  /** As a catalog has it. */
  override async start(): Promise<string> {
    return `${await super.start()}/v2.1`
  }

  /** The next request that looks so ends so. */
  next(request: RegExp, ...mishaps: Mishap[]): void {
    for (const mishap of mishaps) this.#mishaps.push({ request, mishap })
  }

  count(request: RegExp): number {
    return this.asked.filter((line) => request.test(line)).length
  }

  /** A server as another request has made it. */
  add(server: Partial<FakeServer>): FakeServer {
    const added = {
      id: randomUUID() as string,
      name: '',
      status: 'ACTIVE',
      created: '2026-01-01T00:00:00Z',
      metadata: {},
      addresses: { management: [anAddress('192.0.2.7', 'fa:16:3e:00:00:07')] },
      image: { id: 'image' },
      flavor: { id: 'flavor' },
      'OS-EXT-AZ:availability_zone': 'nova',
      ...server,
    }
    this.servers.push(added)
    return added
  }

  protected override async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const url = new URL(request.url!, 'http://nova')
    const what = `${request.method} ${url.pathname.replace('/v2.1', '')}${url.search}`
    this.asked.push(what)
    const at = this.#mishaps.findIndex((planned) => planned.request.test(what))
    const mishap = at < 0 ? undefined : this.#mishaps.splice(at, 1)[0]!.mishap
    if (mishap === 'reset') return void request.socket.destroy()
    const send = ({ status, body, headers = {} }: Answer) =>
      void response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(body === undefined ? '' : JSON.stringify(body))
    if (mishap !== undefined && mishap !== 'lost') return send(mishap)
    const answer = this.#answer(
      what.split('?')[0]!,
      url.searchParams,
      chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString()),
    )
    if (mishap === 'lost') return void request.socket.destroy()
    send(answer)
  }

  #answer(what: string, query: URLSearchParams, body: Body): Answer {
    const [, serverId, portId] = /^\w+ \/servers\/([^/]+)(?:\/os-interface(?:\/([^/]+))?)?$/.exec(what) ?? []
    if (what === 'GET /servers/detail') return this.#list(query)
    if (what === 'POST /servers') return this.#boot(body as { server: Body })
    if (serverId !== undefined) return this.#ofServer(what, serverId, portId, body)
    if (what === 'GET /os-server-groups') return { status: 200, body: { server_groups: this.groups } }
    if (what === 'POST /os-server-groups') {
      const group = { id: randomUUID() as string, ...(body.server_group as { name: string; policies: string[] }) }
      this.groups.push(group)
      return { status: 200, body: { server_group: group } }
    }
    const group = /^DELETE \/os-server-groups\/(.+)$/.exec(what)?.[1]
    if (group !== undefined) return this.#removeGroup(group)
    if (what === 'GET /os-availability-zone')
      return { status: 200, body: { availabilityZoneInfo: this.zones.map((zoneName) => ({ zoneName })) } }
    const flavor = /^GET \/flavors\/(.+)$/.exec(what)?.[1]
    return flavor !== undefined && this.flavors.includes(flavor) ? { status: 200, body: { flavor: { id: flavor } } } : notFound
  }

  #removeGroup(id: string): Answer {
    const at = this.groups.findIndex((group) => group.id === id)
    if (at < 0) return notFound
    this.groups.splice(at, 1)
    return { status: 204 }
  }

  #list(query: URLSearchParams): Answer {
    const [name, marker] = [query.get('name'), query.get('marker')]
    const found = this.servers.filter(
      (server) => (name === null || new RegExp(name).test(server.name)) && (query.has('changes-since') || server.status !== 'DELETED'),
    )
    const from = marker === null ? 0 : found.findIndex(({ id }) => id === marker) + 1
    const servers = found.slice(from, from + this.pageSize)
    const isLast = from + this.pageSize >= found.length
    const next = new URLSearchParams({ ...(name === null ? {} : { name }), marker: servers.at(-1)?.id ?? '' })
    return {
      status: 200,
      body: { servers, ...(isLast ? {} : { servers_links: [{ rel: 'next', href: `http://elsewhere/v2.1/servers/detail?${next}` }] }) },
    }
  }

  #boot(body: { server: Body }): Answer {
    this.boots.push(body)
    const { name, metadata, flavorRef, imageRef } = body.server as {
      name: string
      metadata: Record<string, string>
      flavorRef: string
      imageRef: string
    }
    const { id } = this.add({
      name,
      metadata,
      flavor: { id: flavorRef },
      image: { id: imageRef },
      created: new Date(this.boots.length * 1_000).toISOString(),
    })
    return { status: 202, body: { server: { id } } }
  }

  #ofServer(what: string, id: string, port_id: string | undefined, body: Body): Answer {
    const server = this.servers.find((known) => known.id === id)
    if (server === undefined || this.#hasGone(id, () => this.#remove(server))) return notFound
    const interfaces = this.interfaces.get(id) ?? []
    if (!what.includes('/os-interface')) {
      if (what.startsWith('GET')) return { status: 200, body: { server } }
      this.#going.set(id, this.#going.get(id) ?? this.looksUntilGone)
      return { status: 204 }
    }
    if (what.startsWith('POST')) {
      const { port_id } = (body as { interfaceAttachment: { port_id: string } }).interfaceAttachment
      if (interfaces.some((known) => known.port_id === port_id)) return conflict(`Port ${port_id} is still in use.`)
      if (!this.ports.bind(port_id, id)) return notFoundPort(port_id)
      this.interfaces.set(id, [...interfaces, { port_id, net_id: 'net', fixed_ips: [] }])
      return { status: 200, body: {} }
    }
    if (port_id === undefined) return { status: 200, body: { interfaceAttachments: interfaces } }
    const known = interfaces.find((one) => one.port_id === port_id)
    if (known === undefined || this.#hasGone(port_id, () => this.#take(interfaces, known))) return notFound
    if (what.startsWith('GET')) return { status: 200, body: { interfaceAttachment: known } }
    this.#going.set(port_id, this.looksUntilGone)
    return { status: 202 }
  }

  #remove(server: FakeServer): void {
    this.servers.splice(this.servers.indexOf(server), 1)
    for (const { port_id } of this.interfaces.get(server.id) ?? []) this.ports.release(port_id)
    this.interfaces.delete(server.id)
  }

  #take(interfaces: { port_id: string }[], gone: { port_id: string }): void {
    interfaces.splice(interfaces.indexOf(gone), 1)
    this.ports.release(gone.port_id)
  }

  /** One look at something that was told to go. */
  #hasGone(id: string, remove: () => void): boolean {
    const looks = this.#going.get(id)
    if (looks === undefined) return false
    this.#going.set(id, looks - 1)
    if (looks > 0) return false
    this.#going.delete(id)
    remove()
    return true
  }
}

export const anAddress = (addr: string, mac: string) => ({ addr, version: 4, 'OS-EXT-IPS:type': 'fixed', 'OS-EXT-IPS-MAC:mac_addr': mac })

const notFound: Answer = { status: 404, body: { itemNotFound: { code: 404, message: 'Instance could not be found.' } } }

const notFoundPort = (id: string): Answer => ({
  status: 404,
  body: { itemNotFound: { code: 404, message: `Port id ${id} could not be found.` } },
})

export const conflict = (message: string): Answer => ({ status: 409, body: { conflictingRequest: { code: 409, message } } })
