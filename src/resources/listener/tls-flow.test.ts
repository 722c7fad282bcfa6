/** Certificates on their way from the secret store to amphorae: what is lost, what comes back, what is renewed, and who hears of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aCertificate, anAuthority, aRevocationList, type Issued } from '../../../test/support/certificates.ts'
import { aDatabase, forEachDatabase } from '../../../test/support/databases.ts'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { runFlow } from '../../../test/support/run-flow.ts'
import { Stage } from '../../../test/support/stage.ts'
import type { Db } from '../../db/connection.ts'
import type { ListenerRow } from '../../db/tables.ts'
import type { Flow } from '../../flow/define.ts'
import { renewCertificates } from '../../housekeeping/renew-certificates.ts'
import { tellExpiringCertificates } from '../../housekeeping/tell-expiring-certificates.ts'
import { openBundle } from '../../lib/tls-material.ts'
import { refreshCertificates } from '../load-balancer/refresh-certificates-flow.ts'
import { createMember } from '../member/create-flow.ts'
import { updatePool } from '../pool/update-flow.ts'
import { createListener } from './create-flow.ts'
import { updateListener } from './update-flow.ts'

const certificates = Promise.all([aCertificate({ name: 'one' }), aCertificate({ name: 'two' }), aCertificate({ name: 'three' })])
/** Their keys take longer to make than a run of a flow. */
const authorities = anAuthority().then(async (authority) => ({ authority, revocations: await aRevocationList(authority) }))
const pemOf = (bundle: Issued) => openBundle(bundle).pem

