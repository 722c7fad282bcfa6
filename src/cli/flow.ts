/** `ottavia flow list|show|revert`: what the controller did, step by step, and why something failed. */
import { Argument, type Command, Option } from 'commander'
import { listFlows, showFlow } from '../flow/history.ts'
import type { FlowState } from '../flow/tables.ts'
import { timestamp } from '../lib/clock.ts'
import type { WithInstallation } from '../main/installation.ts'
import { revertOrSettle } from '../resources/load-balancer/revert-again.ts'
import { formatTable } from './table.ts'

const STATES: FlowState[] = ['READY', 'RUNNING', 'REVERTING', 'DONE', 'REVERTED', 'REVERT_FAILURE']
const MAX_LISTED = 1_000

export function addFlowCommands(program: Command, withInstallation: WithInstallation): void {
  const flow = program.command('flow').description('what the controller did, and why something failed')
  const stateDirectory = () => new Option('--state <directory>', 'the state directory')

  flow
    .command('list')
    .description('flows, the latest first')
    .addOption(stateDirectory())
    .option('--load-balancer <id>', 'only those of this load balancer')
    .addOption(new Option('--in <state>', 'only those in this state').choices(STATES))
    .option('--request <id>', 'only those that this API request started (x-openstack-request-id of its answer)')
    .option('--limit <number>', 'at most so many', limit, 50)
    .action((options: { state?: string; loadBalancer?: string; in?: FlowState; request?: string; limit: number }) =>
      withInstallation(options.state, async ({ db }) => {
        const flows = await listFlows(db, {
          subject: options.loadBalancer,
          state: options.in,
          request_id: options.request,
          limit: options.limit,
        })
        const rows = flows.map(({ id, name, subject, state, created_at_ms, ended_at_ms, reason }) => [
          id,
          name,
          subject ?? '',
          state,
          timestamp(created_at_ms),
          took(created_at_ms, ended_at_ms),
          reason?.message ?? '',
        ])
        console.log(formatTable(['id', 'flow', 'load balancer', 'state', 'created at', 'ms', 'reason'], rows))
      }),
    )

  flow
    .command('show')
    .description('one flow with its steps')
    .addArgument(new Argument('<id>'))
    .addOption(stateDirectory())
    .action((id: string, options: { state?: string }) =>
      withInstallation(options.state, async ({ db }) => {
        const found = await showFlow(db, id)
        if (found === null) throw new Error(`there is no flow ${id}`)
        const {
          name,
          subject,
          request_id,
          global_request_id,
          state,
          reason,
          worker,
          generation,
          created_at_ms,
          ended_at_ms,
          params,
          steps,
        } = found
        const fields: [string, string][] = [
          ['id', id],
          ['flow', name],
          ['load balancer', subject ?? ''],
          ['request', [request_id, global_request_id].filter((known) => known !== null).join(', ')],
          ['params', JSON.stringify(params)],
          ['state', state],
          ['reason', reason?.message ?? ''],
          ['details', reason?.details ?? ''],
          ['worker', worker ?? ''],
          ['begun', `${generation} times`],
          ['created at', timestamp(created_at_ms)],
          ['ms', took(created_at_ms, ended_at_ms)],
        ]
        console.log(formatTable(['field', 'value'], fields))
        const rows = steps.map((step) => [
          step.step,
          step.state,
          String(step.started_at_ms - created_at_ms),
          took(step.started_at_ms, step.ended_at_ms),
          step.error ?? JSON.stringify(step.output) ?? '',
        ])
        console.log(formatTable(['step', 'state', 'begun after ms', 'ms', 'result'], rows))
      }),
    )

  flow
    .command('revert')
    .description(
      'try again to revert a flow that ended as REVERT_FAILURE, once its cause is mended; where others were begun about its load balancer since, it only counts as reverted',
    )
    .addArgument(new Argument('<id>'))
    .addOption(stateDirectory())
    .action((id: string, options: { state?: string }) =>
      withInstallation(options.state, async ({ db }) => {
        const found = await showFlow(db, id)
        if (found?.state !== 'REVERT_FAILURE') throw new Error(`there is no flow ${id} in the state REVERT_FAILURE`)
        const answer = await db.transaction().execute((tx) => revertOrSettle(tx, found))
        if (answer === 'busy') throw new Error(`another flow is at work on load balancer ${found.subject}: try again when it has ended`)
        console.log(
          answer === 'reverting'
            ? `flow ${id} is reverted again`
            : `flow ${id} counts as reverted: others were begun about load balancer ${found.subject} since, and built on what it left`,
        )
      }),
    )
}

function limit(text: string): number {
  const parsed = Number(text)
  if (!Number.isInteger(parsed) || parsed < 1 || parsed > MAX_LISTED)
    throw new Error(`--limit: '${text}' should be a number from 1 to ${MAX_LISTED}`)
  return parsed
}

const took = (from: number, to: number | null) => (to === null ? '' : String(to - from))
