/**
 * Keystone, Nova, Neutron, Glance and Barbican fail at each request of each operation, in each way: doubles of them, so that all can be tried, beside the
 * few that are tried with the real ones (`test/openstack/failures.test.ts`). By default some, drawn by OTTAVIA_TEST_SEED; `npm run test:matrix` tries all.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Db } from '../../src/db/connection.ts'
import type { Outcome } from '../../src/flow/execute.ts'
import { checkReason, checkRefusal, latestFailure } from './failure-words.ts'
import { isFull, Tally } from './flow-life.ts'
import { OpenStackDoubles } from './openstack-doubles.ts'
import { accepted, aLoadBalancer, type Operation, operations } from './openstack-operations.ts'
import { type Proxied, proxied } from './openstack-stage.ts'
import { seededRandom } from './random.ts'
import { type Mishap, mishaps } from './service-proxy.ts'

/** Of each operation. */
const TRIED = 3
const { OTTAVIA_TEST_SEED = '1' } = process.env

type Topology = 'SINGLE' | 'ACTIVE_STANDBY'

interface Trial {
  operation: Operation
  service: Proxied
  /** Which of its requests is the first that goes wrong. */
  call: number
  mishap: Mishap
  lasts: 'once' | 'lasting'
  /** The tenant waits until what could not be undone is undone, or has what is in ERROR mended, or deletes all, at once. */
  then: 'waits' | 'fails over' | 'deletes'
}

/** The flow that each begins. */
const flows: Record<string, string> = {
  create: 'create-load-balancer',
  'create with a listener and a member elsewhere': 'create-load-balancer',
  listener: 'create-listener',
  'listener that ends TLS': 'create-listener',
  'member on another network': 'create-member',
  'update of the VIP': 'update-load-balancer',
  failover: 'failover-load-balancer',
  delete: 'delete-load-balancer',
}

/** Registers the tests. */
export function openStackFails(topology: Topology): void {
  for (const operation of operations) {
    const name = flows[operation.name]!
    test(`${name} meets failing services: ${operation.name}, ${topology} [SQLite]`, async () => {
      const { counts, db } = await countCalls(operation, topology)
      const all = trialsOf(operation, counts)
      const random = seededRandom(Number(OTTAVIA_TEST_SEED))
      const chosen = isFull ? all : Array.from({ length: TRIED }, () => all[Math.floor(random() * all.length)]!)
      const tally = new Tally({ name }, 'service', db)
      for (const trial of chosen) {
        const { service, call, mishap, lasts, then } = trial
        const circumstances = `${topology}, ${operation.name}: ${service}, request ${call + 1}, ${mishap}, ${lasts}; the tenant ${then}`
        await tally.run(circumstances, () => run(trial, topology))
      }
      tally.end()
    })
  }
}

function trialsOf(operation: Operation, counts: Record<Proxied, number>): Trial[] {
  const trials: Trial[] = []
  for (const service of proxied) {
    for (let call = 0; call < counts[service]; call++) {
      // Whoever is slow beyond patience is as one whose answer is lost.
      for (const mishap of mishaps.filter((mishap) => mishap !== 'slow')) {
        for (const lasts of mishap === 'stopped' ? (['lasting'] as const) : (['once', 'lasting'] as const))
          for (const then of operation.kind === 'changes' ? (['waits', 'fails over', 'deletes'] as const) : (['waits', 'deletes'] as const))
            trials.push({ operation, service, call, mishap, lasts, then })
      }
    }
  }
  return trials
}

/** Secrets have a part in whatever is done to it. */
async function anExistingOne(stage: OpenStackDoubles, { name }: Operation): Promise<string> {
  const id = await aLoadBalancer(stage)
  const endsTls = operations.find((operation) => operation.name === 'listener that ends TLS')!
  if (name === endsTls.name) return id
  await accepted(endsTls.act(stage, id))
  assert.equal((await stage.settled(id))?.provisioning_status, 'ACTIVE')
  return id
}

/** How many requests the operation makes when all is well, by a controller that has just begun. */
async function countCalls(operation: Operation, topology: Topology): Promise<{ counts: Record<Proxied, number>; db: Db }> {
  const stage = await OpenStackDoubles.open(topology)
  try {
    const existing = operation.kind === 'makes' ? null : await anExistingOne(stage, operation)
    await stage.restart()
    for (const proxy of Object.values(stage.proxies)) await proxy.reset()
    await accepted(operation.act(stage, existing ?? ''))
    const counts = Object.fromEntries(proxied.map((service) => [service, stage.proxies[service].calls.length]))
    return { counts: counts as Record<Proxied, number>, db: stage.db }
  } finally {
    await stage.close()
  }
}

/** Throws where something is not as it has to be. */
async function run({ operation, service, call, mishap, lasts, then }: Trial, topology: Topology): Promise<Outcome> {
  const stage = await OpenStackDoubles.open(topology)
  try {
    const nothing = stage.left()
    const existing = operation.kind === 'makes' ? null : await anExistingOne(stage, operation)
    const before = stage.left()
    await stage.restart()
    const proxy = stage.proxies[service]
    await proxy.reset()
    proxy.plan(mishap, { from: call, times: lasts === 'once' ? 1 : undefined })
    const answer = await operation.act(stage, existing ?? '')
    assert.ok(proxy.hasFailed, 'the request was made')
    await proxy.heal()
    assert.deepEqual(stage.doubledAddresses(), [])

    const id = existing ?? (answer.body.loadbalancer as { id: string } | undefined)?.id
    const isRefused = answer.status >= 300
    if (isRefused) checkRefusal(answer)
    const settled = id === undefined ? null : await stage.settled(id)
    const failure = isRefused || settled === null ? null : await latestFailure(stage, id!)
    if (failure !== null) checkReason(failure, { service, mishap })
    if (settled !== null) assert.match(settled.provisioning_status, failure === null ? /^ACTIVE$/ : /^(ACTIVE|ERROR)$/)

    if (then === 'waits') await stage.housekeeping()
    if (then !== 'deletes' && settled?.provisioning_status === 'ERROR' && operation.kind !== 'ends') {
      await accepted(stage.askAsAdministrator('PUT', `/lbaas/loadbalancers/${id}/failover`, {}))
      assert.equal((await stage.settled(id!))?.provisioning_status, 'ACTIVE', 'a failover mends what is in ERROR')
      assert.deepEqual(stage.doubledAddresses(), [])
    }
    if (then === 'waits') {
      // What was not possible is possible now.
      if (isRefused && operation.kind === 'changes') await accepted(operation.act(stage, id!))
      if (operation.kind === 'changes') {
        await operation.undo?.(stage, id!)
        assert.deepEqual(numbers(stage.left()), numbers(before))
      }
    }
    if (id !== undefined && (await stage.settled(id)) !== null) {
      await accepted(stage.ask('DELETE', `/lbaas/loadbalancers/${id}?cascade=true`))
      assert.equal(await stage.settled(id), null, 'it can be deleted')
    }
    await stage.housekeeping()
    assert.deepEqual(stage.left(), nothing)
    return isRefused || failure !== null ? 'REVERTED' : 'DONE'
  } finally {
    await stage.close()
  }
}

/** Replacements have names of their own. */
const numbers = (left: Record<string, string[]>) => Object.fromEntries(Object.entries(left).map(([kind, names]) => [kind, names.length]))
