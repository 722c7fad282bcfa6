import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Shown } from '../../test/support/api-client.ts'
import { aCloud, type CloudOptions } from '../../test/support/cloud.ts'
import { aDatabase } from '../../test/support/databases.ts'
import { eventually } from '../../test/support/eventually.ts'
import { aHeartbeat } from '../../test/support/heartbeats.ts'
import type { AmphoraRow } from '../db/tables.ts'
import { refillSpareAmphorae } from '../housekeeping/refill-spare-amphorae.ts'
import type { Clock } from '../lib/clock.ts'
import { heardOnce } from './heard.ts'
import { HeldBack } from './held-back.ts'
import { storeHeartbeats } from './store.ts'
import { Watch } from './watch.ts'

const INTERVAL_SECONDS = 3
const TIMEOUT_SECONDS = 60
const HEARTBEAT_SECONDS = 10

/** Both of its clocks go as the test says. */
class SteeredClock implements Clock {
  nowMs = Date.parse('2026-01-01T00:00:00Z')
  monotonicMs = 0
  now(): number {
    return this.nowMs
  }
  monotonic(): number {
    return this.monotonicMs
  }
  pass(seconds: number): void {
    this.nowMs += seconds * 1_000
    this.monotonicMs += seconds * 1_000
  }
}

/** A cloud whose health manager lives by a clock of its own. Amphorae speak every ten seconds, but for those in `mute`. */
async function watched(options: CloudOptions & { loadBalancers?: number } = {}) {
  const config = { ...options.config, controller_worker: { amp_boot_network_list: ['management'], ...options.config?.controller_worker } }
  const { cloud, api, stop } = await aCloud({ ...options, config }).empty()
  cloud.network.addSubnet({ network_id: cloud.network.addNetwork({ id: 'management' }).id, cidr: '192.0.2.0/24' })
  const clock = new SteeredClock()
  const context = { ...cloud.context, clock }
  const hearing = { behindMs: () => 0 }
  const loadBalancers: Shown[] = []
  for (let i = 0; i < (options.loadBalancers ?? 1); i++) loadBalancers.push(await cloud.aLoadBalancer())
  const mute = new Set<string>()
  const amphorae = async () => (await api.list('/v2/octavia/amphorae')) as unknown as AmphoraRow[]
  const speak = async () => {
    const heard = (await amphorae()).filter(
      ({ id, status }) => ['ALLOCATED', 'READY', 'FAILOVER_STOPPED'].includes(status) && !mute.has(id),
    )
    const origin = { format: 'upstream', address: '192.0.2.1' } as const
    const batch = heard.map(({ id: amphora_id }) => heardOnce(aHeartbeat({ amphora_id }), origin, clock.now()))
    await storeHeartbeats(cloud.db, batch, { nowMs: clock.now(), heartbeatTimeoutMs: TIMEOUT_SECONDS * 1_000, checksSource: false })
  }
  const newWatch = () => {
    const watch = new Watch(context)
    watch.listen(hearing)
    return watch
  }
  let watch = newWatch()
  let elapsed = 0
  return {
    ...{ cloud, api, stop, clock, hearing, mute, amphorae, speak, loadBalancers },
    get watch() {
      return watch
    },
    /** Another process takes its place. */
    restart() {
      watch = newWatch()
    },
    look: () => watch.look(),
    /** Time passes in the rounds of the health manager and, unless `silence`, the heartbeats of those that are not mute. */
    async pass(seconds: number, { silence = false } = {}) {
      for (let passed = 0; passed < seconds; passed += 1) {
        clock.pass(1)
        elapsed += 1
        if (!silence && elapsed % HEARTBEAT_SECONDS === 0) await speak()
        if (elapsed % INTERVAL_SECONDS !== 0) continue
        await watch.look()
        await watch.askDrivers()
      }
    },
    /** How many flows of failovers were started so far. */
    failovers: async () => (await cloud.db.selectFrom('flow').select('id').where('name', '=', 'failover-amphora').execute()).length,
    atRest: () => Promise.all(loadBalancers.map(({ id }) => api.waitFor(`/v2/lbaas/loadbalancers/${id}`))),
  }
}

type Addresses = Pick<AmphoraRow, 'vrrp_ip' | 'vrrp_port_id' | 'ha_ip' | 'ha_port_id' | 'role'>
const kept = ({ vrrp_ip, vrrp_port_id, ha_ip, ha_port_id, role }: AmphoraRow): Addresses => ({
  vrrp_ip,
  vrrp_port_id,
  ha_ip,
  ha_port_id,
  role,
})

