/** Clients of the API who change load balancers all the time, and clients of the load balancers who count what is lost. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Several } from './several.ts'
import { pick } from './strikes.ts'

const REQUEST_TIMEOUT_MS = 45_000
const PROBE_TIMEOUT_MS = 2_000
const PROBE_PAUSE_MS = 10
/** By each client, between two changes; with as much to do as a small machine can, every failure would only show as slowness. */
const CHANGE_PAUSE_MS = 400
/** Of the load balancers, under change at once, at most. */
const UNDER_CHANGE = 1 / 4
/** Of seven load balancers two are pairs. */
const PAIRS = 2 / 7

export interface LoadBalancer {
  id: string
  name: string
  vip_address: string
  provisioning_status: string
  operating_status: string
  pools: { id: string }[]
  listeners: { id: string }[]
}

export interface Counts {
  /** By what it was and how it was answered. */
  changes: Map<string, number>
  /** Answers that no fault of the cloud explains. */
  unexpected: string[]
  requests: number
  lost: number
}

export class Api {
  readonly #cloud: Several
  readonly #random: () => number
  #token: string | undefined

  constructor(cloud: Several, random: () => number) {
    this.#cloud = cloud
    this.#random = random
  }

  /** Asks some controller; null where it does not answer. */
  async ask<T>(method: string, path: string, body?: unknown): Promise<{ status: number; body: T } | null> {
    const controller = pick(this.#cloud.controllers, this.#random)
    try {
      this.#token ??= await this.#cloud.controllers[0]!.token()
      const response = await fetch(`${controller.api}${path}`, {
        method,
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        headers: { accept: 'application/json', 'content-type': 'application/json', 'x-auth-token': this.#token },
        body: body === undefined ? undefined : JSON.stringify(body),
      })
      const text = await response.text()
      if (response.status === 401) this.#token = undefined
      return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as T }
    } catch {
      return null
    }
  }

  async list(): Promise<LoadBalancer[] | null> {
    const answer = await this.ask<{ loadbalancers: LoadBalancer[] }>('GET', '/v2/lbaas/loadbalancers')
    return answer?.status === 200 ? answer.body.loadbalancers : null
  }
}

/** Keeps `wanted` load balancers, and changes one after the other, until `signal` aborts. */
export async function changeAll(
  cloud: Several,
  { wanted, random, signal, counts }: { wanted: number; random: () => number; signal: AbortSignal; counts: Counts },
): Promise<void> {
  const api = new Api(cloud, random)
  let made = 0
  while (!signal.aborted) {
    await sleep(CHANGE_PAUSE_MS)
    const all = await api.list()
    if (all === null) continue
    if (all.length < wanted) {
      await count(
        'create',
        api.ask('POST', '/v2/lbaas/loadbalancers', { loadbalancer: aLoadBalancer(cloud, `chaos-${made++}`, random() < PAIRS) }),
      )
      continue
    }
    if (all.filter(({ provisioning_status }) => provisioning_status.startsWith('PENDING_')).length > wanted * UNDER_CHANGE) continue
    const one = pick(all, random)
    const path = `/v2/lbaas/loadbalancers/${one.id}`
    if (one.provisioning_status === 'ERROR') {
      const repaired = await count('failover', api.ask('PUT', `${path}/failover`))
      if (repaired === 501) await count('delete', api.ask('DELETE', `${path}?cascade=true`))
      continue
    }
    if (one.provisioning_status !== 'ACTIVE') continue
    const dice = random()
    if (dice < 0.1) await count('delete', api.ask('DELETE', `${path}?cascade=true`))
    else if (dice < 0.3) await count('rename', api.ask('PUT', path, { loadbalancer: { name: `renamed-${made++}` } }))
    else if (dice < 0.6) await changeMembers(one)
    else
      await count(
        'listener',
        api.ask('PUT', `/v2/lbaas/listeners/${one.listeners[0]!.id}`, { listener: { connection_limit: 1_000 + made++ } }),
      )
  }

  /** A third member comes or goes; the other two stay. */
  async function changeMembers({ pools }: LoadBalancer): Promise<void> {
    const path = `/v2/lbaas/pools/${pools[0]!.id}/members`
    const known = await api.ask<{ members: { id: string; protocol_port: number; weight: number }[] }>('GET', path)
    if (known?.status !== 200) return
    const third = known.body.members.find(({ protocol_port }) => protocol_port === 81)
    if (third !== undefined) await count('member delete', api.ask('DELETE', `${path}/${third.id}`))
    else await count('member create', api.ask('POST', path, { member: { address: cloud.members[0], protocol_port: 81, backup: true } }))
  }

  async function count(what: string, asked: Promise<{ status: number; body: unknown } | null>): Promise<number | null> {
    const answer = await asked
    const key = `${what} ${answer?.status ?? 'no answer'}`
    counts.changes.set(key, (counts.changes.get(key) ?? 0) + 1)
    // Not there any more, busy, cannot fail over yet, or the database was away for too long.
    const isExpected = answer === null || answer.status < 300 || [401, 404, 409, 501, 503].includes(answer.status)
    if (!isExpected) counts.unexpected.push(`${key}: ${JSON.stringify(answer.body)}`)
    return answer?.status ?? null
  }
}

export function aLoadBalancer(cloud: Several, name: string, isPair: boolean): object {
  return {
    name,
    vip_subnet_id: cloud.subnet_id,
    ...(isPair ? { flavor_id: cloud.flavor_id } : {}),
    listeners: [
      {
        protocol: 'HTTP',
        protocol_port: 80,
        default_pool: {
          name: 'pool',
          protocol: 'HTTP',
          lb_algorithm: 'ROUND_ROBIN',
          members: cloud.members.map((address) => ({ address, protocol_port: 80 })),
        },
      },
    ],
  }
}

/** Asks each load balancer that is ACTIVE in turn, until `signal` aborts. */
export async function useAll(
  cloud: Several,
  { random, signal, counts }: { random: () => number; signal: AbortSignal; counts: Counts },
): Promise<void> {
  const api = new Api(cloud, random)
  let all: LoadBalancer[] = []
  const looking = (async () => {
    while (!signal.aborted) {
      all = (await api.list()) ?? all
      await sleep(1_000)
    }
  })()
  while (!signal.aborted) {
    const serving = all.filter(({ provisioning_status }) => ['ACTIVE', 'PENDING_UPDATE'].includes(provisioning_status))
    for (const one of serving) {
      if (signal.aborted) break
      counts.requests++
      if (!(await answers(one.vip_address))) counts.lost++
      await sleep(PROBE_PAUSE_MS)
    }
    await sleep(PROBE_PAUSE_MS)
  }
  await looking
}

export function answers(address: string): Promise<boolean> {
  return fetch(`http://${address}/`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS), headers: { connection: 'close' } }).then(
    async (response) => (await response.text()) === 'web' && response.ok,
    () => false,
  )
}
