/** One operation during which one service fails at one of its calls, and what has to be true afterwards. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../support/eventually.ts'
import type { Snapshot } from '../support/openstack-cloud.ts'
import { accepted, aLoadBalancer, type Operation } from '../support/openstack-operations.ts'
import { type LoadBalancer, type Proxied, proxied, type Stage, type Told } from '../support/openstack-stage.ts'
import { type Mishap, SERVICE_WORDS } from '../support/service-proxy.ts'

/** Beyond `[service_auth] timeout`: a slow answer is a lost one. */
const SLOW_MS = 4_500
/** A service that is away comes back after so long: soon enough to be waited for, or not. */
const OUTAGE_MS = { once: 1_500, lasting: 30_000 }
const CLEAN_WITHIN_MS = 30_000

export interface Trial {
  operation: Operation
  service: Proxied
  /** Which of its calls is the first that goes wrong. */
  call: number
  mishap: Mishap
  /** That call alone, or all until the operation has ended (half a minute at most). */
  lasts: 'once' | 'lasting'
}

/** How it ended; refused: the API's answer said no. */
export type End = 'ACTIVE' | 'ERROR' | 'refused' | 'not reached'

export const describeTrial = ({ operation, service, call, mishap, lasts }: Trial): string =>
  `${operation.name}: ${service}, call ${call + 1}, ${mishap}, ${lasts}`

/** Trials one after the other, on one load balancer as long as it lives. */
export class Trials {
  readonly #stage: Stage
  readonly #empty: Snapshot
  #held: string | null = null

  private constructor(stage: Stage, empty: Snapshot) {
    this.#stage = stage
    this.#empty = empty
  }

  /** In: a cloud in which this tenant has no load balancer yet. */
  static async begin(stage: Stage): Promise<Trials> {
    return new Trials(stage, await stage.cloud.snapshot(stage.tenant))
  }

