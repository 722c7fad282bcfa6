/** What must be true when the cloud was left in peace for a while. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { eventually } from '../support/eventually.ts'
import { quotaDrift } from '../support/quota-drift.ts'
import { Api, answers, type LoadBalancer } from './clients.ts'
import type { Several } from './several.ts'

/** What is under way ends, what is dead is noticed and replaced. */
const QUIET_MS = 90_000
const DELETED_WITHIN_MS = 120_000
/** A controller that is started again answers after seconds. */
const ANSWERED_WITHIN_MS = 60_000

export interface Verdict {
  stuck: string[]
  wrong: string[]
  leaked: string[]
  /** Load balancers in ERROR, each with its reason. */
  inError: string[]
}

/** What there is of the cloud, by kind: names that a load balancer brings with it. */
export async function inventory({ db }: Several): Promise<Map<string, Set<string>>> {
  const links = spawnSync('ip', ['-o', 'link'], { encoding: 'utf8' }).stdout.split('\n')
  // A project's default group is made when it is first needed, and stays.
  const groups = await db.selectFrom('embedded_security_group').selectAll().where('is_default', '=', false).execute()
  const rowsOf = async (table: string) =>
    (
      await db
        .selectFrom(table as 'pool')
        .select('id')
        .execute()
    ).map(({ id }) => `${table} ${id}`)
  const tables = ['load_balancer', 'listener', 'pool', 'member', 'health_monitor', 'amphora']
  return new Map([
    ['namespace', new Set(readdirSync('/run/netns'))],
    ['link', new Set(links.flatMap((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? []))],
    ['port', new Set((await db.selectFrom('embedded_port').select(['id', 'name']).execute()).map(({ id, name }) => `${name} ${id}`))],
    ['security group', new Set(groups.map(({ id, name, made_by }) => `${name} ${id} of ${made_by}`))],
    ['server', new Set((await db.selectFrom('embedded_server').select('name').execute()).map(({ name }) => name))],
    [
      'reservation',
      new Set(
        (await db.selectFrom('vip_reservation').select('load_balancer_id').execute()).map(({ load_balancer_id }) => load_balancer_id),
      ),
    ],
    ['row', new Set((await Promise.all(tables.map(rowsOf))).flat())],
  ])
}

export async function judge(cloud: Several, before: Map<string, Set<string>>): Promise<Verdict> {
  const api = new Api(cloud, Math.random)
  // One that was struck last may be starting still.
  const list = () => eventually(async () => (await api.list()) ?? Promise.reject(new Error('no controller answers')), ANSWERED_WITHIN_MS)
  const verdict: Verdict = { stuck: [], wrong: [], leaked: [], inError: [] }

  await eventually(async () => {
    const wrong = (await Promise.all((await list()).map((one) => whatIsWrong(cloud, one)))).flat()
    return wrong.length === 0
  }, QUIET_MS).catch(() => {})
  for (const one of await list()) {
    if (one.provisioning_status.startsWith('PENDING')) verdict.stuck.push(`${one.name} (${one.id}) is ${one.provisioning_status}`)
    else verdict.wrong.push(...(await whatIsWrong(cloud, one)))
    if (one.provisioning_status === 'ERROR')
      verdict.inError.push(`${one.name} (${one.id}): ${(await reasonOf(cloud, one.id)) ?? 'no reason'}`)
  }
  for (const { id, name, subject } of await cloud.db.selectFrom('flow').selectAll().where('ended_at_ms', 'is', null).execute()) {
    verdict.stuck.push(`flow ${name} ${id} of ${subject} has not ended`)
  }
  verdict.wrong.push(...(await quotaDrift(cloud.db)).map((drift) => `quota: ${JSON.stringify(drift)}`))

  await eventually(async () => {
    const left = await list()
    await Promise.all(left.map(({ id }) => api.ask('DELETE', `/v2/lbaas/loadbalancers/${id}?cascade=true`)))
    return left.length === 0
  }, DELETED_WITHIN_MS).catch(async () => {
    for (const { id, name, provisioning_status } of await list())
      verdict.stuck.push(`${name} (${id}) is not deleted: ${provisioning_status}`)
  })
  const leaks = async () => {
    const now = await inventory(cloud)
    return [...now].flatMap(([kind, names]) => [...names].filter((name) => !before.get(kind)!.has(name)).map((name) => `${kind} ${name}`))
  }
  // Expired rows go with the next round of housekeeping.
  await eventually(async () => (await leaks()).length === 0, DELETED_WITHIN_MS).catch(() => {})
  verdict.leaked.push(...(await leaks()), ...(await quotaDrift(cloud.db)).map((drift) => `quota: ${JSON.stringify(drift)}`))
  return verdict
}

/** Statuses that do not say what is so. */
async function whatIsWrong(
  cloud: Several,
  { id, name, provisioning_status, operating_status, vip_address }: LoadBalancer,
): Promise<string[]> {
  const about = `${name} (${id})`
  if (provisioning_status === 'ERROR') return (await reasonOf(cloud, id)) === null ? [`${about} is in ERROR and nobody knows why`] : []
  if (provisioning_status !== 'ACTIVE') return [`${about} is ${provisioning_status}`]
  const serves = await answers(vip_address)
  if (serves && operating_status !== 'ONLINE') return [`${about} answers and is ${operating_status}`]
  if (!serves && operating_status === 'ONLINE') return [`${about} is ONLINE and does not answer`]
  return []
}

async function reasonOf({ db }: Several, id: string): Promise<string | null> {
  const row = await db.selectFrom('load_balancer').select('fault').where('id', '=', id).executeTakeFirst()
  return row?.fault?.message ?? null
}
