/** One operation during which one service fails at one of its calls, and what has to be true afterwards. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../support/eventually.ts'
import { checkReason, checkRefusal, latestFailure } from '../support/failure-words.ts'
import type { Snapshot } from '../support/openstack-cloud.ts'
import { acceptedWhenFree, aLoadBalancer, type Operation, whenFree } from '../support/openstack-operations.ts'
import { type LoadBalancer, type Proxied, proxied, type Stage, type Told } from '../support/openstack-stage.ts'
import type { Mishap } from '../support/service-proxy.ts'

/** Beyond `[service_auth] timeout`: a slow answer is a lost one. */
const SLOW_MS = 4_500
/** A service that is away comes back after so long: soon enough to be waited for, or not. */
const OUTAGE_MS = { once: 1_500, lasting: 30_000 }
/** Consumers of secrets are told again after a minute, reservations of VIPs undone after a quarter of one. */
const CLEAN_WITHIN_MS = 120_000
/** The pauses before housekeeping undoes a failed flow again are as long as that ran. */
const UNDONE_WITHIN_MS = 180_000
const UNDONE_LOOK_MS = 1_000

export interface Trial {
  operation: Operation
  service: Proxied
  /** Which of its calls is the first that goes wrong. */
  call: number
  mishap: Mishap
  /** That call alone, or all until the operation has ended (half a minute at most). */
  lasts: 'once' | 'lasting'
  /** What the tenant does where it failed: he waits until what it could not undo is undone, or goes on as soon as he may. */
  then: 'waits' | 'goes on'
}

/** How it ended; refused: the API's answer said no. ERROR: the load balancer, or what of it was made or changed. */
export type End = 'done' | 'ERROR' | 'refused' | 'not reached'

export const describeTrial = ({ operation, service, call, mishap, lasts, then }: Trial): string =>
  `${operation.name}: ${service}, call ${call + 1}, ${mishap}, ${lasts}; the tenant ${then}`

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
    return new Trials(stage, await whatIsThere(stage))
  }

  /** How many calls the operation makes to each service when all is well; by a controller that was just started, which needs tokens. */
  async countCalls(operation: Operation): Promise<Record<Proxied, number>> {
    const existing = await this.#prepare(operation)
    const before = counts(await whatIsThere(this.#stage))
    await this.#stage.restart()
    await reset(this.#stage)
    const id = await actAndSettle(this.#stage, operation, existing)
    const made = Object.fromEntries(proxied.map((service) => [service, this.#stage.proxies[service].calls.length]))
    await this.#putBack(operation, id)
    if (operation.kind === 'changes') assert.deepEqual(counts(await whatIsThere(this.#stage)), before)
    return made as Record<Proxied, number>
  }

  /** Throws where something is not as it has to be. */
  async run(trial: Trial): Promise<End> {
    const stage = this.#stage
    const { operation, service, call, mishap, lasts, then } = trial
    const existing = await this.#prepare(operation)
    // As where its calls were counted: what a controller has once asked for it does not ask again.
    await stage.restart()
    const before = counts(await whatIsThere(stage))
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
    const failure = settled === null ? null : await latestFailure(stage, id!)
    if (failure !== null && then === 'waits') await untilUndone(stage, id!)

    const end = answer.status >= 300 ? 'refused' : failure === null ? 'done' : 'ERROR'
    if (end === 'refused') checkRefusal(answer)
    if (failure !== null) checkReason(failure, trial)
    if (failure === null && settled !== null) assert.equal(settled.provisioning_status, 'ACTIVE')
    const isBroken = settled?.provisioning_status === 'ERROR'
    // What was not possible is possible now.
    if (end === 'refused') this.#held = await actAndSettle(stage, operation, existing)
    // Who goes on deletes what he could not make.
    if (isBroken && (operation.kind === 'changes' || (operation.kind === 'makes' && then === 'waits'))) await repair(stage, id!)
    await this.#putBack(operation, this.#held ?? id!)
    if (operation.kind === 'changes')
      await eventually(async () => assert.deepEqual({ end, ...counts(await whatIsThere(stage)) }, { end, ...before }), CLEAN_WITHIN_MS)
    return hasFailed ? end : 'not reached'
  }

  /** Deletes what is left, and looks whether anything else is. */
  async end(): Promise<void> {
    await deleteIfThere(this.#stage, this.#held)
    this.#held = null
    await this.#stage.takeBackSecret()
    await eventually(async () => assert.deepEqual(await whatIsThere(this.#stage), this.#empty), CLEAN_WITHIN_MS)
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

/** What the latest flow about the load balancer failed to undo housekeeping sees to by itself (docs/decisions/0166). */
async function untilUndone({ controller }: Stage, load_balancer_id: string): Promise<void> {
  await eventually(async () => {
    const latest = await controller.ottavia('flow', 'list', '--load-balancer', load_balancer_id, '--limit', '1')
    const left = latest.match(/REVERT_FAILURE|REVERTING/g) ?? []
    // Each look is a process.
    if (left.length > 0) await sleep(UNDONE_LOOK_MS)
    assert.deepEqual(left, [])
  }, UNDONE_WITHIN_MS)
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
  if (settled !== null) assert.equal(await latestFailure(stage, id), null)
  return id
}

const idIn = ({ body }: Told): string | undefined => (body.loadbalancer as LoadBalancer | undefined)?.id

/** What an operator does with a load balancer in ERROR. */
async function repair(stage: Stage, id: string): Promise<void> {
  await acceptedWhenFree(() => stage.askAsAdministrator('PUT', `/lbaas/loadbalancers/${id}/failover`, {}))
  const status = (await stage.settled(id))?.provisioning_status
  const why = status === 'ACTIVE' ? null : await latestFailure(stage, id)
  assert.equal(status, 'ACTIVE', `a failover mends what is in ERROR: ${JSON.stringify(why)}`)
}

async function deleteIfThere({ ask, settled }: Stage, id: string | null | undefined): Promise<void> {
  if (id === null || id === undefined) return
  const { status, body } = await whenFree(() => ask('DELETE', `/lbaas/loadbalancers/${id}?cascade=true`))
  if (status === 404) return
  assert.ok(status < 300, `${status} ${JSON.stringify(body)}`)
  assert.equal(await settled(id), null, 'it can be deleted')
}

/** Others may use the cloud at the same time. */
const whatIsThere = ({ cloud, tenant }: Stage): Promise<Snapshot> => cloud.snapshot(tenant, { isAlone: true })

const counts = (snapshot: Snapshot) =>
  Object.fromEntries(Object.entries(snapshot).map(([kind, found]) => [kind, Object.keys(found).length]))
