import type { Tx } from '../../db/connection.ts'
import { type FailedRevert, isFollowed, revertAgain, settleReverts } from '../../flow/history.ts'
import { configureAmphora } from '../amphora/configure-flow.ts'
import { deleteAmphora } from '../amphora/delete-flow.ts'
import { findLoadBalancer, tryLockLoadBalancer } from './repository.ts'

/** Their load balancer is not theirs alone while they run. */
const besideOthers: readonly string[] = [configureAmphora.name, deleteAmphora.name]

/**
 * Lets a flow that ended as REVERT_FAILURE try again what it could not revert; its load balancer is its own meanwhile, as it was before. False where
 * another flow is at work on that, or the flow has been begun again already.
 */
export async function revertFlowAgain(tx: Tx, { id, name, subject }: FailedRevert): Promise<boolean> {
  const loadBalancer = subject === null || besideOthers.includes(name) ? undefined : await findLoadBalancer(tx, subject)
  const isLocked = loadBalancer === undefined || (await tryLockLoadBalancer(tx, loadBalancer.id, ['ACTIVE', 'ERROR']))
  if (!isLocked) return false
  if (await revertAgain(tx, id)) return true
  // Else the load balancer would stay locked.
  throw new Error(`the flow ${id} is not in the state REVERT_FAILURE any more`)
}

/**
 * What an operator asks for. A flow that another has followed is not undone any more, since that would take away what the other relies on: what it left
 * is taken up by the flows after it, and told of as orphans else (decision 0166).
 */
export async function revertOrSettle(tx: Tx, failed: FailedRevert): Promise<'reverting' | 'settled' | 'busy'> {
  if (!(await isFollowed(tx, failed.id))) return (await revertFlowAgain(tx, failed)) ? 'reverting' : 'busy'
  await settleReverts(tx, failed, 'An operator let it rest, since other operations have followed.')
  return 'settled'
}
