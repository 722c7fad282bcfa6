/** A Neutron of one page, for what the real one cannot be made to do on request: to lack extensions, to be busy, to lose answers, to count what it is asked. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { FakeService } from './fake-service.ts'

type Row = { id: string; [attribute: string]: unknown }
type Kind = 'networks' | 'subnets' | 'ports' | 'security-groups' | 'security-group-rules' | 'network-ip-availabilities'
type Mishap = {
  /** Of the request: `POST /v2.0/ports`. */
  when: string
  /** `lost`: done, without an answer; `silent`: the same, and the connection stays; `late`: done when the next request has been answered. */
  how: 'reset' | 'lost' | 'silent' | 'late' | { status: number; type?: string; message?: string }
}

/** Neutron's name for what is wrong, and its status. */
class Refusal extends Error {
  readonly status: number
  readonly type: string
  constructor(status: number, type: string, message: string) {
    super(message)
    this.status = status
    this.type = type
  }
}

export class FakeNeutron extends FakeService {
  /** `METHOD path?query`, in order. */
  readonly asked: string[] = []
  /** Bodies of what was asked to be made or changed, in order. */
  readonly bodies: Record<string, Record<string, unknown>>[] = []
  extensions = ['allowed-address-pairs', 'network-ip-availability', 'port-security', 'project-id', 'qos', 'security-group']
  readonly rows: Record<Kind, Row[]> = {
    networks: [],
    subnets: [],
    ports: [],
    'security-groups': [],
    'security-group-rules': [],
    'network-ip-availabilities': [],
  }
  /** Each befalls one request. */
  readonly mishaps: Mishap[] = []
  /** Longer lists are given in pages. */
  pageSize = Number.POSITIVE_INFINITY
  portQuota = Number.POSITIVE_INFINITY
  readonly #late: (() => void)[] = []
  #made = 0

  add(kind: Kind, row: Record<string, unknown>): Row {
    const made: Row = { id: randomUUID(), created_at: `2026-01-01T00:00:${String(this.#made++).padStart(2, '0')}Z`, ...row }
    this.rows[kind].push(made)
    return made
  }

  count(beginning: string): number {
    return this.asked.filter((line) => line.startsWith(beginning)).length
  }

