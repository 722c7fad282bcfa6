/**
 * A whole controller with its embedded cloud, members that answer and clients that ask, for tests that look at packets. Members and clients
 * are lab hosts: neither of them is the host that the amphora runs on. One per test file, for a start takes seconds.
 */
import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { sandboxNames } from '../../../src/embedded/compute/names.ts'
import { exec } from '../../../src/lib/exec.ts'
import { stateHash } from '../../../src/main/state.ts'
import { Controller, type ControllerOptions } from '../../support/controller.ts'
import { eventually } from '../../support/eventually.ts'
import type { Answered, Asked } from './asker.ts'
import type { Echo, MemberHostOptions } from './member-host.ts'

const SETTLED_WITHIN_MS = 20_000
const asker = fileURLToPath(new URL('asker.ts', import.meta.url))
const memberHost = fileURLToPath(new URL('member-host.ts', import.meta.url))

type Body = Record<string, unknown>
export type Named = { id: string; name: string }

/** A load balancer with what was created with it, by name. */
export interface Made {
  id: string
  vip: string
  additionalVips: string[]
  listeners: Record<string, string>
  pools: Record<string, string>
  policies: Record<string, string>
}

export class DataPlane {
  readonly controller: Controller
  readonly #token: string
  readonly #subnets: Map<string, string>
  readonly #clients: Client[] = []

  private constructor(controller: Controller, token: string, subnets: Map<string, string>) {
    this.controller = controller
    this.#token = token
    this.#subnets = subnets
  }

  static async start(options: ControllerOptions): Promise<DataPlane> {
    const controller = await new Controller(options).start()
    const token = await controller.token()
    const response = await fetch(`http://127.0.0.1:${controller.portBase + 2}/v2.0/subnets`, { headers: { 'x-auth-token': token } })
    const { subnets } = (await response.json()) as { subnets: Named[] }
    return new DataPlane(controller, token, new Map(subnets.map(({ name, id }) => [name, id])))
  }