test('an amphora that falls silent is replaced by itself and keeps its addresses and ports', async () => {
  const { pass, mute, amphorae, failovers, atRest } = await watched()
  await pass(120)
  assert.equal(await failovers(), 0)
  const [before] = await amphorae()
  mute.add(before!.id)
  // Its last heartbeat was just now.
  await pass(TIMEOUT_SECONDS)
  assert.equal(await failovers(), 0)
  await pass(INTERVAL_SECONDS)
  assert.equal(await failovers(), 1)
  await atRest()
  const [after, ...more] = await amphorae()
  assert.deepEqual(more, [])
  assert.notEqual(after!.id, before!.id)
  assert.notEqual(after!.compute_id, before!.compute_id)
  assert.deepEqual(kept(after!), kept(before!))
  await pass(120)
  assert.equal(await failovers(), 1)
})

test('a machine that is gone, or whose management port is, is replaced at the next look, though heartbeats are fresh', async () => {
  const { cloud, pass, amphorae, failovers, atRest, clock } = await watched({ loadBalancers: 2 })
  await pass(30)
  const [first, second] = await amphorae()
  cloud.compute.kill(first!.compute_id!)
  await pass(INTERVAL_SECONDS)
  await atRest()
  assert.ok((await amphorae()).some(({ compute_id, vrrp_ip }) => compute_id !== first!.compute_id && vrrp_ip === first!.vrrp_ip))
  assert.equal(await failovers(), 1)
  const [port] = await cloud.network
    .listPortsOfDevice(second!.compute_id!)
    .then((ports) => ports.filter(({ network_id }) => network_id === 'management'))
  // As `openstack port set --disable` does.
  await cloud.network.updatePort(port!.id, { admin_state_up: false })
  const startedAt = clock.now()
  await pass(INTERVAL_SECONDS)
  assert.equal(await failovers(), 2)
  assert.ok(clock.now() - startedAt <= INTERVAL_SECONDS * 1_000)
  await atRest()
  assert.ok((await amphorae()).every(({ compute_id }) => compute_id !== second!.compute_id))
})

test('both amphorae of a pair that die are replaced, one after the other', async () => {
  const { cloud, pass, amphorae, atRest } = await watched({ config: { controller_worker: { loadbalancer_topology: 'ACTIVE_STANDBY' } } })
  await pass(30)
  const before = await amphorae()
  for (const { id, compute_id } of before) {
    cloud.compute.kill(compute_id!)
    cloud.amphora.disconnect(id)
  }
  await pass(INTERVAL_SECONDS)
  await atRest()
  assert.equal((await amphorae()).filter(({ id }) => before.some((former) => former.id === id)).length, 1)
  await pass(INTERVAL_SECONDS)
  await atRest()
  const after = await amphorae()
  assert.equal(after.length, 2)
  assert.ok(after.every(({ id, status }) => status === 'ALLOCATED' && !before.some((former) => former.id === id)))
  const sorted = (rows: AmphoraRow[]) => rows.map(kept).sort((a, b) => String(a.role).localeCompare(String(b.role)))
  assert.deepEqual(sorted(after), sorted(before))
})

test('after a failover that failed the load balancer says why, and it is tried again until it succeeds', async () => {
  const { cloud, api, pass, amphorae, failovers, loadBalancers } = await watched()
  await pass(30)
  const [before] = await amphorae()
  cloud.compute.kill(before!.compute_id!)
  cloud.compute.failNext('ensureServer', new Error('no host is free'))
  await pass(INTERVAL_SECONDS)
  const path = `/v2/lbaas/loadbalancers/${loadBalancers[0]!.id}`
  const { fault } = await api.waitFor(path, 'ERROR')
  assert.match(JSON.stringify(fault), /no host is free/)
  // Thirty seconds from the look that saw it fail.
  await pass(30)
  assert.equal(await failovers(), 1)
  await pass(INTERVAL_SECONDS)
  assert.equal(await failovers(), 2)
  await api.waitFor(path)
  const [after, ...more] = await amphorae()
  assert.deepEqual(more, [])
  assert.deepEqual(kept(after!), kept(before!))
})

test('a health manager that was stopped for long judges nobody until it has listened for a whole timeout', async () => {
  const { pass, clock, restart, failovers, mute, amphorae } = await watched({ loadBalancers: 3 })
  await pass(30)
  clock.pass(90)
  restart()
  // Everybody is heard within the timeout, but not at once.
  await pass(9)
  await pass(TIMEOUT_SECONDS - 9)
  assert.equal(await failovers(), 0)
  clock.pass(90)
  restart()
  const [dead] = await amphorae()
  mute.add(dead!.id)
  await pass(TIMEOUT_SECONDS - INTERVAL_SECONDS)
  assert.equal(await failovers(), 0)
  await pass(2 * INTERVAL_SECONDS)
  assert.equal(await failovers(), 1, 'who was silent all that time is dead')
})

