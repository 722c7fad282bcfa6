/** What `ottavia status` says of an installation in which something is wrong. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { aCloud } from '../../test/support/cloud.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { eventually } from '../../test/support/eventually.ts'
import { exitCodeOf, textOf } from '../cli/status.ts'
import { registerController } from '../controllers/registry.ts'
import { startFlow } from '../flow/start.ts'
import { createCertificateAuthority } from '../lib/certificate-authority.ts'
import { timestamp } from '../lib/clock.ts'
import { lookForTroubles } from './status.ts'
import { lasting } from './trouble.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const aController = { id: 'c', serves: ['api', 'worker', 'health-manager', 'housekeeping'], program: '' }

forEachDatabase('of an installation in which all is well nothing is said', async (open) => {
  const { cloud, stop } = await aCloud({ db: await open() }).empty()
  const { stop: leave } = await registerController({ db: cloud.db, log: cloud.context.log }, aController)
  await cloud.aLoadBalancer()
  // The flow ends a moment after the load balancer is ACTIVE.
  await eventually(async () => {
    const status = await lookForTroubles({ db: cloud.db, config: cloud.config, nowMs: cloud.clock.now() })
    assert.equal(
      textOf(status),
      `controllers: ${process.pid} on ${hostname()} (api,worker,health-manager,housekeeping); load balancers: 1 ACTIVE; amphorae: 1 ALLOCATED; flows: 0 under way\nnothing is wrong`,
    )
    assert.equal(exitCodeOf(status), 0)
  })
  await leave()
  await stop()
})

forEachDatabase('what is wrong is said in words, with what to type', async (open) => {
  const { cloud, stop } = await aCloud({ db: await open() }).empty()
  const { db } = cloud
  const loadBalancer = await cloud.aLoadBalancer({ name: 'shop' })
  const other = await cloud.aLoadBalancer({ name: 'mail' })
  const nowMs = Date.now()
  const look = async (config = cloud.config) => lookForTroubles({ db, config, nowMs })
  /** The one trouble of this kind. */
  const trouble = async (kind: string) => {
    const found = (await look()).troubles.filter((each) => each.kind === kind)
    assert.equal(found.length, 1, kind)
    return found[0]!
  }
  await db
    .updateTable('amphora')
    .set({ cert_expiration: timestamp(nowMs + 30 * DAY_MS) })
    .execute()
  const { stop: leave } = await registerController(
    { db, log: cloud.context.log },
    { ...aController, serves: ['api', 'worker', 'housekeeping'] },
  )
  const missing = await trouble('role_missing')
  assert.match(missing.says, /^No process with the role health-manager runs\. Heartbeats are not received/)
  await leave()
  await db
    .insertInto('controller')
    .values({ ...aController, serves: 'api,worker', host: 'there', pid: 7, started_at_ms: 0, seen_at_ms: nowMs - 5 * MINUTE_MS })
    .execute()
  assert.match((await trouble('controller_silent')).says, /^Process 7 on there \(api,worker\) was last heard 5 min ago/)
  assert.equal((await look()).troubles.filter(({ kind }) => kind === 'role_missing').length, 4)
  await db.deleteFrom('controller').execute()
  const { stop: end } = await registerController({ db, log: cloud.context.log }, aController)
  assert.deepEqual((await look()).troubles, [])

  const amphora = await db.selectFrom('amphora').selectAll().where('loadbalancer_id', '=', loadBalancer.id).executeTakeFirstOrThrow()
  await db.deleteFrom('amphora_health').where('amphora_id', '=', amphora.id).execute()
  await db
    .insertInto('amphora_health')
    .values({ amphora_id: amphora.id, last_update_ms: nowMs - 5 * MINUTE_MS, busy: false })
    .execute()
  await db.updateTable('load_balancer').set({ operating_status: 'ERROR' }).where('id', '=', loadBalancer.id).execute()
  assert.match(
    (await trouble('amphora_silent')).says,
    new RegExp(`^The amphora ${amphora.id} of load balancer ${loadBalancer.id} was last heard 5 min ago\\.`),
  )
  const ailing = await trouble('load_balancer_ailing')
  assert.equal(ailing.level, 'error')
  assert.equal(ailing.says, `The load balancer ${loadBalancer.id} (shop) is ERROR: 1 of its amphorae is silent.`)
  assert.equal(ailing.type, `openstack loadbalancer status show ${loadBalancer.id}`)
  await db
    .insertInto('amphora_failover')
    .values({ amphora_id: amphora.id, attempts: 2, started_at_ms: nowMs, retry_at_ms: nowMs + MINUTE_MS })
    .execute()
  assert.match((await trouble('amphora_silent')).says, /It could not be replaced in 2 attempts; the next is in 60 s\.$/)

  await db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_UPDATE' }).where('id', '=', other.id).execute()
  await db
    .updateTable('flow')
    .set({ ended_at_ms: nowMs - 2 * MINUTE_MS })
    .execute()
  assert.match((await trouble('load_balancer_stuck')).says, /\(mail\) is PENDING_UPDATE, and no flow works on it/)

  const ofANewerController = { name: 'of-a-newer-controller', async steps() {} }
  const waiting = await db.transaction().execute((tx) => startFlow(tx, ofANewerController, {}, { subject: other.id }))
  await db
    .updateTable('flow')
    .set({ created_at_ms: nowMs - 3 * MINUTE_MS })
    .where('id', '=', waiting)
    .execute()
  assert.deepEqual(
    (await look()).troubles.filter(({ kind }) => kind === 'load_balancer_stuck'),
    [],
  )
  const slow = await trouble('flow_slow')
  assert.match(slow.says, /has been waiting for 3 min: no worker runs/)
  assert.equal(slow.type, `ottavia flow show ${waiting}`)

  await db
    .updateTable('flow')
    .set({ state: 'REVERT_FAILURE', ended_at_ms: nowMs, reason_message: 'The operation failed.', reason_details: 'no route to host' })
    .where('id', '=', waiting)
    .execute()
  const failed = await trouble('flow_revert_failure')
  assert.match(
    failed.says,
    /could not be undone; what it had made may be left over\. Housekeeping tries again for a day, .* The operation failed\. no route to host$/,
  )
  assert.match(failed.type!, new RegExp(`ottavia flow revert ${waiting}$`))

  await db.updateTable('amphora').set({ status: 'FAILOVER_STOPPED' }).where('id', '=', amphora.id).execute()
  assert.match((await trouble('failovers_stopped')).says, /^1 amphorae are FAILOVER_STOPPED/)
  await db
    .updateTable('amphora')
    .set({ status: 'ALLOCATED', cert_expiration: timestamp(nowMs - DAY_MS) })
    .where('id', '=', amphora.id)
    .execute()
  assert.match((await trouble('certificate_of_amphora')).says, /ended 24 h ago and should have been renewed/)

  await db
    .insertInto('trust_material')
    .values({ id: 'm', kind: 'heartbeat_key', state: 'active', certificate: null, sealed_key: '', created_at_ms: nowMs - 3 * DAY_MS })
    .execute()
  const rotation = { id: 'r', what: 'ca', slot: 1, stage: 'spread', started_at_ms: nowMs - 15 * MINUTE_MS, ended_at_ms: null } as const
  await db
    .insertInto('rotation')
    .values({ ...rotation, stage_since_ms: nowMs - 9 * MINUTE_MS })
    .execute()
  assert.match((await look()).summary!, /; heartbeat_key 3 days old; rotation \(ca\): spread since 9 min$/)
  assert.ok(!(await look()).troubles.some(({ kind }) => kind === 'rotation_stuck'))
  await db
    .updateTable('rotation')
    .set({ stage_since_ms: nowMs - 11 * MINUTE_MS })
    .execute()
  assert.match(
    (await trouble('rotation_stuck')).says,
    /^The rotation \(ca\) that was begun 15 min ago has been in its stage spread for 11 min, .*; 0 agents/,
  )
  await db
    .insertInto('orphan')
    .values({ id: 'o', kind: 'server', name: 'amphora-x', made_by: 'f', is_ours: false, first_seen_ms: nowMs - 5 * MINUTE_MS })
    .execute()
  assert.match((await trouble('orphan')).says, /^The server o \(amphora-x\) is of no load balancer and no amphora; .* look whose it is\.$/)

  const text = textOf(await look())
  assert.match(text, /^controllers: /)
  assert.match(text, /^ERROR {3}The flow /m)
  assert.match(text, /^ {8}-> ottavia flow show /m)
  assert.equal(exitCodeOf(await look()), 2)
  await end()
  await stop()
})

