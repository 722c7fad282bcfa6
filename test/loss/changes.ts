/** Random changes of a load balancer that is under load: whatever a user could do that leaves each pool a member to serve. */
import type { DataPlane, Made } from '../netns/support/data-plane.ts'

/** A pool that the load goes to. */
export interface LoadedPool {
  name: string
  id: string
  /** HAProxy 2.6 cannot give a server that is added while it runs a cookie. */
  hasCookies: boolean
  members: { id: string; port: number; weight: number; up: boolean }[]
}

export interface Change {
  kind: string
  /** Whether HAProxy can be told while it runs, so that no reload may follow. */
  atRunTime: boolean
  run(): Promise<void>
}

/** Members a pool keeps that are up and have a weight. */
const LEAST_SERVING = 2
const MOST_MEMBERS = 8
const MOST_EXTRA = 3
const EXTRA_PORTS_FROM = 10_000

type Draw = () => Change | null

export class Changes {
  readonly #plane: DataPlane
  readonly #made: Made
  readonly #pools: LoadedPool[]
  readonly #address: string
  readonly #memberPorts: readonly number[]
  readonly #certificates: readonly string[]
  readonly #random: () => number
  readonly #extra: Record<'listener' | 'pool' | 'policy', string[]> = { listener: [], pool: [], policy: [] }
  #extraPort = EXTRA_PORTS_FROM

  constructor(options: {
    plane: DataPlane
    made: Made
    pools: LoadedPool[]
    address: string
    memberPorts: readonly number[]
    /** References to secrets, each with a certificate. */
    certificates: readonly string[]
    random: () => number
  }) {
    this.#plane = options.plane
    this.#made = options.made
    this.#pools = options.pools
    this.#address = options.address
    this.#memberPorts = options.memberPorts
    this.#certificates = options.certificates
    this.#random = options.random
  }

