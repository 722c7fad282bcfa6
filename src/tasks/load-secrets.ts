import type { Context } from '../context.ts'
import type { StepContext } from '../flow/define.ts'
import { failure } from '../resources/failures.ts'
import type { LoadBalancerTree } from '../resources/load-balancer/tree.ts'
import { listTlsCertificates, recordTlsCertificates } from '../resources/tls-certificates.ts'
import { placesOf, servedPlacesOf } from '../resources/tls-places.ts'
import type { ServingAmphora } from './serving-amphorae.ts'
import { type Fetched, fetchMaterials, isOf, rowsAfter, type Settled, settle } from './tls-materials.ts'

/** What an amphora is to be given, and what is to be written down when it has taken it. */
export type Secrets = Pick<Settled, 'files' | 'unavailable'> & { recordInService(): Promise<void> }

/** Both amphorae of a pair are told at the same time, and the store is asked once for both. */
const underWay = new Map<string, Promise<Fetched[]>>()

/**
 * The files that the listeners and pools of a load balancer need on this amphora. What the store does not give stays as the amphora has it; what it has
 * not either is `unavailable`. Throws VisibleError where that concerns `about`.
 */
export async function loadSecrets(
  context: Context & StepContext,
  amphora: ServingAmphora,
  loadBalancer: LoadBalancerTree,
  about: string | undefined,
): Promise<Secrets> {
  // Agents that serve nothing need no keys.
  if (!context.amphora.hasHaproxy) return { files: [], unavailable: new Set(), recordInService: async () => {} }
  const { id } = loadBalancer
  const before = await listTlsCertificates(context.db, id)
  const fetched = await fetchOnce(context, loadBalancer, before)
  const troubled = fetched.filter(({ problem }) => problem !== null)
  const held = await context.amphora.heldCertificates(
    amphora,
    id,
    troubled.map(({ place }) => place.file),
  )
  const { files, unavailable, kept } = settle(id, fetched, new Set(held))
  const rows = rowsAfter(id, fetched, kept, before)
  const named = placesOf(loadBalancer)
  const causes = new Map(troubled.map(({ place, cause }) => [place.object_id, `${place.field} ${place.reference}: ${cause}`]))
  const record = (after: typeof rows) =>
    recordTlsCertificates(context, id, { before, after, isNamed: (row) => named.some((place) => isOf(place)(row)), causes })

  const wrong = rows.filter(({ object_id, problem }) => object_id === about && problem !== null)
  if (wrong.length > 0) {
    await record(wrong)
    const [{ object_id, problem }] = wrong as [(typeof wrong)[number]]
    throw failure(problem!, { id: object_id, details: causes.get(object_id) })
  }
  return { files, unavailable, recordInService: () => record(rows) }
}

function fetchOnce(context: Context & StepContext, loadBalancer: LoadBalancerTree, rows: Parameters<typeof fetchMaterials>[2]) {
  const key = `${context.flow_id} ${context.generation}`
  const asked =
    underWay.get(key) ??
    fetchMaterials(context, servedPlacesOf(loadBalancer), rows).finally(() => {
      underWay.delete(key)
    })
  underWay.set(key, asked)
  return asked
}
