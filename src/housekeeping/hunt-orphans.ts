/**
 * Machines, ports, security groups and server groups that carry our names and that nobody knows: of a database that was put back to an older state, or of a fault. They are
 * told of; after a grace time those are deleted that this installation is known to have made. In one cloud there may be another Octavia, whose things bear
 * the same kinds of names: what cannot be told from theirs is never touched. Nor is a user's own port, for drivers list only what was made through them.
 */
import type { Context } from '../context.ts'
import type { Db } from '../db/connection.ts'
import type { OrphanRow } from '../db/tables.ts'
import type { Made } from '../drivers/network/driver.ts'
import { periodicJob } from './periodic-job.ts'

/** In this order they can be deleted: a port is in use while its machine is, a group while its ports or machines are. */
const KINDS = ['server', 'port', 'security_group', 'server_group'] as const
type Kind = OrphanRow['kind']
type Found = Made & { kind: Kind }

/** In one run; the next run takes the next ones. */
const MAX_DELETED = 100
/** Ids in one question. */
const MAX_IDS = 1_000

const uuid = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const ofAmphora = new RegExp(`^(?:amphora-(${uuid})(?:-eth\\d+)?|octavia-lb-vrrp-(${uuid})|octavia-lb-member-(${uuid})-.*)$`)
const ofLoadBalancer = new RegExp(`^(?:octavia-lb-(${uuid})|lb-(${uuid}))$`)

export const huntOrphans = periodicJob(
  'hunt-orphans',
  async (context) => {
    const { db, clock, config, metrics, log } = context
    // First what there is, then what is known: what is made meanwhile is not there yet, and its row or flow is older than it.
    const found = await listMade(context)
    const orphans = await withoutOwner(db, found)
    const known = new Map((await db.selectFrom('orphan').selectAll().execute()).map((row) => [row.id, row]))
    const fresh = orphans.filter(({ id }) => !known.has(id))
    for (const orphan of fresh) {
      const row = { ...orphan, is_ours: await isOurs(db, orphan), first_seen_ms: clock.now() }
      await db
        .insertInto('orphan')
        .values(row)
        .onConflict((conflict) => conflict.doNothing())
        .execute()
      known.set(row.id, row)
      log.warn(row, 'something that nobody knows was found')
    }
    await forget(db, known, new Set(orphans.map(({ id }) => id)))
    for (const kind of KINDS) metrics.orphans.set({ kind }, orphans.filter((orphan) => orphan.kind === kind).length)

    const grace = config.house_keeping.orphan_grace_seconds
    const due = orphans
      .map(({ id }) => known.get(id)!)
      .filter(({ is_ours, first_seen_ms }) => is_ours && grace >= 0 && first_seen_ms <= clock.now() - grace * 1_000)
    return { found: fresh.length, ...(await removeAll(context, due.slice(0, MAX_DELETED))) }
  },
  ({ house_keeping }) => house_keeping.orphan_check_interval,
)

async function listMade({ compute, network }: Context): Promise<Found[]> {
  const lists = {
    server: await compute.listMadeServers(),
    port: await network.listMadePorts(),
    security_group: await network.listMadeSecurityGroups(),
    server_group: await compute.listMadeServerGroups(),
  }
  return KINDS.flatMap((kind) => lists[kind].map(({ id, name, made_by }) => ({ kind, id, name, made_by })))
}

/** Those with a name of ours whose amphora or load balancer is not there, and whose flow is not under way. */
async function withoutOwner(db: Db, found: readonly Found[]): Promise<Found[]> {
  const owned = found.flatMap((thing) => {
    const owner = ownerOf(thing)
    return owner === null ? [] : [{ thing, owner }]
  })
  const living = new Set<string>()
  for (let from = 0; from < owned.length; from += MAX_IDS) {
    const some = owned.slice(from, from + MAX_IDS)
    for (const { id } of await livingOf(
      db,
      some.map(({ owner }) => owner.id),
      some.map(({ thing }) => thing.made_by),
    ))
      living.add(id)
  }
  return owned.filter(({ thing, owner }) => !living.has(owner.id) && !living.has(thing.made_by)).map(({ thing }) => thing)
}

function ownerOf({ name }: Made): { id: string; table: 'amphora' | 'load_balancer' } | null {
  const amphora = ofAmphora.exec(name)?.slice(1).find(Boolean)
  if (amphora !== undefined) return { id: amphora, table: 'amphora' }
  const loadBalancer = ofLoadBalancer.exec(name)?.slice(1).find(Boolean)
  return loadBalancer === undefined ? null : { id: loadBalancer, table: 'load_balancer' }
}

function livingOf(db: Db, ids: readonly string[], flow_ids: readonly string[]): Promise<{ id: string }[]> {
  return db
    .selectFrom('amphora')
    .select('id')
    .where('id', 'in', ids)
    .where('status', '!=', 'DELETED')
    .unionAll(db.selectFrom('load_balancer').select('id').where('id', 'in', ids).where('provisioning_status', '!=', 'DELETED'))
    .unionAll(db.selectFrom('vip_reservation').select('load_balancer_id as id').where('load_balancer_id', 'in', ids))
    .unionAll(db.selectFrom('flow').select('id').where('id', 'in', flow_ids).where('ended_at_ms', 'is', null))
    .execute()
}

/** Rows of what was deleted, and flows that have ended, are kept for a while; an orphan is found long before they go. */
async function isOurs(db: Db, { made_by, ...thing }: Found): Promise<boolean> {
  const { id, table } = ownerOf({ ...thing, made_by })!
  const row = await db
    .selectFrom(table as 'amphora')
    .select('id')
    .where('id', '=', id)
    .executeTakeFirst()
  if (row !== undefined) return true
  return (await db.selectFrom('flow').select('id').where('id', '=', made_by).executeTakeFirst()) !== undefined
}

async function forget(db: Db, known: ReadonlyMap<string, OrphanRow>, orphans: ReadonlySet<string>): Promise<void> {
  for (const id of known.keys()) if (!orphans.has(id)) await db.deleteFrom('orphan').where('id', '=', id).execute()
}

async function removeAll(context: Context, due: readonly OrphanRow[]): Promise<{ deleted: number; failed: number }> {
  const done = { deleted: 0, failed: 0 }
  for (const kind of KINDS) {
    for (const orphan of due.filter((row) => row.kind === kind)) {
      // It may have found an owner while others were deleted.
      if ((await withoutOwner(context.db, [orphan])).length === 0) continue
      try {
        await remove(context, orphan)
        await context.db.deleteFrom('orphan').where('id', '=', orphan.id).execute()
        context.log.warn({ kind, id: orphan.id, name: orphan.name }, 'something that nobody knew was deleted')
        done.deleted += 1
      } catch (error) {
        context.log.warn({ kind, id: orphan.id, error: String(error) }, 'something that nobody knows could not be deleted')
        done.failed += 1
      }
    }
  }
  return done
}

/** Only if it is still what was found. */
function remove({ compute, network }: Context, { kind, id, made_by }: OrphanRow): Promise<void> {
  if (kind === 'server') return compute.deleteServer(id, { made_by })
  if (kind === 'server_group') return compute.deleteServerGroup(id)
  return kind === 'port' ? network.deletePort(id, { made_by }) : network.deleteSecurityGroup(id, { made_by })
}
