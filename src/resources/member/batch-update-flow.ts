import { flow } from '../../context.ts'
import { applyRows } from '../../tasks/apply-rows.ts'
import { deleteMemberRows } from '../../tasks/delete-rows.ts'
import { finishTask } from '../../tasks/finish.ts'
import { endInError } from '../../tasks/statuses.ts'
import { recorded } from '../event/record.ts'

type Params = { pool_id: string; load_balancer_id: string; created: string[]; updated: string[]; deleted: string[] }

/**
 * The API has stored the members of the request: new ones as PENDING_CREATE, changed ones as PENDING_UPDATE, missing ones as PENDING_DELETE.
 * However many they are, the amphorae get one new configuration.
 */
export const batchUpdateMembers = flow<Params>('batch-update-members', {
  ...recorded<Params>(
    'update_members',
    'pool',
    ({ pool_id }) => pool_id,
    ({ created, updated, deleted }) => created.length + updated.length + deleted.length,
  ),
  async steps(run, { load_balancer_id, deleted }) {
    await applyRows(run, load_balancer_id)
    await run(finish, { load_balancer_id, deleted })
  },
  async afterRevert(context, { load_balancer_id, created, updated, deleted }, reason) {
    await endInError(context, { load_balancer_id, table: 'member', ids: [...created, ...updated, ...deleted] }, reason)
  },
})

const finish = finishTask<Pick<Params, 'load_balancer_id' | 'deleted'>>('finish-batch', (tx, { deleted }) => deleteMemberRows(tx, deleted))
