import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aDatabase } from '../../../test/support/databases.ts'
import { flowSurvives } from '../../../test/support/flow-survives.ts'
import { runFlow } from '../../../test/support/run-flow.ts'
import { SECRET, Stage } from '../../../test/support/stage.ts'
import type { Db } from '../../db/connection.ts'
import { AgentError } from '../../drivers/errors.ts'
import { timestamp } from '../../lib/clock.ts'
import { SecretBox } from '../../lib/secret-box.ts'
import { credentialsOf } from '../../trust/trust.ts'
import { listOutdatedAgents, recordNewAgent, takeAgents } from './agents.ts'
import { updateAgents } from './update-agents-flow.ts'

const passphrase = 'a passphrase of the tests'

/** A pair whose certificates are of a CA, and whose agents know controllers by one, that are no more. */
async function anOutdatedPair(db: Db) {
  const stage = new Stage(db, { certificates: { server_certs_key_passphrase: [passphrase] } })
  await stage.insertServing('ACTIVE_STANDBY', { provisioning_status: 'ACTIVE' })
  const amphorae = await stage.amphorae()
  const amphora_ids = amphorae.map(({ id }) => id)
  for (const id of amphora_ids) await recordNewAgent(db, id, { server_ca: 'former', client_cas: 'former', heartbeat_key: 'former' })
  await db.transaction().execute((tx) => takeAgents(tx, amphora_ids))
  return { context: stage.context, params: { amphora_ids, at_once: 1 }, stage, ids: amphora_ids }
}

const outdated = ({ db, trust, clock }: Stage['context']) =>
  listOutdatedAgents(db, credentialsOf(trust.current), { nowMs: clock.now(), limit: 10 })

flowSurvives(updateAgents, {
  given: anOutdatedPair,
  async whenItSucceeds({ stage, ids, context }) {
    const box = new SecretBox('the passphrase', [passphrase])
    for (const { id, server_certificate, cert_expiration, cert_busy } of await stage.amphorae()) {
      const agent = stage.amphora.agents.get(id)!
      assert.equal(agent.clientCas, 'certificate of the client CA')
      assert.match(agent.agentConfiguration!, new RegExp(`amphora_id = ${id}[\\s\\S]*loadbalancer_topology = ACTIVE_STANDBY`))
      assert.equal(box.open(server_certificate!), agent.serverCertificate)
      assert.deepEqual([cert_expiration, cert_busy], ['2030-01-01T00:00:00', false])
    }
    assert.equal(ids.length, 2)
    assert.deepEqual(await outdated(context), [])
    assert.ok(!(await stage.journal()).includes(SECRET))
    assert.deepEqual(await stage.statuses(), { load_balancer: 'ACTIVE' })
  },
  async whenItReverts({ stage, context, ids }) {
    // Nothing is taken from an agent that has something new; the others are tried again.
    assert.ok((await stage.amphorae()).every(({ cert_busy, status }) => !cert_busy && status === 'ALLOCATED'))
    assert.ok((await outdated(context)).every((id) => ids.includes(id)))
  },
})

test('an agent that is silent or refuses is tried again, ever later, and keeps nobody from what is new', async () => {
  const { stage, context, params, ids } = await anOutdatedPair(await aDatabase())
  const [first, second] = ids as [string, string]
  stage.amphora.disconnect(first)
  stage.amphora.failNext('replaceServerCertificate', new AgentError(second, 'PUT /1.0/certificate', 500, 'no space left'))
  assert.equal(await runFlow(stage.db, updateAgents, params, context), 'DONE')
  const rows = await stage.db.selectFrom('amphora_agent').selectAll().orderBy('amphora_id').execute()
  assert.deepEqual(
    rows.map(({ failures }) => failures),
    [1, 1],
  )
  assert.match(rows.find(({ amphora_id }) => amphora_id === second)!.problem!, /no space left/)
  assert.deepEqual(await outdated(context), [], 'not at once')
  const later = { ...context, clock: { ...context.clock, now: () => Date.now() + 6_000 } }
  assert.deepEqual((await outdated(later)).sort(), [...ids].sort())

  stage.amphora.reconnect(first)
  await stage.db.transaction().execute((tx) => takeAgents(tx, ids))
  assert.equal(await runFlow(stage.db, updateAgents, params, context), 'DONE')
  assert.deepEqual(await outdated(later), [])
})

test('an agent of upstream gets its certificate, and is not asked again to take other CAs of controllers', async () => {
  const { stage, context, params, ids } = await anOutdatedPair(await aDatabase())
  stage.amphora.takeNoClientCas = true
  assert.equal(await runFlow(stage.db, updateAgents, params, context), 'DONE')
  for (const id of ids) assert.match(stage.amphora.agents.get(id)!.serverCertificate!, new RegExp(`certificate of ${id}`))
  assert.deepEqual(await outdated(context), [])
})

test('owners are told once that a certificate of an agent ends soon and could not be renewed', async () => {
  const { stage, context, params, ids } = await anOutdatedPair(await aDatabase())
  const [near, far] = ids as [string, string]
  const ends = async (id: string, days: number) => {
    const cert_expiration = timestamp(Date.now() + days * 86_400_000)
    await stage.db.updateTable('amphora').set({ cert_expiration }).where('id', '=', id).execute()
    return cert_expiration
  }
  const end = await ends(near, 2)
  await ends(far, 10)
  for (const id of ids) stage.amphora.disconnect(id)
  for (let time = 0; time < 3; time++) {
    await stage.db.transaction().execute((tx) => takeAgents(tx, ids))
    assert.equal(await runFlow(stage.db, updateAgents, params, context), 'DONE')
  }
  const [event, ...more] = await stage.db.selectFrom('event').selectAll().execute()
  assert.deepEqual(more, [])
  assert.deepEqual(
    [event!.event, event!.object_type, event!.outcome, event!.count],
    ['amphora_certificate_not_renewed', 'loadbalancer', 'failure', 3],
  )
  assert.match(event!.message!, /could not be renewed and ends soon/)
  assert.match(event!.details!, new RegExp(`^amphora ${near}, until ${end}: `))
})
