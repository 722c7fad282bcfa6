import { sql } from 'kysely'
import { livingControllers } from '../controllers/registry.ts'
import { servingStatuses } from '../resources/amphora/row.ts'
import { type Check, lasting, MAX_TOLD, tellEach } from './trouble.ts'

/** Whatever could not be made or changed. */
export const failedLoadBalancers: Check = async ({ db }) => {
  const rows = await db
    .selectFrom('load_balancer')
    .select(['id', 'name', 'fault'])
    .where('provisioning_status', '=', 'ERROR')
    .orderBy('id')
    .limit(MAX_TOLD + 1)
    .execute()
  return tellEach(rows, 'load_balancer_error', ({ id, name, fault }) => ({
    level: 'error',
    about: id,
    says: `The load balancer ${id} (${name}) is in ERROR. ${fault === null ? '' : [fault.message, fault.details].filter(Boolean).join(' ')}`.trim(),
    type: `ottavia flow list --load-balancer ${id}; to build it anew: openstack loadbalancer failover ${id}`,
  }))
}

const below = [
  ['listener', 'listener'],
  ['pool', 'pool'],
  ['member', 'member'],
  ['health_monitor', 'health monitor'],
  ['l7policy', 'l7policy'],
  ['l7rule', 'l7rule'],
] as const

export const failedObjects: Check = async ({ db }) => {
  const found = await Promise.all(
    below.map(async ([table, word]) => {
      const rows = await db
        .selectFrom(table)
        .select(['id', 'fault'])
        .where('provisioning_status', '=', 'ERROR')
        .orderBy('id')
        .limit(MAX_TOLD + 1)
        .execute()
      return tellEach(rows, `${table}_error`, ({ id, fault }) => ({
        level: 'warning',
        about: id,
        says: `The ${word} ${id} is in ERROR: what was last asked for it is not in service. ${fault === null ? '' : [fault.message, fault.details].filter(Boolean).join(' ')}`.trim(),
        type: null,
      }))
    }),
  )
  return found.flat()
}

/** Those that serve badly or not at all, and why as far as heartbeats say. */
export const ailingLoadBalancers: Check = async ({ db, config, nowMs }) => {
  const rows = await db
    .selectFrom('load_balancer')
    .select(['id', 'name', 'operating_status'])
    .where('operating_status', 'in', ['ERROR', 'DEGRADED'])
    .where('provisioning_status', 'not in', ['ERROR', 'DELETED'])
    .orderBy('operating_status', 'desc')
    .orderBy('id')
    .limit(MAX_TOLD + 1)
    .execute()
  if (rows.length === 0) return []
  const ids = rows.map(({ id }) => id)
  const [members, amphorae] = await Promise.all([
    db
      .selectFrom('member')
      .innerJoin('pool', 'pool.id', 'member.pool_id')
      .select(({ fn }) => ['pool.load_balancer_id', 'member.operating_status', fn.countAll<number>().as('count')])
      .where('pool.load_balancer_id', 'in', ids)
      .groupBy(['pool.load_balancer_id', 'member.operating_status'])
      .execute(),
    db
      .selectFrom('amphora')
      .innerJoin('amphora_health', 'amphora_health.amphora_id', 'amphora.id')
      .select(({ fn }) => ['amphora.loadbalancer_id', fn.countAll<number>().as('count')])
      .where('amphora.loadbalancer_id', 'in', ids)
      .where('amphora.status', 'in', servingStatuses)
      .where('amphora_health.last_update_ms', '<', nowMs - config.health_manager.heartbeat_timeout * 1000)
      .groupBy('amphora.loadbalancer_id')
      .execute(),
  ])
  return tellEach(rows, 'load_balancer_ailing', ({ id, name, operating_status }) => {
    const ofIt = members.filter(({ load_balancer_id }) => load_balancer_id === id)
    const total = ofIt.reduce((sum, { count }) => sum + count, 0)
    const failed = ofIt.filter((row) => row.operating_status === 'ERROR').reduce((sum, { count }) => sum + count, 0)
    const silent = amphorae.find(({ loadbalancer_id }) => loadbalancer_id === id)?.count ?? 0
    const why = [
      ...(silent > 0 ? [`${silent} of its amphorae ${silent === 1 ? 'is' : 'are'} silent`] : []),
      ...(failed > 0 ? [`${failed} of its ${total} members fail their health checks`] : []),
    ]
    return {
      level: operating_status === 'ERROR' ? 'error' : 'warning',
      about: id,
      says: `The load balancer ${id} (${name}) is ${operating_status}: ${why.length === 0 ? 'its amphorae say so' : why.join(', ')}.`,
      type: `openstack loadbalancer status show ${id}`,
    }
  })
}