/** A pair whose listeners end TLS: `first` on 443, `second` on 444, and `plain` on 80 with a pool. */
async function aStage(db: Db) {
  const stage = new Stage(db)
  stage.amphora.hasHaproxy = true
  const [one, two, three] = await certificates
  await stage.insertServing('ACTIVE_STANDBY')
  const reference = (bundle: Issued) => stage.certificates.addCertificate({ bundle, project_id: 'project-1' })
  const references = { first: reference(one), second: reference(two) }
  const listener = (protocol_port: number, default_tls_container_ref: string, given: Partial<ListenerRow> = {}) =>
    stage.insertListener({ protocol: 'TERMINATED_HTTPS', protocol_port, default_tls_container_ref, ...given })
  const pool = await stage.insertPool()
  const plain = await stage.insertListener({ default_pool_id: pool.id })
  const first = await listener(443, references.first)
  const second = await listener(444, references.second)
  const { load_balancer_id, context } = stage

  /** What every amphora has, which is the same for both. */
  const served = () => {
    const [a, b] = [...stage.amphora.agents.values()].map((agent) => {
      const files = agent.haproxy.get(load_balancer_id)
      const byName = (files?.certificates ?? []).toSorted((x, y) => (x.name < y.name ? -1 : 1))
      return { ports: [...(files?.configuration ?? '').matchAll(/bind \S+:(\d+)/g)].map(([, port]) => Number(port)), byName }
    })
    assert.deepEqual(a, b)
    const { ports, byName } = a!
    return { ports, files: Object.fromEntries(byName.map(({ name, contents }) => [name, contents])) }
  }
  /** Runs it as the API would start it. */
  const changes = async <P extends { load_balancer_id: string }>(flow: Flow<typeof context, P>, params: Omit<P, 'load_balancer_id'>) => {
    await db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_UPDATE' }).execute()
    const outcome = await runFlow(db, flow as Flow<typeof context, never>, { ...params, load_balancer_id } as never, context)
    assert.equal(
      (await db.selectFrom('load_balancer').select('provisioning_status').executeTakeFirstOrThrow()).provisioning_status,
      'ACTIVE',
    )
    return outcome
  }
  let members = 0
  const addsMember = async () => {
    members += 1
    const member = await stage.insertMember({ pool_id: pool.id, protocol_port: members, provisioning_status: 'PENDING_CREATE' })
    await db.updateTable('listener').set({ provisioning_status: 'PENDING_UPDATE' }).where('id', '=', plain.id).execute()
    return changes(createMember, { member_id: member.id, pool_id: pool.id } as never)
  }
  const statusOf = async (id: string) => {
    const { provisioning_status, fault } = await db
      .selectFrom('listener')
      .select(['provisioning_status', 'fault'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    return [provisioning_status, fault?.message ?? null]
  }
  const events = async (event: string) =>
    (await db.selectFrom('event').select(['event', 'object_id', 'message', 'outcome']).execute()).filter((found) => found.event === event)
  /** What housekeeping does, and the flow that it may begin. */
  const renews = async () => {
    await db.updateTable('load_balancer').set({ provisioning_status: 'ACTIVE' }).execute()
    const { renewals_begun } = await renewCertificates.run(context)
    if (renewals_begun === 0) return null
    const flow = await db
      .selectFrom('flow')
      .select(['id', 'params'])
      .where('name', '=', 'refresh-certificates')
      .where('state', '=', 'READY')
      .executeTakeFirstOrThrow()
    await db.deleteFrom('event').where('id', '=', flow.id).execute()
    await db.deleteFrom('flow').where('id', '=', flow.id).execute()
    return runFlow(db, refreshCertificates, JSON.parse(flow.params), context)
  }
  return {
    stage,
    context,
    db,
    pool,
    plain,
    first,
    second,
    one,
    two,
    three,
    references,
    served,
    changes,
    addsMember,
    statusOf,
    events,
    renews,
  }
}

flowSurvives(createListener, {
  async given(db) {
    const stage = new Stage(db)
    stage.amphora.hasHaproxy = true
    await stage.insertServing('ACTIVE_STANDBY')
    const [one, two] = await certificates
    const { authority, revocations } = await authorities
    const { certificates: store, load_balancer_id, context } = stage
    const listener = await stage.insertListener({
      protocol: 'TERMINATED_HTTPS',
      provisioning_status: 'PENDING_CREATE',
      default_tls_container_ref: store.addCertificate({ bundle: one }),
      sni_container_refs: [
        store.addCertificate({ bundle: two, reference: 'http://secrets/v1/containers/11111111-1111-4111-8111-111111111111' }),
      ],
      client_authentication: 'MANDATORY',
      client_ca_tls_container_ref: store.addSecret(authority.certificate),
      client_crl_container_ref: store.addSecret(revocations),
    })
    return { context, params: { listener_id: listener.id, load_balancer_id }, stage, one, two, authority }
  },
  async whenItSucceeds({ stage, one, two, authority, params: { listener_id, load_balancer_id } }) {
    assert.deepEqual(await stage.statuses(), { load_balancer: 'ACTIVE', listener: 'ACTIVE' })
    assert.equal(stage.amphora.agents.size, 2)
    for (const agent of stage.amphora.agents.values()) {
      const files = new Map(agent.haproxy.get(load_balancer_id)?.certificates.map(({ name, contents }) => [name, contents]))
      const sni = `${listener_id}.sni-11111111-1111-4111-8111-111111111111.pem`
      const directory = `/var/lib/octavia/certs/${load_balancer_id}`
      assert.equal(files.get(`${listener_id}.default.pem`), pemOf(one))
      assert.equal(files.get(sni), pemOf(two))
      assert.equal(files.get(`${listener_id}.pem`), `${directory}/${listener_id}.default.pem\n${directory}/${sni}\n`)
      assert.equal(files.get(`${listener_id}.client-ca.pem`)?.trim(), authority.certificate.trim())
      assert.match(files.get(`${listener_id}.client-crl.pem`) ?? '', /^-----BEGIN X509 CRL-----\n/)
    }
    const journal = await stage.journal()
    assert.doesNotMatch(journal, /PRIVATE KEY/)
    for (const line of one.private_key.split('\n').filter((text) => text.length > 20)) assert.ok(!journal.includes(line))
  },
  async whenItReverts({ stage }) {
    assert.deepEqual(await stage.statuses(), { load_balancer: 'ACTIVE', listener: 'ERROR' })
  },
})

flowSurvives(refreshCertificates, {
  async given(db) {
    const it = await aStage(db)
    await db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_UPDATE' }).execute()
    return { ...it, params: { load_balancer_id: it.stage.load_balancer_id, count: 1 } }
  },
  async whenItSucceeds({ stage, served, first, one, statusOf }) {
    assert.equal(served().files[`${first.id}.default.pem`], pemOf(one))
    assert.deepEqual([(await stage.statuses()).load_balancer, await statusOf(first.id)], ['ACTIVE', ['ACTIVE', null]])
  },
  async whenItReverts({ stage, first, statusOf }) {
    assert.deepEqual([(await stage.statuses()).load_balancer, await statusOf(first.id)], ['ACTIVE', ['ACTIVE', null]])
  },
})

forEachDatabase('a lost secret takes nothing out of service, is told once, and its listener is well when it is back', async (open) => {
  const it = await aStage(await open())
  await it.addsMember()
  assert.deepEqual(it.served().ports, [80, 443, 444])
  const before = it.served()

  it.stage.certificates.remove(it.references.first)
  for (const _ of [1, 2]) assert.equal(await it.addsMember(), 'DONE')
  assert.deepEqual(it.served(), before)
  const told = `A secret that ${it.first.id} names is gone, or is not for its project.`
  assert.deepEqual(await it.statusOf(it.first.id), ['ERROR', told])
  assert.deepEqual(await it.statusOf(it.second.id), ['ACTIVE', null])
  assert.deepEqual(await it.statusOf(it.plain.id), ['ACTIVE', null])
  const event = { event: 'certificate_unusable', object_id: it.first.id, message: told, outcome: 'failure' }
  assert.deepEqual(await it.events('certificate_unusable'), [event])
  // A flow about something below the listener leaves it in ERROR; one about itself fails.
  await it.db.updateTable('listener').set({ provisioning_status: 'PENDING_UPDATE' }).where('id', '=', it.first.id).execute()
  assert.equal(await it.addsMember(), 'DONE')
  assert.deepEqual(await it.statusOf(it.first.id), ['ERROR', told])
  assert.equal(await it.changes(updateListener, { listener_id: it.first.id } as never), 'REVERTED')
  assert.deepEqual(await it.statusOf(it.first.id), ['ERROR', told])
  assert.deepEqual(it.served(), before)

  it.stage.certificates.addCertificate({ bundle: it.three, reference: it.references.first })
  assert.equal(await it.renews(), 'DONE')
  assert.deepEqual(await it.statusOf(it.first.id), ['ACTIVE', null])
  assert.equal(it.served().files[`${it.first.id}.default.pem`], pemOf(it.three))
})

forEachDatabase('where the amphora has nothing of a lost secret, its listener alone is left out', async (open) => {
  const it = await aStage(await open())
  const lost = await it.stage.certificates.addCertificate({ bundle: it.three })
  await it.db
    .updateTable('listener')
    .set({ sni_container_refs: [lost] })
    .where('id', '=', it.second.id)
    .execute()
  it.stage.certificates.remove(it.references.first)
  it.stage.certificates.remove(lost)
  assert.equal(await it.addsMember(), 'DONE')
  // Of the second only the name is missing whose certificate is lost.
  assert.deepEqual(it.served().ports, [80, 444])
  assert.deepEqual(Object.keys(it.served().files), [`${it.second.id}.default.pem`, `${it.second.id}.pem`])
  assert.equal((await it.statusOf(it.first.id))[0], 'ERROR')
  assert.equal((await it.statusOf(it.second.id))[0], 'ERROR')
  assert.deepEqual(await it.statusOf(it.plain.id), ['ACTIVE', null])
  it.stage.certificates.addCertificate({ bundle: it.one, reference: it.references.first })
  assert.equal(await it.addsMember(), 'DONE')
  assert.deepEqual(it.served().ports, [80, 443, 444])
  assert.deepEqual(await it.statusOf(it.first.id), ['ACTIVE', null])
})

forEachDatabase('a store that does not answer changes nothing for what is in service', async (open) => {
  const it = await aStage(await open())
  await it.addsMember()
  const before = it.served()
  const getCertificate = it.stage.certificates.getCertificate
  it.stage.certificates.getCertificate = () => Promise.reject(new Error('connection refused'))
  assert.equal(await it.addsMember(), 'DONE')
  assert.deepEqual(it.served(), before)
  for (const { id } of [it.first, it.second]) assert.deepEqual(await it.statusOf(id), ['ACTIVE', null])
  assert.equal(await it.renews(), null)
  // What never was in service cannot go on.
  const third = await it.stage.insertListener({
    protocol: 'TERMINATED_HTTPS',
    protocol_port: 445,
    default_tls_container_ref: 'x',
    provisioning_status: 'PENDING_CREATE',
  })
  assert.equal(await it.changes(createListener, { listener_id: third.id } as never), 'REVERTED')
  assert.deepEqual(await it.statusOf(third.id), ['ERROR', `The secret store does not answer for what ${third.id} names.`])
  assert.deepEqual(it.served(), before)
  it.stage.certificates.getCertificate = getCertificate
})

forEachDatabase('a renewed certificate is put in service by a flow of its own, a wrong one is not', async (open) => {
  const it = await aStage(await open())
  await it.addsMember()
  const inService = () => it.served().files[`${it.first.id}.default.pem`]
  assert.equal(await it.renews(), null)

  it.stage.certificates.replaceCertificate(it.references.first, it.three)
  assert.equal(await it.renews(), 'DONE')
  assert.equal(inService(), pemOf(it.three))
  assert.deepEqual(
    (await it.events('refresh_certificates')).map(({ object_id, outcome }) => [object_id, outcome]),
    [[it.stage.load_balancer_id, 'success']],
  )
  assert.equal(await it.renews(), null)

  const ended = await aCertificate({ name: 'ended', to: '2025-01-01T00:00:00Z' })
  for (const [wrong, why] of [
    [{ ...it.one, private_key: it.two.private_key }, `A certificate that ${it.first.id} names has the private key of another.`],
    [ended, `A certificate that ${it.first.id} names was replaced by one that has ended; the former stays in service.`],
  ] as const) {
    it.stage.certificates.replaceCertificate(it.references.first, wrong)
    for (const _ of [1, 2]) assert.equal(await it.renews(), null)
    assert.deepEqual(await it.statusOf(it.first.id), ['ERROR', why])
    assert.equal((await it.events('certificate_unusable')).filter(({ message }) => message === why).length, 1)
    // Nor by any other flow.
    assert.equal(await it.addsMember(), 'DONE')
    assert.equal(inService(), pemOf(it.three))
  }
  it.stage.certificates.replaceCertificate(it.references.first, it.one)
  assert.equal(await it.renews(), 'DONE')
  assert.equal(inService(), pemOf(it.one))
  assert.deepEqual(await it.statusOf(it.first.id), ['ACTIVE', null])
})

forEachDatabase('a renewal waits for flows, and one that fails is tried again later', async (open) => {
  const it = await aStage(await open())
  await it.addsMember()
  it.stage.certificates.replaceCertificate(it.references.first, it.three)
  await it.db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_UPDATE' }).execute()
  assert.deepEqual(await renewCertificates.run(it.context), { renewals_begun: 0, unusable: 0 })

  for (const _ of [1, 2]) it.stage.amphora.failNext('applyHaproxy', new Error('no'))
  assert.equal(await it.renews(), 'REVERTED')
  assert.deepEqual(await it.statusOf(it.first.id), ['ACTIVE', null])
  assert.equal(await it.renews(), null)
  await it.db
    .updateTable('tls_certificate')
    .set({ renewal_failed_at_ms: Date.now() - 600_001 })
    .execute()
  assert.equal(await it.renews(), 'DONE')
})

forEachDatabase('a pool with TLS: its secrets are in service, and for want of them it alone fails', async (open) => {
  const it = await aStage(await open())
  const { authority } = await authorities
  const client = it.stage.certificates.addCertificate({ bundle: it.three })
  const tls = { tls_enabled: true, tls_container_ref: client, ca_tls_container_ref: it.stage.certificates.addSecret(authority.certificate) }
  await it.db
    .updateTable('pool')
    .set({ ...tls, provisioning_status: 'PENDING_UPDATE' })
    .where('id', '=', it.pool.id)
    .execute()
  await it.stage.insertMember({ pool_id: it.pool.id })
  assert.equal(await it.changes(updatePool, { pool_id: it.pool.id } as never), 'DONE')
  assert.equal(it.served().files[`${it.pool.id}.pool.pem`], pemOf(it.three))
  assert.equal(it.served().files[`${it.pool.id}.pool-ca.pem`]?.trim(), authority.certificate.trim())

  it.stage.certificates.remove(client)
  assert.equal(await it.addsMember(), 'DONE')
  assert.deepEqual(await it.stage.statuses().then(({ pool, listener }) => ({ pool, listener })), { pool: 'ERROR', listener: 'ACTIVE' })
  assert.match(it.stage.haproxyCfgs()[0]!, /server \S+ .*pool\.pem/)
  it.stage.certificates.addCertificate({ bundle: it.three, reference: client })
  assert.equal(await it.renews(), 'DONE')
  assert.equal((await it.stage.statuses()).pool, 'ACTIVE')
})

forEachDatabase(
  'the end of a certificate is told before and when it comes, once each, and again for the next certificate',
  async (open) => {
    const it = await aStage(await open())
    const end = Date.parse('2030-06-30T12:00:00Z')
    it.stage.certificates.replaceCertificate(it.references.first, await aCertificate({ to: new Date(end).toISOString() }))
    await it.addsMember()
    const tellsAt = async (days: number) => {
      const clock = { now: () => end - days * 86_400_000, monotonic: () => 0 }
      return (await tellExpiringCertificates.run({ ...it.context, clock })).told
    }
    const told = []
    for (const days of [31, 30, 29.9, 14, 13, 7, 3, 1, 0.5, 0, -1]) if ((await tellsAt(days)) === 1) told.push(days)
    assert.deepEqual(told, [30, 14, 7, 3, 1, 0])
    const messages = (await it.events('certificate_expires')).map(({ message, object_id }) => [object_id, message]).toSorted()
    const field = `default_tls_container_ref ${it.references.first}`
    assert.deepEqual(
      messages,
      [...Array(5).fill(`${field}: it expires at 2030-06-30T12:00:00.`), `${field}: it expired at 2030-06-30T12:00:00.`]
        .map((message) => [it.first.id, message])
        .toSorted(),
    )
    it.stage.certificates.replaceCertificate(it.references.first, await aCertificate({ to: '2030-07-01T12:00:00Z' }))
    await it.renews()
    assert.equal(await tellsAt(0), 1)
  },
)

test('keys of users are in no row of the database', async () => {
  const db = await aDatabase()
  const it = await aStage(db)
  await it.addsMember()
  it.stage.certificates.replaceCertificate(it.references.first, it.three)
  await it.renews()
  it.stage.certificates.replaceCertificate(it.references.first, { ...it.one, private_key: it.two.private_key })
  await it.renews()
  const everything = []
  for (const { name } of await db.introspection.getTables())
    everything.push(
      await db
        .selectFrom(name as 'flow')
        .selectAll()
        .execute(),
    )
  const text = JSON.stringify(everything)
  assert.match(text, /tls_certificate|default_tls_container_ref/)
  for (const { private_key } of [it.one, it.two, it.three]) {
    for (const line of private_key.split('\n').filter((part) => part.length > 20 && !part.startsWith('-----')))
      assert.ok(!text.includes(line))
  }
  await db.destroy()
})
