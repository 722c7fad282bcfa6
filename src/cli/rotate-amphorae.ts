/**
 * Replaces amphorae one after the other, for a new image or agent: of a pair the BACKUP first, and the next one only when its load balancer is ACTIVE
 * again. What was replaced before is younger than what is still to be, so an interrupted rotation goes on where it stood.
 */
import { type Amphora, each, Fault, type LoadBalancing, WaitError, waitForActive } from '../client/index.ts'

export interface Rotation {
  /** Of this load balancer alone; without it, of all, and the spare ones. */
  loadBalancerId?: string
  /** Only what was created before, as the API writes times. */
  createdBefore?: string
  /** The new image: amphorae that have it stay. */
  imageId?: string
  /** Only those whose agent is older than this version, or tells none. */
  olderThanAgent?: Version
  /** After a failure the other load balancers have their turn all the same. */
  keepsGoing: boolean
  /** For a load balancer to be ACTIVE, before and after each replacement. */
  timeoutMs: number
}

export interface Outcome {
  replaced: number
  failed: number
  /** Amphorae that were not tried any more. */
  left: number
  /** `createdBefore` of a rotation that goes on with what is left. */
  goesOnBefore: string
}

/** Somebody else's change may come in between our look and our request. */
const MAX_ATTEMPTS = 5

/** `tell` gets a line for each step. Throws what the API says of the list itself. */
export async function rotateAmphorae(client: LoadBalancing, rotation: Rotation, tell: (line: string) => void): Promise<Outcome> {
  const { loadBalancerId, keepsGoing } = rotation
  const all: Amphora[] = []
  for await (const amphora of each((page) =>
    client.listAmphorae({ ...page, ...(loadBalancerId === undefined ? {} : { loadbalancer_id: loadBalancerId }) }),
  )) {
    all.push(amphora)
  }
  const old = all.filter((amphora) => isOld(amphora, rotation))
  const spare = old.filter(({ status }) => status === 'READY')
  const serving = old.filter(({ status, loadbalancer_id }) => loadbalancer_id !== null && SERVING.includes(status)).sort(inTurn)
  const outcome: Outcome = { replaced: 0, failed: 0, left: 0, goesOnBefore: afterAll(all) }
  tell(`${serving.length} of ${all.length} amphorae are to be replaced${spare.length === 0 ? '' : `, and ${spare.length} spare ones`}`)
  // First, or an old one would be the replacement.
  for (const { id } of spare) await removeSpare(client, id, tell)

  const failedFor = new Set<string>()
  for (const [index, amphora] of serving.entries()) {
    const loadBalancer = amphora.loadbalancer_id!
    if (failedFor.has(loadBalancer)) {
      outcome.left += 1
      continue
    }
    const place = `${index + 1}/${serving.length} load balancer ${loadBalancer}: amphora ${amphora.id} (${amphora.role})`
    const startedAt = performance.now()
    try {
      const isReplaced = await replace(client, amphora, rotation)
      tell(`${place} ${isReplaced ? `is replaced after ${((performance.now() - startedAt) / 1000).toFixed(1)} s` : 'is gone already'}`)
      outcome.replaced += isReplaced ? 1 : 0
    } catch (error) {
      if (!(error instanceof Fault || error instanceof WaitError)) throw error
      tell(`${place} could not be replaced: ${error.message}`)
      outcome.failed += 1
      if (!keepsGoing) return { ...outcome, left: outcome.left + serving.length - index - 1 }
      failedFor.add(loadBalancer)
    }
  }
  return outcome
}

const SERVING: readonly Amphora['status'][] = ['ALLOCATED', 'ERROR', 'FAILOVER_STOPPED']

function isOld({ created_at, image_id, agent_version }: Amphora, { createdBefore, imageId, olderThanAgent }: Rotation): boolean {
  if (createdBefore !== undefined && created_at >= createdBefore) return false
  if (imageId !== undefined && image_id === imageId) return false
  if (olderThanAgent === undefined) return true
  const version = versionOf(agent_version ?? '')
  return version === undefined || isOlder(version, olderThanAgent)
}

/** Major, minor, ...; what is not said is 0. */
export type Version = readonly number[]

/** Of `0.2.0` or `0.2`; what follows the numbers (`-1+deb12`) does not count. Undefined of anything else. */
export function versionOf(text: string): Version | undefined {
  return /^\d+(\.\d+)*/.exec(text)?.[0].split('.').map(Number)
}

function isOlder(version: Version, than: Version): boolean {
  for (let at = 0; at < Math.max(version.length, than.length); at++) {
    const difference = (version[at] ?? 0) - (than[at] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}

/** Load balancer by load balancer; the BACKUP, which serves nobody as a rule, before the MASTER. */
function inTurn(a: Amphora, b: Amphora): number {
  return compare(a.loadbalancer_id ?? '', b.loadbalancer_id ?? '') || compare(a.role ?? '', b.role ?? '')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The second after the youngest was created, by the service's clock. */
function afterAll(all: readonly Amphora[]): string {
  const youngest = all
    .map(({ created_at }) => created_at)
    .sort()
    .at(-1)
  return youngest === undefined ? '' : new Date(Date.parse(`${youngest}Z`) + 1_000).toISOString().slice(0, 19)
}

/** False where it is gone, for instance because it died and was replaced meanwhile. Fault or WaitError when it cannot be done. */
async function replace(client: LoadBalancing, { id, loadbalancer_id }: Amphora, { timeoutMs }: Rotation): Promise<boolean> {
  const atRest = () => waitForActive(() => client.getLoadBalancer(loadbalancer_id!), { timeoutMs })
  for (let attempt = 1; ; attempt++) {
    try {
      await atRest()
      if (!(await isThere(client, id))) return false
      await client.failoverAmphora(id)
      await atRest()
      if (await isThere(client, id)) throw new WaitError('It is still there.')
      return true
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      // With its load balancer.
      if (error.status === 404) return false
      if (error.status !== 409 || attempt === MAX_ATTEMPTS) throw error
    }
  }
}

async function isThere(client: LoadBalancing, id: string): Promise<boolean> {
  try {
    return (await client.getAmphora(id)).status !== 'DELETED'
  } catch (error) {
    if (error instanceof Fault && error.status === 404) return false
    throw error
  }
}

/** Housekeeping makes another. */
async function removeSpare(client: LoadBalancing, id: string, tell: (line: string) => void): Promise<void> {
  try {
    await client.deleteAmphora(id)
    tell(`spare amphora ${id} is removed`)
  } catch (error) {
    // A load balancer has just taken it, or it is gone.
    if (!(error instanceof Fault && (error.status === 409 || error.status === 404))) throw error
    tell(`spare amphora ${id} is no longer spare`)
  }
}