  /** Ends the controller and takes all of it away. */
  async stop(): Promise<void> {
    for (const client of this.#clients) client.close()
    await this.controller.down()
  }

  /** The id of a subnet by its name. */
  subnet(name: 'private-subnet' | 'ipv6-private-subnet'): string {
    return this.#subnets.get(name)!
  }

  /** A lab host that only makes requests. */
  async client(name: string, family: 4 | 6 = 4): Promise<Client> {
    const address = await this.labHost(name, family, ['sleep', 'infinity'])
    const client = new Client(this, name, address)
    this.#clients.push(client)
    return client
  }

  /** A lab host with members on these ports; answers its address. Resolves when they answer. */
  async members(name: string, options: Partial<MemberHostOptions>): Promise<string> {
    const whole: MemberHostOptions = { family: 4, http: [], proxy: [], udp: [], tls: [], ...options }
    return await this.labHost(name, whole.family, [process.execPath, memberHost, JSON.stringify(whole)])
  }

  /** The network namespace of a lab host. */
  netnsOf(name: string): string {
    return `/run/netns/${sandboxNames(stateHash(this.controller.stateDirectory)).ofLabHost(name)}`
  }

  /** A lab host that runs this command; answers its address. */
  async labHost(name: string, family: 4 | 6, command: string[]): Promise<string> {
    const subnet = family === 4 ? 'private-subnet' : 'ipv6-private-subnet'
    return (await this.controller.ottavia('lab', 'host', 'create', name, '--subnet', subnet, '--', ...command)).trim()
  }

  /** A load balancer with everything in `body`, once it is ACTIVE. Listeners, pools and policies are found by their names. */
  async loadBalancer(body: Body): Promise<Made> {
    const { loadbalancer } = await this.post<{ loadbalancer: Tree }>('/v2/lbaas/loadbalancers', {
      loadbalancer: { vip_subnet_id: this.subnet('private-subnet'), ...body },
    })
    await this.settled(loadbalancer.id)
    return {
      id: loadbalancer.id,
      vip: loadbalancer.vip_address,
      additionalVips: loadbalancer.additional_vips.map(({ ip_address }) => ip_address),
      listeners: byName(loadbalancer.listeners),
      pools: byName(loadbalancer.pools),
      policies: byName(loadbalancer.listeners.flatMap(({ l7policies }) => l7policies)),
    }
  }

  /** Waits until no flow works on it, and that it ended well. */
  async settled(id: string): Promise<void> {
    const wanted = await eventually(async () => {
      const { loadbalancer } = await this.get<{ loadbalancer: { provisioning_status: string } }>(`/v2/lbaas/loadbalancers/${id}`)
      return /^PENDING/.test(loadbalancer.provisioning_status) ? false : loadbalancer.provisioning_status
    }, SETTLED_WITHIN_MS)
    assert.equal(wanted, 'ACTIVE')
  }

  get<T>(path: string): Promise<T> {
    return this.#ask<T>('GET', path)
  }

  post<T>(path: string, body: unknown): Promise<T> {
    return this.#ask<T>('POST', path, body)
  }

  put<T>(path: string, body: unknown): Promise<T> {
    return this.#ask<T>('PUT', path, body)
  }

  delete(path: string): Promise<void> {
    return this.#ask('DELETE', path)
  }

  /** A change of one object of a load balancer, once it has taken effect. */
  async change(made: Made, method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<void> {
    await this.#ask(method, path, body)
    await this.settled(made.id)
  }

  async #ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.controller.request<T>(method, path, this.#token, body)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  /** A secret in the embedded store; answers its reference. Bytes are stored as octets, text as text. */
  async storeSecret(name: string, payload: Buffer | string): Promise<string> {
    const isText = typeof payload === 'string'
    const content = isText
      ? { payload, payload_content_type: 'text/plain' }
      : { payload: payload.toString('base64'), payload_content_type: 'application/octet-stream', payload_content_encoding: 'base64' }
    const { secret_ref } = await this.secrets<{ secret_ref: string }>('POST', '/v1/secrets', JSON.stringify({ name, ...content }))
    return secret_ref
  }

  storeSecretFile(name: string, file: string): Promise<string> {
    return this.storeSecret(name, readFileSync(file, 'utf8'))
  }

  /** One request to the embedded secret store; `path` may be a secret's reference. */
  async secrets<T>(method: string, path: string, body?: string | Buffer, contentType = 'application/json'): Promise<T> {
    const response = await fetch(new URL(path, `http://127.0.0.1:${this.controller.portBase + 3}`), {
      method,
      headers: { 'x-auth-token': this.#token, ...(body === undefined ? {} : { 'content-type': contentType }) },
      body: typeof body === 'string' ? body : body && new Uint8Array(body),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return (response.headers.get('content-type')?.startsWith('application/json') ? await response.json() : undefined) as T
  }

  /** One request to the embedded network service. */
  async neutron<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.controller.portBase + 2}/v2.0/${path}`, {
      method,
      headers: { 'x-auth-token': this.#token, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return (response.status === 204 ? undefined : await response.json()) as T
  }
}

type Tree = Named & {
  vip_address: string
  additional_vips: { ip_address: string }[]
  listeners: (Named & { l7policies: Named[] })[]
  pools: Named[]
}

function byName(objects: Named[]): Record<string, string> {
  return Object.fromEntries(objects.map(({ name, id }) => [name, id]))
}

/** A host that asks. */
export class Client {
  readonly name: string
  readonly address: string
  readonly #plane: DataPlane
  /** A program that makes requests, once one was wanted. */
  #asker: ChildProcessByStdio<Writable, Readable, null> | undefined
  readonly #waiting = new Map<number, (answers: Answered[]) => void>()
  #asked = 0

  constructor(plane: DataPlane, name: string, address: string) {
    this.#plane = plane
    this.name = name
    this.address = address
  }

  /** A command in this host's network; its output. */
  async exec(command: string, args: string[], options: { anyStatus?: boolean; input?: string; timeoutMs?: number } = {}): Promise<string> {
    const { stdout, stderr } = await exec('nsenter', [`--net=${this.netns}`, command, ...args], options)
    return options.anyStatus === true ? stdout + stderr : stdout
  }

  get netns(): string {
    return this.#plane.netnsOf(this.name)
  }

  /** Requests one after the other, each on a connection of its own; their answers in the same order. */
  async ask(...requests: Asked[]): Promise<Answered[]> {
    this.#asker ??= this.#startAsker()
    const id = this.#asked++
    this.#asker.stdin.write(`${JSON.stringify({ id, requests })}\n`)
    return await new Promise((resolve) => this.#waiting.set(id, resolve))
  }

  #startAsker(): ChildProcessByStdio<Writable, Readable, null> {
    const child = spawn('nsenter', [`--net=${this.netns}`, process.execPath, asker], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, answers } = JSON.parse(line) as { id: number; answers: Answered[] }
      this.#waiting.get(id)?.(answers)
      this.#waiting.delete(id)
    })
    return child
  }

  close(): void {
    this.#asker?.stdin.end()
  }

  /** What the member says that it got; throws where there was no 200. */
  async echo(...requests: Asked[]): Promise<Echo[]> {
    return (await this.ask(...requests)).map(({ status, body, error }, index) => {
      assert.equal(status, 200, `${requests[index]!.url}: ${error ?? body}`)
      return JSON.parse(body) as Echo
    })
  }

  /** The members' ports that answered so many requests to this URL; 0 for what was no answer. */
  async membersBehind(url: string, times: number, more: Partial<Asked> = {}): Promise<number[]> {
    const answers = await this.ask(...Array.from({ length: times }, () => ({ url, ...more })))
    return answers.map(({ headers }) => Number(headers['x-member'] ?? 0))
  }

  /** Gives it further addresses of its subnet, which nobody else has. */
  async addAddresses(count: number): Promise<string[]> {
    const { ports } = await this.#plane.neutron<{ ports: Port[] }>('GET', `ports?name=lab-${this.name}`)
    const [{ id, fixed_ips }] = ports as [Port]
    const { subnet_id } = fixed_ips[0]!
    const wanted = [...fixed_ips, ...Array.from({ length: count }, () => ({ subnet_id }))]
    const { port } = await this.#plane.neutron<{ port: Port }>('PUT', `ports/${id}`, { port: { fixed_ips: wanted } })
    const added = port.fixed_ips.map(({ ip_address }) => ip_address).filter((ip) => ip !== this.address)
    const prefix = this.address.includes(':') ? 64 : 24
    const nodad = prefix === 64 ? ' nodad' : ''
    await this.exec('ip', ['-batch', '-'], { input: added.map((ip) => `address add ${ip}/${prefix} dev eth0${nodad}\n`).join('') })
    return added
  }
}

type Port = { id: string; fixed_ips: { subnet_id: string; ip_address: string }[] }