  /** The next change; what cannot be done just now is drawn anew. */
  next(): Change {
    const draws: Draw[] = [
      // Twice what happens most.
      ...[this.#addMember, this.#addMember, this.#removeMember, this.#removeMember, this.#reweight, this.#reweight],
      ...[
        this.#drain,
        this.#switchMember,
        this.#batch,
        this.#exchangeCertificates,
        this.#addListener,
        this.#changeListener,
        this.#removeListener,
      ],
      ...[this.#addPool, this.#changePool, this.#removePool, this.#addPolicy, this.#changePolicy, this.#removePolicy],
    ]
    for (;;) {
      const change = this.#oneOf(draws)!.call(this)
      if (change !== null) return change
    }
  }

  #addMember(): Change | null {
    const pool = this.#oneOf(this.#pools)!
    const free = this.#memberPorts.filter((port) => !pool.members.some((member) => member.port === port))
    const port = this.#oneOf(free)
    if (port === undefined || pool.members.length >= MOST_MEMBERS) return null
    const weight = this.#weight()
    return this.#change('add a member', pool, !pool.hasCookies, async () => {
      const body = { member: { address: this.#address, protocol_port: port, weight } }
      const { member } = await this.#plane.post<{ member: { id: string } }>(membersOf(pool), body)
      pool.members.push({ id: member.id, port, weight, up: true })
    })
  }

  #removeMember(): Change | null {
    const pool = this.#oneOf(this.#pools)!
    const member = this.#oneOf(pool.members.filter((one) => canSpare(pool, one)))
    if (member === undefined) return null
    return this.#change('remove a member', pool, !pool.hasCookies, async () => {
      await this.#plane.delete(`${membersOf(pool)}/${member.id}`)
      pool.members = pool.members.filter((one) => one !== member)
    })
  }

  #reweight(): Change | null {
    const pool = this.#oneOf(this.#pools)!
    const member = this.#oneOf(pool.members)!
    const weight = this.#weight()
    return this.#change('reweight a member', pool, true, () => this.#updateMember(pool, member, { weight }))
  }

  #drain(): Change | null {
    const pool = this.#oneOf(this.#pools)!
    const member = this.#oneOf(pool.members.filter((one) => canSpare(pool, one)))
    if (member === undefined) return null
    return this.#change('drain a member', pool, true, () => this.#updateMember(pool, member, { weight: 0 }))
  }

  #switchMember(): Change | null {
    const pool = this.#oneOf(this.#pools)!
    const member = this.#oneOf(pool.members.filter((one) => !one.up || canSpare(pool, one)))
    if (member === undefined) return null
    return this.#change('switch a member', pool, true, () => this.#updateMember(pool, member, { up: !member.up }))
  }

  async #updateMember(pool: LoadedPool, member: LoadedPool['members'][number], change: { weight?: number; up?: boolean }): Promise<void> {
    Object.assign(member, change)
    const body = { member: { weight: member.weight, admin_state_up: member.up } }
    await this.#plane.put(`${membersOf(pool)}/${member.id}`, body)
  }

  /** All members of a pool at once: some stay, some go, some come, all have new weights. */
  #batch(): Change | null {
    const pool = this.#oneOf(this.#pools)!
    const ports = this.#memberPorts.filter(() => this.#random() < 0.5)
    if (ports.length < LEAST_SERVING) return null
    const wanted = ports.map((protocol_port) => ({ address: this.#address, protocol_port, weight: this.#weight() }))
    return this.#change('replace all members', pool, !pool.hasCookies, async () => {
      await this.#plane.put(membersOf(pool), { members: wanted })
      const { members } = await this.#plane.get<{
        members: { id: string; protocol_port: number; weight: number; provisioning_status: string }[]
      }>(membersOf(pool))
      pool.members = members
        .filter(({ provisioning_status }) => provisioning_status !== 'PENDING_DELETE')
        .map(({ id, protocol_port, weight }) => ({ id, port: protocol_port, weight, up: true }))
    })
  }

  /** The default certificate of the listener under load, and those for other names. */
  #exchangeCertificates(): Change {
    const listener = {
      default_tls_container_ref: this.#oneOf(this.#certificates),
      sni_container_refs: this.#certificates.filter(() => this.#random() < 0.5),
    }
    const run = async () => void (await this.#plane.put(`/v2/lbaas/listeners/${this.#made.listeners.tls}`, { listener }))
    return { kind: 'exchange certificates', atRunTime: true, run }
  }

  #addListener(): Change | null {
    const pool = this.#oneOf(this.#pools.filter(({ name }) => name !== 'tcp'))!
    const listener = { loadbalancer_id: this.#made.id, protocol: 'HTTP', protocol_port: ++this.#extraPort, default_pool_id: pool.id }
    return this.#addExtra('listener', '/v2/lbaas/listeners', listener)
  }

  /** Of those under load, too: their limits, timeouts and headers. */
  #changeListener(): Change | null {
    const id = this.#oneOf([...Object.values(this.#made.listeners), ...this.#extra.listener])!
    const listener = this.#oneOf([
      { connection_limit: 20_000 + Math.floor(this.#random() * 1_000) },
      { timeout_client_data: 60_000 + Math.floor(this.#random() * 1_000) },
      ...(id === this.#made.listeners.tcp ? [] : [{ insert_headers: { 'X-Forwarded-For': String(this.#random() < 0.5) } }]),
    ])
    return this.#reloading('change a listener', () => this.#plane.put(`/v2/lbaas/listeners/${id}`, { listener }))
  }

  #removeListener(): Change | null {
    return this.#removeExtra('listener', '/v2/lbaas/listeners')
  }

  #addPool(): Change | null {
    return this.#addExtra('pool', '/v2/lbaas/pools', { loadbalancer_id: this.#made.id, protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' })
  }

  /** The algorithm of a pool under load; consistent hashing is kept for those that have it. */
  #changePool(): Change | null {
    const pool = this.#oneOf(this.#pools)!
    const lb_algorithm = this.#oneOf(['ROUND_ROBIN', 'LEAST_CONNECTIONS', 'SOURCE_IP'])
    return this.#reloading('change a pool', () => this.#plane.put(`/v2/lbaas/pools/${pool.id}`, { pool: { lb_algorithm } }))
  }

  #removePool(): Change | null {
    return this.#removeExtra('pool', '/v2/lbaas/pools')
  }

  /** Half of them catch a part of the load, which then goes to another pool. */
  #addPolicy(): Change | null {
    const rules = [{ type: 'PATH', compare_type: 'STARTS_WITH', value: this.#random() < 0.5 ? '/p' : '/nobody' }]
    const redirect_pool_id = this.#oneOf(this.#pools.filter(({ name }) => name !== 'tcp'))!.id
    const policy = { listener_id: this.#made.listeners.http, action: 'REDIRECT_TO_POOL', redirect_pool_id }
    if (this.#extra.policy.length >= MOST_EXTRA) return null
    return this.#reloading('add an l7policy', async () => {
      const { l7policy } = await this.#plane.post<{ l7policy: { id: string } }>('/v2/lbaas/l7policies', { l7policy: policy })
      this.#extra.policy.push(l7policy.id)
      await this.#plane.settled(this.#made.id)
      await this.#plane.post(`/v2/lbaas/l7policies/${l7policy.id}/rules`, { rule: rules[0] })
    })
  }

  #changePolicy(): Change | null {
    const id = this.#oneOf(this.#extra.policy)
    if (id === undefined) return null
    const admin_state_up = this.#random() < 0.5
    return this.#reloading('change an l7policy', () => this.#plane.put(`/v2/lbaas/l7policies/${id}`, { l7policy: { admin_state_up } }))
  }

  #removePolicy(): Change | null {
    return this.#removeExtra('policy', '/v2/lbaas/l7policies')
  }

  #addExtra(what: 'listener' | 'pool', path: string, body: object): Change | null {
    if (this.#extra[what].length >= MOST_EXTRA) return null
    return this.#reloading(`add a ${what}`, async () => {
      const answer = await this.#plane.post<Record<string, { id: string }>>(path, { [what]: body })
      this.#extra[what].push(answer[what]!.id)
    })
  }

  #removeExtra(what: 'listener' | 'pool' | 'policy', path: string): Change | null {
    const id = this.#oneOf(this.#extra[what])
    if (id === undefined) return null
    return this.#reloading(`remove a ${what}`, async () => {
      await this.#plane.delete(`${path}/${id}`)
      this.#extra[what] = this.#extra[what].filter((one) => one !== id)
    })
  }

  #change(kind: string, pool: LoadedPool, atRunTime: boolean, run: () => Promise<void>): Change {
    return { kind: pool.hasCookies && !atRunTime ? `${kind}, with cookies` : kind, atRunTime, run }
  }

  #reloading(kind: string, run: () => Promise<unknown>): Change {
    return { kind, atRunTime: false, run: async () => void (await run()) }
  }

  #weight(): number {
    return 1 + Math.floor(this.#random() * 20)
  }

  #oneOf<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)]
  }
}

const membersOf = (pool: LoadedPool) => `/v2/lbaas/pools/${pool.id}/members`

/** Whether enough others serve. */
function canSpare(pool: LoadedPool, member: LoadedPool['members'][number]): boolean {
  return pool.members.filter((one) => one !== member && one.up && one.weight > 0).length >= LEAST_SERVING
}