  /** How many calls the operation makes to each service when all is well; by a controller that was just started, which needs tokens. */
  async countCalls(operation: Operation): Promise<Record<Proxied, number>> {
    const existing = await this.#prepare(operation)
    const before = counts(await this.#stage.cloud.snapshot(this.#stage.tenant))
    await this.#stage.restart()
    await reset(this.#stage)
    const id = await actAndSettle(this.#stage, operation, existing)
    const made = Object.fromEntries(proxied.map((service) => [service, this.#stage.proxies[service].calls.length]))
    await this.#putBack(operation, id)
    if (operation.kind === 'changes') assert.deepEqual(counts(await this.#stage.cloud.snapshot(this.#stage.tenant)), before)
    return made as Record<Proxied, number>
  }

  /** Throws where something is not as it has to be. */
  async run(trial: Trial): Promise<End> {
    const stage = this.#stage
    const { operation, service, call, mishap, lasts } = trial
    const existing = await this.#prepare(operation)
    if (service === 'identity') await stage.restart()
    const before = counts(await stage.cloud.snapshot(stage.tenant))
    await reset(stage)
    const proxy = stage.proxies[service]
    proxy.plan(mishap, { from: call, times: lasts === 'once' && mishap !== 'stopped' ? 1 : undefined, slowMs: SLOW_MS })
    const over = new AbortController()
    const healed = healAfterOutage(stage, trial, over.signal)
    const answer = await operation.act(stage, existing ?? '')
    const id = existing ?? idIn(answer)
    const settled = answer.status < 300 ? await stage.settled(id!) : null
    const { hasFailed } = proxy
    over.abort()
    await healed
    await proxy.heal()
    await revertAgain(stage)

    const end = answer.status >= 300 ? 'refused' : settled?.provisioning_status === 'ERROR' ? 'ERROR' : 'ACTIVE'
    if (end === 'refused') checkRefusal(answer)
    if (end === 'ERROR') await checkReason(stage, trial, id!)
    // What was not possible is possible now.
    if (end === 'refused') this.#held = await actAndSettle(stage, operation, existing)
    if (end === 'ERROR' && operation.kind !== 'ends') await repair(stage, id!)
    await this.#putBack(operation, this.#held ?? id!)
    if (operation.kind === 'changes')
      await eventually(
        async () => assert.deepEqual({ end, ...counts(await stage.cloud.snapshot(stage.tenant)) }, { end, ...before }),
        CLEAN_WITHIN_MS,
      )
    return hasFailed ? end : 'not reached'
  }

  /** Deletes what is left, and looks whether anything else is. */
  async end(): Promise<void> {
    await deleteIfThere(this.#stage, this.#held)
    this.#held = null
    await eventually(async () => assert.deepEqual(await this.#stage.cloud.snapshot(this.#stage.tenant), this.#empty), CLEAN_WITHIN_MS)
  }

  async #prepare({ kind }: Operation): Promise<string | null> {
    if (kind === 'makes') await this.end()
    else this.#held ??= await aLoadBalancer(this.#stage)
    return this.#held
  }

  async #putBack({ kind, undo }: Operation, id: string): Promise<void> {
    this.#held = id
    if (kind === 'changes') return await undo?.(this.#stage, id)
    await this.end()
  }
}

async function healAfterOutage(stage: Stage, { service, mishap, lasts }: Trial, over: AbortSignal): Promise<void> {
  if (lasts === 'once' && mishap !== 'stopped') return
  const proxy = stage.proxies[service]
  while (!proxy.hasFailed && !over.aborted) await sleep(20)
  await sleep(OUTAGE_MS[lasts], undefined, { signal: over }).catch(() => {})
  await proxy.heal()
}

/** What housekeeping does of itself a minute later, if nothing else was begun by then (docs/decisions/0166). */
async function revertAgain({ controller, settled, ask }: Stage): Promise<void> {
  const failed = await controller.ottavia('flow', 'list', '--in', 'REVERT_FAILURE')
  for (const [, id] of failed.matchAll(/^\| ([0-9a-f-]{36}) /gm)) await controller.ottavia('flow', 'revert', id!)
  const { loadbalancers } = (await accepted(ask('GET', '/lbaas/loadbalancers'))) as { loadbalancers: LoadBalancer[] }
  for (const { id } of loadbalancers) await settled(id)
}

async function reset({ proxies }: Stage): Promise<void> {
  for (const proxy of Object.values(proxies)) await proxy.reset()
}

/** Throws where it does not end well. Answers the load balancer's id. */
async function actAndSettle(stage: Stage, operation: Operation, load_balancer_id: string | null): Promise<string> {
  const answer = await operation.act(stage, load_balancer_id ?? '')
  assert.ok(answer.status < 300, `${answer.status} ${JSON.stringify(answer.body)}`)
  const id = load_balancer_id ?? idIn(answer)!
  const settled = await stage.settled(id)
  assert.equal(settled?.provisioning_status ?? 'gone', operation.kind === 'ends' ? 'gone' : 'ACTIVE')
  return id
}

const idIn = ({ body }: Told): string | undefined => (body.loadbalancer as LoadBalancer | undefined)?.id

/** What an operator does with a load balancer in ERROR. */
async function repair({ ask, cloud, settled }: Stage, id: string): Promise<void> {
  await accepted(ask('PUT', `/lbaas/loadbalancers/${id}/failover`, {}, cloud.admin))
  assert.equal((await settled(id))?.provisioning_status, 'ACTIVE', 'a failover mends what is in ERROR')
}

async function deleteIfThere({ ask, settled }: Stage, id: string | null | undefined): Promise<void> {
  if (id === null || id === undefined) return
  const { status, body } = await ask('DELETE', `/lbaas/loadbalancers/${id}?cascade=true`)
  if (status === 404) return
  assert.ok(status < 300, `${status} ${JSON.stringify(body)}`)
  assert.equal(await settled(id), null, 'it can be deleted')
}

const counts = (snapshot: Snapshot) =>
  Object.fromEntries(Object.entries(snapshot).map(([kind, found]) => [kind, Object.keys(found).length]))

/** A fault in the API's form that names no host; 4xx only where the user can mend it, which he cannot here. */
function checkRefusal({ status, body }: Told): void {
  assert.ok(status >= 500 || status === 404 || status === 400, `${status}`)
  // Where it is Keystone that is away the answer has keystonemiddleware's form.
  const words = body.faultstring ?? body.message
  assert.ok(typeof words === 'string' && words.length > 0, JSON.stringify(body))
  assert.doesNotMatch(words, /127\.0\.0\.1/)
}

const NAMES: Record<Proxied, RegExp> = {
  compute: /Nova/,
  network: /Neutron/,
  image: /Glance/,
  'key-manager': /Barbican|secret/,
  identity: /Keystone/,
}

/** Administrators read which service it was, and what it said if it said anything. */
async function checkReason({ ask, cloud }: Stage, { service, mishap }: Trial, id: string): Promise<void> {
  const { events } = (await accepted(ask('GET', `/lbaas/loadbalancers/${id}/events`, undefined, cloud.admin))) as {
    events: { outcome: string; message: string | null; details?: string | null }[]
  }
  const failed = events.find(({ outcome }) => outcome === 'failure')
  const words = `${failed?.message} ${failed?.details}`
  assert.match(words, NAMES[service])
  if (mishap === 'error') assert.ok(words.includes(SERVICE_WORDS), words)
}
