/**
 * Agents get what they lack: a certificate before theirs ends or of a new CA, other CAs of controllers, another key for heartbeats. Traffic and heartbeats go on, and nothing of
 * their load balancers is locked. One that cannot be reached is tried again later; it stays as it is, and so does its load balancer.
 */
import { type Context, flow, task } from '../../context.ts'
import type { Db } from '../../db/connection.ts'
import type { Topology } from '../../db/tables.ts'
import { AgentError, AgentUnreachable } from '../../drivers/errors.ts'
import type { StepContext } from '../../flow/define.ts'
import { startFlow } from '../../flow/start.ts'
import { timestamp } from '../../lib/clock.ts'
import { sendAgentConfiguration } from '../../tasks/agent-configuration.ts'
import { fenceOf } from '../../tasks/fence.ts'
import { issueServerCertificate } from '../../tasks/server-certificate.ts'
import { credentialsOf } from '../../trust/trust.ts'
import { recordAgentCertificateEnd } from '../event/record.ts'
import { type Agent, findAgent, noteFailure, noteGiven, releaseAgents, takeAgents } from './agents.ts'

/** A certificate that could not be replaced is an operator's business from so long before its end on. */
const NEAR_END_MS = 3 * 86_400_000

type Params = { amphora_ids: string[]; at_once: number }

/** All amphorae are marked `cert_busy`. */
export const updateAgents = flow<Params>('update-agents', {
  async steps(run, { amphora_ids, at_once }) {
    for (let from = 0; from < amphora_ids.length; from += at_once) {
      const several = amphora_ids.slice(from, from + at_once)
      await run.parallel(
        several,
        (id) => id,
        (branch, id) => branch(updateAgent, id),
      )
    }
  },
  async afterRevert({ db }, { amphora_ids }) {
    await releaseAgents(db, amphora_ids)
  },
})

/** Of those that nobody is at work on; answers how many. */
export async function beginUpdate(db: Db, amphora_ids: readonly string[], { at_once }: Pick<Params, 'at_once'>): Promise<number> {
  if (amphora_ids.length === 0) return 0
  return await db.transaction().execute(async (tx) => {
    const taken = await takeAgents(tx, amphora_ids)
    if (taken.length > 0) await startFlow(tx, updateAgents, { amphora_ids: taken, at_once })
    return taken.length
  })
}

const updateAgent = task('update-agent', {
  async execute(context, amphora_id: string) {
    const { db, clock } = context
    const agent = await findAgent(db, amphora_id)
    if (agent !== undefined) {
      try {
        await bringUpToDate(context, agent)
        await noteGiven(db, amphora_id, { failures: 0, retry_at_ms: 0, problem: null })
      } catch (error) {
        if (!(error instanceof AgentUnreachable || error instanceof AgentError)) throw error
        await noteFailure(db, agent, error.message, clock.now())
        await complain(context, agent, error)
      }
    }
    await releaseAgents(db, [amphora_id])
  },
})

/** Each thing is noted as soon as the agent has it. Repeated after a crash it gives another certificate, which does no harm. */
async function bringUpToDate(context: Context & StepContext, agent: Agent): Promise<void> {
  const { db, amphora: agents, trust, config, clock } = context
  const wanted = credentialsOf(trust.current)
  const fence = fenceOf(context)
  if (agent.client_cas !== wanted.client_cas && agent.takes_client_cas) {
    const { client_cas } = wanted
    const isTaken = await agents.replaceClientCas(agent, trust.current.clientCas, fence)
    await noteGiven(db, agent.id, isTaken ? { client_cas } : { takes_client_cas: false })
  }
  const isEnding =
    agent.cert_expiration !== null && agent.cert_expiration < timestamp(clock.now() + config.house_keeping.cert_expiry_buffer * 1_000)
  if (agent.server_ca !== wanted.server_ca || isEnding) {
    const { pem, columns } = await issueServerCertificate(context, agent.id)
    await agents.replaceServerCertificate(agent, pem, fence)
    await db.transaction().execute(async (tx) => {
      await tx.updateTable('amphora').set(columns).where('id', '=', agent.id).where('status', '!=', 'DELETED').execute()
      await noteGiven(tx, agent.id, { server_ca: wanted.server_ca })
    })
  }
  if (agent.heartbeat_key !== wanted.heartbeat_key) {
    await sendAgentConfiguration(context, agent, await topologyOf(context, agent))
  }
}

async function topologyOf({ db }: Context, { loadbalancer_id }: Agent): Promise<Topology> {
  const row = await db.selectFrom('load_balancer').select('topology').where('id', '=', loadbalancer_id).executeTakeFirst()
  // A spare is given the right one by whoever takes it.
  return row?.topology ?? 'SINGLE'
}

async function complain({ db, log, clock }: Context, agent: Agent, error: Error): Promise<void> {
  const { id, loadbalancer_id, cert_expiration } = agent
  const about = { amphora_id: id, cert_expiration, error: error.message }
  if (cert_expiration === null || cert_expiration >= timestamp(clock.now() + NEAR_END_MS)) {
    log.warn(about, 'an agent could not be given what is new; it will be tried again')
    return
  }
  log.error(about, 'the certificate of an agent ends soon and could not be replaced; after that only a failover helps')
  if (loadbalancer_id === null) return
  const told = { id, loadbalancer_id, cert_expiration }
  await db.transaction().execute((tx) => recordAgentCertificateEnd(tx, told, { problem: error.message, nowMs: clock.now() }))
}
