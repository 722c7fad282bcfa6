import assert from 'node:assert/strict'
import { anAmphoraRow } from '../../test/support/builders.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { eventually } from '../../test/support/eventually.ts'
import { timestamp } from '../lib/clock.ts'
import { recordNewAgent } from '../resources/amphora/agents.ts'
import { credentialsOf } from '../trust/trust.ts'
import { renewServerCertificates } from './renew-server-certificates.ts'
import { updateAgents } from './update-agents.ts'

const DAY_MS = 86_400_000

forEachDatabase('certificates of agents are renewed before they end, those of others are left', async (open) => {
  const config = { certificates: { server_certs_key_passphrase: ['a passphrase'] } }
  const { cloud } = await aCloud({ db: await open(), config }).empty()
  const { db, clock, context, amphora, trust } = cloud
  const endingAfter = async (id: string, days: number, given: Parameters<typeof anAmphoraRow>[0] = {}) => {
    const row = anAmphoraRow({ id, cert_expiration: timestamp(clock.now() + days * DAY_MS), ...given })
    await db.insertInto('amphora').values(row).execute()
    await recordNewAgent(db, id, credentialsOf(trust.current))
  }
  await endingAfter('soon', 13)
  await endingAfter('later', 15)
  await endingAfter('deleted', 13, { status: 'DELETED' })
  await endingAfter('being renewed', 13, { cert_busy: true })
  assert.deepEqual(await renewServerCertificates.run(context), { renewals_begun: 1 })
  await eventually(() => amphora.agents.get('soon')?.serverCertificate != null)
  await eventually(async () => (await renewServerCertificates.run(context)).renewals_begun === 0)
  assert.deepEqual([...amphora.agents.keys()], ['soon'])

  // No flow is at work, so whoever marked it has died.
  await eventually(async () => (await db.selectFrom('flow').select('id').where('ended_at_ms', 'is', null).execute()).length === 0)
  assert.deepEqual(await updateAgents.run(context), { freed: 1, updates_begun: 0 })
  assert.deepEqual(await renewServerCertificates.run(context), { renewals_begun: 1 })
})
