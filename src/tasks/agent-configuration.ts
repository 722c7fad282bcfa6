import type { Context } from '../context.ts'
import type { Topology } from '../db/tables.ts'
import type { AgentAddress } from '../drivers/amphora/driver.ts'
import type { StepContext } from '../flow/define.ts'
import { renderAgentConfiguration } from '../render/agent-configuration.ts'
import { noteGiven } from '../resources/amphora/agents.ts'
import { credentialsOf } from '../trust/trust.ts'
import { fenceOf } from './fence.ts'

/** Noted of an agent of which it is not known which key it has: it is given it again. */
const UNKNOWN = ''

/** With the key that agents are to sign heartbeats with now: never journal or log it. */
export function agentConfigurationOf({ config, trust }: Pick<Context, 'config' | 'trust'>, amphora_id: string, topology: Topology): string {
  const health_manager = { ...config.health_manager, heartbeat_key: trust.current.heartbeatKeys[0]! }
  return renderAgentConfiguration(amphora_id, topology, { ...config, health_manager })
}

/**
 * Gives the agent its configuration, and notes the key that is in it: before the former key counts no more, everybody has to have the new one. Where two do
 * so at once nobody knows whose came last, and so it is done again.
 */
export async function sendAgentConfiguration(context: Context & StepContext, agent: AgentAddress, topology: Topology): Promise<void> {
  const { db, amphora: agents, trust, flow_id } = context
  const { heartbeat_key } = credentialsOf(trust.current)
  const configuration = agentConfigurationOf(context, agent.id, topology)
  await noteGiven(db, agent.id, { heartbeat_key: flow_id })
  await agents.updateAgentConfiguration(agent, configuration, fenceOf(context))
  await db
    .updateTable('amphora_agent')
    .set(({ case: choose, ref }) => ({
      heartbeat_key: choose().when(ref('heartbeat_key'), '=', flow_id).then(heartbeat_key).else(UNKNOWN).end(),
    }))
    .where('amphora_id', '=', agent.id)
    .execute()
}