test('one that stood still, had no database, fell behind, or whose clock was set, takes nobody for dead', async () => {
  const { cloud, pass, clock, failovers, look, speak, hearing, watch } = await watched({ loadBalancers: 3 })
  await pass(30)
  // Frozen in the middle of its rounds: the first thing it does then is to look.
  clock.pass(600)
  await look()
  await pass(TIMEOUT_SECONDS)
  assert.equal(await failovers(), 0)

  // What it hears cannot be stored.
  watch.wasAway('database away')
  await pass(TIMEOUT_SECONDS - 1, { silence: true })
  assert.equal(await failovers(), 0)
  await speak()

  // It hears, but what it hears waits.
  await pass(30)
  for (let behind = INTERVAL_SECONDS; behind <= 120; behind += INTERVAL_SECONDS) {
    hearing.behindMs = () => behind * 1_000
    await pass(INTERVAL_SECONDS, { silence: true })
  }
  assert.equal(await failovers(), 0)
  await speak()
  hearing.behindMs = () => 0

  clock.nowMs += 3_600_000
  await pass(TIMEOUT_SECONDS)
  clock.nowMs -= 7_200_000
  await pass(TIMEOUT_SECONDS + INTERVAL_SECONDS)
  assert.equal(await failovers(), 0)
  const ahead = await cloud.db.selectFrom('amphora_health').select('amphora_id').where('last_update_ms', '>', clock.now()).execute()
  assert.deepEqual(ahead, [], 'nobody counts as heard in the future')

  await pass(TIMEOUT_SECONDS + HEARTBEAT_SECONDS, { silence: true })
  assert.equal(await failovers(), 3, 'and then real silence is silence again')
})

test('while the database cannot be asked nobody is replaced, and for one timeout after that', async () => {
  const { cloud, pass, clock, failovers } = await watched()
  await pass(30)
  let db = cloud.db
  const context = { ...cloud.context, clock }
  Object.defineProperty(context, 'db', { get: () => db })
  const watch = new Watch(context)
  watch.listen({ behindMs: () => 0 })
  const rounds = async (seconds: number) => {
    for (let passed = 0; passed < seconds; passed += INTERVAL_SECONDS) {
      clock.pass(INTERVAL_SECONDS)
      await watch.look()
      await watch.askDrivers()
    }
  }
  await rounds(TIMEOUT_SECONDS - INTERVAL_SECONDS)
  db = await aDatabase()
  await db.destroy()
  await rounds(120)
  db = cloud.db
  await rounds(TIMEOUT_SECONDS - INTERVAL_SECONDS)
  assert.equal(await failovers(), 0)
  await rounds(2 * INTERVAL_SECONDS)
  assert.equal(await failovers(), 1)
})

test('a driver that cannot say who is there makes nobody dead', async () => {
  const { cloud, pass, failovers, mute, amphorae, atRest } = await watched()
  await pass(30)
  cloud.compute.failNext('listGone')
  await pass(INTERVAL_SECONDS)
  cloud.network.failNext('listDown')
  await pass(INTERVAL_SECONDS)
  assert.equal(await failovers(), 0)
  for (const { id } of await amphorae()) mute.add(id)
  for (let i = 0; i < TIMEOUT_SECONDS; i += INTERVAL_SECONDS) {
    cloud.compute.failNext('listGone')
    await pass(INTERVAL_SECONDS)
  }
  await pass(INTERVAL_SECONDS)
  assert.equal(await failovers(), 1, 'heartbeats alone tell')
  await atRest()
})

test('a pair with a dead amphora is shown DEGRADED until it is replaced', async () => {
  const { api, pass, mute, amphorae, loadBalancers, cloud } = await watched({
    config: { controller_worker: { loadbalancer_topology: 'ACTIVE_STANDBY' } },
    worker: true,
  })
  const path = `/v2/lbaas/loadbalancers/${loadBalancers[0]!.id}`
  await pass(30)
  assert.equal((await api.show(path)).operating_status, 'ONLINE')
  const [dead] = await amphorae()
  cloud.compute.failNext('ensureServer')
  mute.add(dead!.id)
  await pass(TIMEOUT_SECONDS + INTERVAL_SECONDS)
  const shown = await api.waitFor(path, 'ERROR')
  assert.equal(shown.operating_status, 'DEGRADED')
  await pass(33)
  await api.waitFor(path)
  await pass(HEARTBEAT_SECONDS)
  await eventually(async () => (await api.show(path)).operating_status === 'ONLINE')
})

