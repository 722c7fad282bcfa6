/** Agents that may be dead or hang: what is only worth doing with one that answers does not wait for one that does not. */
import type { Context } from '../context.ts'
import type { AgentInfo } from '../drivers/amphora/driver.ts'
import { AgentUnreachable } from '../drivers/errors.ts'
import type { StepContext } from '../flow/define.ts'
import { isStillThere } from './machine-lives.ts'
import type { ServingAmphora } from './serving-amphorae.ts'

/** An agent that answers does so in milliseconds; so long it may be busy. */
const ANSWERS_WITHIN_MS = 3_000

/** What the agent says of itself, or null where it does not answer. */
export async function askIfAnswering(
  { amphora: agents, compute, signal }: Context & StepContext,
  amphora: ServingAmphora,
): Promise<AgentInfo | null> {
  const patience = AbortSignal.timeout(ANSWERS_WITHIN_MS)
  const stillThere = isStillThere(compute, amphora.compute_id)
  try {
    return await agents.waitForAgent(amphora, 'failover', { stillThere, signal: AbortSignal.any([signal, patience]) })
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof AgentUnreachable || patience.aborted) return null
    throw error
  }
}