export const silentAmphorae: Check = async ({ db, config, nowMs }) => {
  const rows = await db
    .selectFrom('amphora')
    .innerJoin('amphora_health', 'amphora_health.amphora_id', 'amphora.id')
    .leftJoin('amphora_failover', 'amphora_failover.amphora_id', 'amphora.id')
    .select([
      'amphora.id',
      'amphora.loadbalancer_id',
      'amphora_health.last_update_ms',
      'amphora_failover.attempts',
      'amphora_failover.retry_at_ms',
    ])
    .where('amphora.status', 'in', ['ALLOCATED', 'ERROR'])
    .where('amphora_health.busy', '=', false)
    .where('amphora_health.last_update_ms', '<', nowMs - config.health_manager.heartbeat_timeout * 1000)
    .orderBy('amphora_health.last_update_ms')
    .limit(MAX_TOLD + 1)
    .execute()
  return tellEach(rows, 'amphora_silent', ({ id, loadbalancer_id, last_update_ms, attempts, retry_at_ms }) => ({
    level: 'error',
    about: id,
    says:
      `The amphora ${id} of load balancer ${loadbalancer_id} was last heard ${lasting(nowMs - last_update_ms)} ago. ` +
      (attempts === null
        ? 'It is to be replaced; if it is not soon, no health manager runs or failovers are held back.'
        : `It could not be replaced in ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}${retry_at_ms === null ? '; one is under way' : retry_at_ms > nowMs ? `; the next is in ${lasting(retry_at_ms - nowMs)}` : ''}.`),
    type: `ottavia flow list --load-balancer ${loadbalancer_id}`,
  }))
}

export const stoppedFailovers: Check = async ({ db, config }) => {
  const { count } = await db
    .selectFrom('amphora')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('status', '=', 'FAILOVER_STOPPED')
    .executeTakeFirstOrThrow()
  if (count === 0) return []
  const says =
    `${count} amphorae are FAILOVER_STOPPED: so many fell silent at once that a network is more likely to have failed than they ` +
    `([health_manager] failover_threshold = ${config.health_manager.failover_threshold}). They are taken back when they are heard again.`
  return [
    { level: 'error', kind: 'failovers_stopped', about: null, says, type: 'openstack loadbalancer amphora list --status FAILOVER_STOPPED' },
  ]
}

export const failedAmphorae: Check = async ({ db }) => {
  const rows = await db
    .selectFrom('amphora')
    .leftJoin('amphora_agent', 'amphora_agent.amphora_id', 'amphora.id')
    .select(['amphora.id', 'amphora.loadbalancer_id', 'amphora.status', 'amphora.fault', 'amphora_agent.problem'])
    .where('amphora.status', '!=', 'DELETED')
    .where(({ or, eb }) => or([eb('amphora.status', '=', 'ERROR'), eb('amphora_agent.problem', 'is not', null)]))
    .orderBy('amphora.id')
    .limit(MAX_TOLD + 1)
    .execute()
  return tellEach(rows, 'amphora_error', ({ id, loadbalancer_id, status, fault, problem }) => ({
    level: status === 'ERROR' ? 'error' : 'warning',
    about: id,
    says: [
      `The amphora ${id} of load balancer ${loadbalancer_id ?? '(none)'} ${status === 'ERROR' ? 'is in ERROR.' : 'cannot be given something new.'}`,
      ...[fault?.message, fault?.details, problem].filter(Boolean),
    ].join(' '),
    type: `openstack loadbalancer amphora failover ${id}`,
  }))
}

/** How many there are, by status: the first line of a report. */
export async function summaryOf({ db }: Pick<Parameters<Check>[0], 'db'>): Promise<string> {
  const [loadBalancers, amphorae, flows] = await Promise.all([
    db
      .selectFrom('load_balancer')
      .select(({ fn }) => ['provisioning_status as word', fn.countAll<number>().as('count')])
      .where('provisioning_status', '!=', 'DELETED')
      .groupBy('provisioning_status')
      .execute(),
    db
      .selectFrom('amphora')
      .select(({ fn }) => ['status as word', fn.countAll<number>().as('count')])
      .where('status', '!=', 'DELETED')
      .groupBy('status')
      .execute(),
    db
      .selectFrom('flow')
      .select(() => [sql<string>`'under way'`.as('word'), sql<number>`count(*)`.as('count')])
      .where('ended_at_ms', 'is', null)
      .execute(),
  ])
  const counts = (rows: readonly { word: string; count: number }[]) =>
    rows.length === 0 ? 'none' : rows.map(({ word, count }) => `${count} ${word}`).join(', ')
  const processes = (await livingControllers(db)).map(({ host, pid, serves }) => `${pid} on ${host} (${serves})`)
  return `controllers: ${processes.length === 0 ? 'none' : processes.join(', ')}; load balancers: ${counts(loadBalancers)}; amphorae: ${counts(amphorae)}; flows: ${counts(flows)}`
}