test('a spare amphora is heard like any other, and removed when it is dead', async () => {
  const { cloud, pass, mute, amphorae, failovers } = await watched({
    loadBalancers: 0,
    config: { house_keeping: { spare_amphora_pool_size: 2 } },
  })
  await refillSpareAmphorae.run(cloud.context)
  const [first, second] = await eventually(async () => {
    const found = await amphorae()
    return found.length === 2 && found.every(({ status }) => status === 'READY') && found
  })
  await pass(2 * TIMEOUT_SECONDS)
  assert.equal((await amphorae()).length, 2)
  cloud.compute.kill(first!.compute_id!)
  await pass(INTERVAL_SECONDS)
  await eventually(async () =>
    assert.deepEqual(
      (await amphorae()).map(({ id }) => id),
      [second!.id],
    ),
  )
  mute.add(second!.id)
  await pass(TIMEOUT_SECONDS + INTERVAL_SECONDS)
  await eventually(async () => assert.deepEqual(await amphorae(), []))
  assert.equal(await failovers(), 0)
  assert.deepEqual(cloud.compute.servers, [])
})

test('owners are told why a silent amphora is not being replaced', async () => {
  const config = { health_manager: { failover_threshold: 2 } }
  const { api, watch, pass, mute, amphorae, failovers, loadBalancers, speak, look, atRest } = await watched({ config, loadBalancers: 2 })
  await pass(20)
  for (const { id } of await amphorae()) mute.add(id)
  await pass(TIMEOUT_SECONDS + 30)
  assert.equal(await failovers(), 0)
  type Event = { event: string; outcome: string; message: string; count: number; object_id: string }
  const [first, second] = loadBalancers as [Shown, Shown]
  const told = async ({ id }: Shown) => {
    const { events } = await api.expect<{ events: Event[] }>(200, 'GET', `/v2/lbaas/loadbalancers/${id}/events?event=failover_held_back`)
    return events.map(({ outcome, message, count }) => [outcome, message.split(',')[0], count])
  }
  // Ten rounds are one event.
  const stopped = ['failure', 'An amphora is silent and is not replaced', 1]
  assert.deepEqual([await told(first), await told(second)], [[stopped], [stopped]])
  for (const { status, fault } of await amphorae()) {
    assert.equal(status, 'FAILOVER_STOPPED')
    assert.match(fault!.message, /too many fell silent at once/)
  }

  watch.wasAway('packets lost')
  await look()
  assert.deepEqual(await told(first), [['failure', 'An amphora seems silent', 1], stopped])

  const ofFirst = (await amphorae()).find(({ loadbalancer_id }) => loadbalancer_id === first.id)!
  mute.delete(ofFirst.id)
  await speak()
  await pass(TIMEOUT_SECONDS + INTERVAL_SECONDS)
  assert.equal(await failovers(), 1)
  await atRest()
  const after = await amphorae()
  assert.deepEqual(
    after.map(({ status, fault }) => [status, fault]),
    [
      ['ALLOCATED', undefined],
      ['ALLOCATED', undefined],
    ],
  )
  assert.ok(after.some(({ id }) => id === ofFirst.id))
})

test('whose amphora waits for others to be replaced first is told so', async () => {
  const { api, pass, mute, amphorae, failovers, loadBalancers } = await watched({
    config: { health_manager: { failovers_per_minute: 1 } },
    loadBalancers: 2,
  })
  await pass(20)
  for (const { id } of await amphorae()) mute.add(id)
  await pass(TIMEOUT_SECONDS + INTERVAL_SECONDS)
  assert.equal(await failovers(), 1)
  const events = await Promise.all(
    loadBalancers.map(async ({ id }) => {
      const query = `/v2/lbaas/loadbalancers/${id}/events?event=failover_held_back`
      return (await api.expect<{ events: { message: string }[] }>(200, 'GET', query)).events
    }),
  )
  assert.deepEqual(
    events.flat().map(({ message }) => message),
    ['An amphora is silent and will be replaced; as many are being replaced already as may be at a time.'],
  )
})

test('of two reasons that hold at the same time each is told once', async () => {
  const { api, cloud, amphorae, loadBalancers } = await watched()
  const [{ id: load_balancer_id }] = loadBalancers as [Shown]
  const [{ id: amphora_id }] = (await amphorae()) as [AmphoraRow]
  const heldBack = new HeldBack(cloud.context)
  for (let round = 0; round < 3; round++) {
    for (const hindrance of ['listening', 'failovers_per_minute'] as const)
      await heldBack.tell([{ amphora_id, load_balancer_id }], hindrance, cloud.clock.now())
  }
  const query = `/v2/lbaas/loadbalancers/${load_balancer_id}/events?event=failover_held_back`
  const { events } = await api.expect<{ events: { count: number }[] }>(200, 'GET', query)
  assert.deepEqual(
    events.map(({ count }) => count),
    [1, 1],
  )
})
