import assert from 'node:assert/strict'
import { forEachDatabase } from '../../../test/support/databases.ts'
import { Stage } from '../../../test/support/stage.ts'
import type { AmphoraStatus, ProvisioningStatus } from '../../db/tables.ts'
import { servedByAmphorae } from '../../drivers/amphora/capabilities.ts'
import { beginFailover } from './begin-failover.ts'
import type { FailoverCause } from './failover-flow.ts'

const nobody = '11111111-1111-4111-8111-111111111111'

forEachDatabase('a failover begins once, and says why it does not', async (open) => {
  const stage = new Stage(await open())
  await stage.insertServing('ACTIVE_STANDBY')
  const { db, context } = stage
  const [amphora] = await stage.amphorae()
  const begin = (id: string, cause: FailoverCause) => db.transaction().execute((tx) => beginFailover(tx, context, id, cause))
  const flows = () => db.selectFrom('flow').select(['name', 'subject']).execute()
  const set = async (provisioning_status: ProvisioningStatus, status: AmphoraStatus = 'ALLOCATED') => {
    await db.updateTable('load_balancer').set({ provisioning_status }).execute()
    await db.updateTable('amphora').set({ status }).where('id', '=', amphora!.id).execute()
  }

  assert.equal((await begin(nobody, 'requested')).refusal, 'not_there')
  await set('ACTIVE', 'PENDING_DELETE')
  assert.equal((await begin(amphora!.id, 'no_heartbeat')).refusal, 'serves_none')
  await set('ERROR')
  assert.equal((await begin(amphora!.id, 'requested')).refusal, 'busy')
  stage.amphora.capabilities = { ...servedByAmphorae, failover: false }
  assert.equal((await begin(amphora!.id, 'machine_gone')).refusal, 'unsupported')
  stage.amphora.capabilities = { ...servedByAmphorae, failover: true }
  assert.deepEqual(await flows(), [])

  const { flow_id } = await begin(amphora!.id, 'machine_gone')
  assert.ok(flow_id)
  assert.equal((await stage.statuses()).load_balancer, 'PENDING_UPDATE')
  assert.equal((await begin(amphora!.id, 'management_port_down')).refusal, 'busy')
  assert.deepEqual(await flows(), [{ name: 'failover-amphora', subject: stage.load_balancer_id }])
})
