/** Before a planned replacement clients leave the amphora that serves, as far as they can, and its partner takes the VIP. */
import { type Context, task } from '../context.ts'
import { AgentError, AgentUnreachable } from '../drivers/errors.ts'
import type { StepContext } from '../flow/define.ts'
import { requireLoadBalancer } from '../resources/load-balancer/tree.ts'
import { askIfAnswering } from './answering.ts'
import { fenceOf } from './fence.ts'
import { whileMachineLives } from './machine-lives.ts'
import type { ServingAmphora } from './serving-amphorae.ts'

/** What an agent says that can ask its clients to leave. */
const HANDOVER = 'handover'

type HandOver = { load_balancer_id: string; former: ServingAmphora; partners: ServingAmphora[] }

/**
 * Answers the connections that were left when the VIP went, for the journal; null where there was nothing to hand over, or nobody who does it: an
 * agent that is dead or hangs is replaced all the same.
 */
export const handOver = task('hand-over', {
  async execute(context, { load_balancer_id, former, partners }: HandOver): Promise<{ connections_left: number } | null> {
    const info = await askIfAnswering(context, former)
    if (info === null || !(await holdsVip(context, former, load_balancer_id))) return null
    const release_vips = await someoneAnswers(context, partners)
    try {
      return await whileMachineLives(context, former, async () => {
        if (info.capabilities?.includes(HANDOVER)) {
          const drain_seconds = context.config.haproxy_amphora.handover_drain
          return await context.amphora.handOver(former, { drain_seconds, release_vips }, fenceOf(context))
        }
        // Upstream's agents can at least have keepalived tell its peer, instead of leaving it to find out.
        if (release_vips) await context.amphora.stopKeepalived(former, fenceOf(context))
        return null
      })
    } catch (error) {
      if (!(error instanceof AgentUnreachable || error instanceof AgentError)) throw error
      context.log.warn({ amphora_id: former.id, error: error.message }, 'an amphora is replaced without having handed over')
      return null
    }
  },
})

/** Of several, those that hold no VIP come first: while they are replaced nobody notices. */
export async function holdsVip(context: Context & StepContext, amphora: ServingAmphora, load_balancer_id: string): Promise<boolean> {
  const { vip_address } = await requireLoadBalancer(context.db, load_balancer_id)
  try {
    await whileMachineLives(context, amphora, () => context.amphora.getInterface(amphora, vip_address))
    return true
  } catch (error) {
    if (error instanceof AgentUnreachable || error instanceof AgentError) return false
    throw error
  }
}

async function someoneAnswers(context: Context & StepContext, amphorae: ServingAmphora[]): Promise<boolean> {
  for (const amphora of amphorae) if ((await askIfAnswering(context, amphora)) !== null) return true
  return false
}
