/** Names become ids, wherever the named thing is kept. */
import { Fault } from '../../client/index.ts'
import { operations } from './operations.ts'
import type { Session } from './session.ts'
import type { LookUp, NounName } from './table.ts'

/** There is none of that name or id, or more than one. */
export class LookUpError extends Error {}

type Found = { id?: string; name?: string }
type Key = 'id' | 'name'

/** What the openstack command calls them in its messages. */
const many: Record<NounName, string> = {
  'load balancer': 'loadbalancers',
  listener: 'listeners',
  pool: 'pools',
  member: 'members',
  'health monitor': 'healthmonitors',
  l7policy: 'l7policies',
  l7rule: 'l7rules',
  flavor: 'flavors',
  'flavor profile': 'flavorprofiles',
  'availability zone': 'availability_zones',
  'availability zone profile': 'availability_zone_profiles',
  amphora: 'amphorae',
}

/** What is known by one of the two alone. */
const onlyBy: Partial<Record<LookUp, Key>> = { l7rule: 'id', amphora: 'id', 'availability zone': 'name' }

/** What the network service calls them. */
const ofNetwork = { network: 'networks', subnet: 'subnets', port: 'ports', 'qos policy': 'policies' } as const

const uuid = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i
export const isUuid = (text: string) => uuid.test(text)

/** In: `parent`, the id of what it stands in, for members and l7rules. Throws LookUpError. */
export async function idOf(session: Session, what: LookUp, nameOrId: string, parent = ''): Promise<string> {
  if (what === 'project') return projectId(session, nameOrId)
  if (what === 'network' || what === 'subnet' || what === 'port' || what === 'qos policy')
    return networkId(session, ofNetwork[what], nameOrId)
  const key = onlyBy[what]
  const by = async (key: Key) => (await operations[what].list(session.client, { [key]: nameOrId } as never, parent)).items as Found[]
  const found = await theOne(nameOrId, many[what], key === undefined ? inOrder(nameOrId, by) : [() => by(key)])
  return found[key ?? 'id']!
}

/** What looks like an id is first looked for as one. */
function inOrder(nameOrId: string, by: (key: Key) => Promise<Found[]>): (() => Promise<Found[]>)[] {
  const keys: Key[] = isUuid(nameOrId) ? ['id', 'name'] : ['name', 'id']
  return keys.map((key) => () => by(key))
}

async function theOne(nameOrId: string, kind: string, ways: (() => Promise<Found[]>)[]): Promise<Found> {
  for (const look of ways) {
    const found = await look()
    if (found.length > 1) throw new LookUpError(`${found.length} ${kind} found with name or ID of ${nameOrId}. Please try again with UUID`)
    if (found[0] !== undefined) return found[0]
  }
  throw new LookUpError(`Unable to locate ${nameOrId} in ${kind}`)
}

async function networkId(session: Session, kind: string, nameOrId: string): Promise<string> {
  const path = kind === 'policies' ? '/qos/policies' : `/${kind}`
  const by = async (key: Key) => {
    const answer = await session.ask<Record<string, Found[]>>('network', `${path}?${new URLSearchParams({ [key]: nameOrId })}`)
    // Where there is no catalog nobody can be asked, and what is given is the id.
    return answer === null ? [{ id: nameOrId }] : (answer[kind] ?? [])
  }
  return (await theOne(nameOrId, kind, inOrder(nameOrId, by))).id!
}

/** Not everyone may ask who the projects are: then what is given is the id. */
async function projectId(session: Session, nameOrId: string): Promise<string> {
  try {
    const found = await session.ask<{ project: { id: string } }>('identity', `/projects/${encodeURIComponent(nameOrId)}`)
    return found === null ? nameOrId : found.project.id
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    if (error.status === 403) return nameOrId
    if (error.status !== 404) throw error
  }
  const answer = await session.ask<{ projects: Found[] }>('identity', `/projects?${new URLSearchParams({ name: nameOrId })}`)
  return (await theOne(nameOrId, 'project', [async () => answer?.projects ?? []])).id!
}