  protected override async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Record<string, Record<string, unknown>>)
    const line = `${request.method} ${request.url}`
    this.asked.push(line)
    if (chunks.length > 0) this.bodies.push(body)
    const i = this.mishaps.findIndex(({ when }) => line.startsWith(when))
    const how = i < 0 ? undefined : this.mishaps.splice(i, 1)[0]!.how
    const late = how === 'late' ? [] : this.#late.splice(0)
    const send = (status: number, answer: object) => {
      if (how === 'lost') request.socket.destroy()
      else if (how !== 'silent')
        response.writeHead(status, { 'content-type': 'application/json' }).end(status === 204 ? undefined : JSON.stringify(answer))
    }
    if (how === 'reset' || how === 'late') {
      if (how === 'late') this.#late.push(() => this.#quietly(request, body))
      return void request.socket.destroy()
    }
    try {
      if (typeof how === 'object') throw new Refusal(how.status, how.type ?? 'ServiceUnavailable', how.message ?? 'busy')
      const [status, answer] = this.#answer(request, body)
      send(status, answer)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      send(error.status, { NeutronError: { type: error.type, message: error.message, detail: '' } })
    }
    for (const work of late) work()
  }

  #quietly(request: IncomingMessage, body: Record<string, Record<string, unknown>>): void {
    try {
      this.#answer(request, body)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
    }
  }

  #answer(request: IncomingMessage, body: Record<string, Record<string, unknown> | Record<string, unknown>[]>): [number, object] {
    const url = new URL(request.url!, 'http://localhost')
    const [, , kind = '', id] = url.pathname.split('/')
    if (kind === 'extensions') return [200, { extensions: this.extensions.map((alias) => ({ alias })) }]
    // Of policies there are all that are asked for.
    if (kind === 'qos') return [200, { policy: { id: url.pathname.split('/').at(-1), name: 'limit', shared: true } }]
    const rows = this.rows[kind as Kind] as Row[] | undefined
    if (rows === undefined) throw new Refusal(404, 'HTTPNotFound', 'The resource could not be found.')
    const plural = kind.replaceAll('-', '_')
    const key = plural.replace(/ies$/, 'y').replace(/s$/, '')
    if (request.method === 'POST') {
      const many = body[plural] as Record<string, unknown>[] | undefined
      if (many === undefined) return [201, { [key]: this.#make(kind as Kind, body[key] as Record<string, unknown>) }]
      for (const one of many) this.#check(kind as Kind, one)
      return [201, { [plural]: many.map((one) => this.#make(kind as Kind, one)) }]
    }
    if (id === undefined) return [200, this.#page(plural, rows, url)]
    const row = rows.find((known) => known.id === id)
    if (row === undefined)
      throw new Refusal(404, `${key === 'port' ? 'Port' : 'SecurityGroup'}NotFound`, `${key} ${id} could not be found.`)
    if (request.method === 'GET') return [200, { [key]: this.#shown(kind as Kind, row) }]
    if (request.method === 'PUT') return [200, { [key]: Object.assign(row, body[key]) }]
    const isUsed = this.rows.ports.some((port) => (port.security_groups as string[] | undefined)?.includes(id))
    if (kind === 'security-groups' && isUsed) throw new Refusal(409, 'SecurityGroupInUse', `Security Group ${id} in use.`)
    rows.splice(rows.indexOf(row), 1)
    if (kind === 'security-groups')
      this.rows['security-group-rules'] = this.rows['security-group-rules'].filter((rule) => rule.security_group_id !== id)
    return [204, {}]
  }

  #page(plural: string, rows: Row[], url: URL): object {
    const {
      marker,
      fields: _,
      ...wanted
    } = Object.fromEntries([...url.searchParams.keys()].map((name) => [name, url.searchParams.getAll(name)]))
    const matching = rows.filter((row) => Object.entries(wanted).every(([name, values]) => values.includes(String(row[name]))))
    const from = marker === undefined ? 0 : matching.findIndex(({ id }) => id === marker[0]) + 1
    const page = matching.slice(from, from + this.pageSize).map((row) => this.#shown(plural.replaceAll('_', '-') as Kind, row))
    if (from + page.length >= matching.length) return { [plural]: page }
    url.searchParams.set('marker', page.at(-1)!.id)
    return { [plural]: page, [`${plural}_links`]: [{ rel: 'next', href: url.href }] }
  }

  #shown(kind: Kind, row: Row): Row {
    if (kind !== 'security-groups') return row
    return { ...row, security_group_rules: this.rows['security-group-rules'].filter((rule) => rule.security_group_id === row.id) }
  }

  #check(kind: Kind, body: Record<string, unknown>): void {
    const same = (...names: string[]) => this.rows[kind].some((row) => names.every((name) => (row[name] ?? null) === (body[name] ?? null)))
    if (kind === 'ports') {
      if (this.rows.ports.length >= this.portQuota) throw new Refusal(409, 'OverQuota', "Quota exceeded for resources: ['port'].")
      if (same('network_id', 'mac_address')) {
        throw new Refusal(
          409,
          'MacAddressInUse',
          `Unable to complete operation for network ${body.network_id}. The mac address ${body.mac_address} is in use.`,
        )
      }
    }
    const ruleKey = ['security_group_id', 'direction', 'ethertype', 'protocol', 'port_range_min', 'port_range_max', 'remote_ip_prefix']
    if (kind === 'security-group-rules' && same(...ruleKey))
      throw new Refusal(409, 'SecurityGroupRuleExists', 'Security group rule already exists.')
  }

  #make(kind: Kind, body: Record<string, unknown>): Row {
    this.#check(kind, body)
    if (kind !== 'ports') return this.add(kind, body)
    const places = (body.fixed_ips as { subnet_id: string; ip_address?: string }[] | undefined) ?? []
    const fixed_ips = places.map((place, i) => ({ ip_address: `10.0.${i}.${this.rows.ports.length + 2}`, ...place }))
    return this.add('ports', { security_groups: [], allowed_address_pairs: [], qos_policy_id: null, status: 'DOWN', ...body, fixed_ips })
  }
}
