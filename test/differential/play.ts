/** Sends the same sequence of requests to both servers and says what was answered differently. */
import { compareAnswers, Ids, type Mismatch } from './compare.ts'
import { judge } from './differences.ts'
import type { Answer } from './http.ts'
import type { Oracle } from './oracle.ts'
import type { Ottavia } from './ottavia.ts'
import { type Kind, kinds, NO_ID, type Request, requestOf, type Step, withIds } from './requests.ts'

export interface Exchange {
  step: Step
  /** As Octavia got it. */
  request: Request
  theirs: Answer
  ours: Answer
}

export interface Difference extends Exchange {
  index: number
  mismatches: Mismatch[]
}

export interface Played {
  /** Compared requests. */
  cases: number
  differences: Difference[]
  /** Names of the listed differences that were met. */
  listed: string[]
  /** How often each status was the real one's answer. */
  statuses: Map<string, number>
}

export interface Servers {
  oracle: Oracle
  ottavia: Ottavia
}

/** Both start empty. Where one accepted a change that the other refused, the rest of the sequence has nothing to tell. */
export async function play({ oracle, ottavia }: Servers, steps: readonly Step[]): Promise<Played> {
  oracle.reset()
  await ottavia.reset()
  const ids = new Ids()
  const played: Played = { cases: 0, differences: [], listed: [], statuses: new Map() }

  for (const [index, step] of steps.entries()) {
    if (!(await exchange(step, index))) return played
  }
  oracle.settle()
  await ottavia.settle()
  for (const step of endState(oracle)) {
    if (!(await exchange(step, steps.length))) return played
  }
  return played

  async function exchange(step: Step, index: number): Promise<boolean> {
    const known = new Map<string, { id: string; parent: string | null }[]>()
    const wasPending = oracle.isPending()
    const request = requestOf(step, resolve)
    const theirs = await oracle.ask(request)
    const ours = await ottavia.ask(withIds(request, (id) => ids.ourIdOf(id)))
    played.cases++
    played.statuses.set(String(theirs.status), (played.statuses.get(String(theirs.status)) ?? 0) + 1)
    const verdict = judge({ step, request, theirs, ours }, (one, other) => compareAnswers(one, other, ids))
    if (verdict.listed.length > 0) played.listed.push(...verdict.listed)
    if (verdict.mismatches.length > 0) played.differences.push({ index, step, request, theirs, ours, mismatches: verdict.mismatches })
    if (isAccepted(theirs) !== isAccepted(ours) || theirs.status >= 500) return isHarmless(step)
    if (isHarmless(step)) return true
    // One that Octavia refused may have left its mark nevertheless.
    if (!isAccepted(theirs)) return wasPending || !oracle.isPending()
    const { loadbalancer } = (theirs.body ?? {}) as { loadbalancer?: { id: string } }
    if (step.method === 'POST' && loadbalancer !== undefined) oracle.mendTree(loadbalancer.id)
    if (step.isSettled !== false) {
      oracle.settle()
      await ottavia.settle()
    }
    // The answer to a batch names nobody.
    const batch = /^\/v2(?:\.0)?(?:\/lbaas)?\/pools\/[^/]+\/members/.exec(step.path)
    if (batch !== null && step.method === 'PUT' && theirs.status === 202) return exchange({ method: 'GET', path: batch[0] }, index)
    if (step.method === 'DELETE') return exchange({ method: 'GET', path: request.path.split('?', 1)[0]! }, index)
    return true

    function resolve(kind: Kind, number: number, parent: string | undefined): string {
      const objects = known.get(kind) ?? oracle.objects(kind)
      known.set(kind, objects)
      const object = objects.at(number % Math.max(objects.length, 1))
      return (parent === undefined ? object?.id : object?.parent) ?? NO_ID
    }
  }
}

function isAccepted({ status }: Answer): boolean {
  return status < 300
}

/** Changes nothing. */
function isHarmless({ method }: Step): boolean {
  return !['POST', 'PUT', 'DELETE'].includes(method)
}

/** GET of everything there is. */
function endState(oracle: Oracle): Step[] {
  const steps: Step[] = []
  const get = (path: string) => steps.push({ method: 'GET', path: `/v2/lbaas/${path}` })
  for (const kind of kinds) {
    const objects = oracle.objects(kind)
    if (kind === 'member') for (const pool of new Set(objects.map(({ parent }) => parent))) get(`pools/${indexOf('pool', pool)}/members`)
    else if (kind === 'rule')
      for (const policy of new Set(objects.map(({ parent }) => parent))) get(`l7policies/${indexOf('l7policy', policy)}/rules`)
    else get(plurals[kind])
    if (kind === 'loadbalancer') for (const index of objects.keys()) get(`loadbalancers/<loadbalancer ${index}>/status`)
  }
  get('availabilityzones')
  get('quotas')
  return steps

  function indexOf(kind: Kind, id: string | null): string {
    return `<${kind} ${oracle.objects(kind).findIndex((object) => object.id === id)}>`
  }
}

const plurals = {
  loadbalancer: 'loadbalancers',
  listener: 'listeners',
  pool: 'pools',
  healthmonitor: 'healthmonitors',
  l7policy: 'l7policies',
  flavorprofile: 'flavorprofiles',
  flavor: 'flavors',
  availabilityzoneprofile: 'availabilityzoneprofiles',
}