test('a database that cannot be asked is what is wrong', async () => {
  const { cloud, stop } = await aCloud({ worker: false }).empty()
  await stop()
  const status = await lookForTroubles({ db: cloud.db, config: cloud.config, nowMs: 0 })
  assert.match(textOf(status), /^ERROR {3}The database cannot be asked: /)
  assert.equal(exitCodeOf(status), 2)
})

test('CAs that end are told of in time', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-status-'))
  mkdirSync(join(directory, 'certs'))
  const { certificate } = await createCertificateAuthority({ common_name: 'CA', validitySeconds: 10 * 86_400 })
  writeFileSync(join(directory, 'certs', 'server_ca.pem'), certificate)
  const { cloud, stop } = await aCloud({ worker: false }).empty()
  const status = await lookForTroubles({ db: cloud.db, config: { ...cloud.config, stateDirectory: directory }, nowMs: Date.now() })
  assert.match(textOf(status), /^WARNING the CA of agents' certificates \(.*server_ca\.pem\) ends in 10 days/m)
  assert.equal(exitCodeOf({ ...status, troubles: status.troubles.filter(({ kind }) => kind !== 'role_missing') }), 1)
  await stop()
  rmSync(directory, { recursive: true })
})

test('times are told as somebody reads them', () => {
  assert.deepEqual([1_400, 119_000, 121_000, 3 * 3_600_000, 47 * 3_600_000, 72 * 3_600_000].map(lasting), [
    '1 s',
    '119 s',
    '2 min',
    '3 h',
    '47 h',
    '3 days',
  ])
})
