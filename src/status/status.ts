/** What is wrong with an installation, as its database and its state directory tell: also while no controller runs. */
import { agentsCertificates, ownCertificates, usersCertificates } from './certificates.ts'
import { controllers } from './controllers.ts'
import { failedFlows, slowFlows, stuckLoadBalancers } from './flows.ts'
import {
  ailingLoadBalancers,
  failedAmphorae,
  failedLoadBalancers,
  failedObjects,
  silentAmphorae,
  stoppedFailovers,
  summaryOf,
} from './load-balancers.ts'
import { foundOrphans } from './orphans.ts'
import type { Check, Look, Trouble } from './trouble.ts'
import { stuckRotations, trustSummary } from './trust.ts'

/** In the order in which an operator wants to read them. */
const checks: readonly Check[] = [
  controllers,
  stuckLoadBalancers,
  failedFlows,
  slowFlows,
  stoppedFailovers,
  silentAmphorae,
  failedLoadBalancers,
  ailingLoadBalancers,
  failedAmphorae,
  failedObjects,
  ownCertificates,
  agentsCertificates,
  usersCertificates,
  stuckRotations,
  foundOrphans,
]

export interface Status {
  /** What there is, in a line; null where the database cannot be asked. */
  summary: string | null
  /** Errors first. */
  troubles: Trouble[]
}

export async function lookForTroubles(look: Look): Promise<Status> {
  try {
    const summary = [await summaryOf(look), await trustSummary(look)].filter(Boolean).join('; ')
    const troubles: Trouble[] = []
    for (const check of checks) troubles.push(...(await check(look)))
    return { summary, troubles: [...troubles.filter(isError), ...troubles.filter((trouble) => !isError(trouble))] }
  } catch (error) {
    const says = `The database cannot be asked: ${(error as Error).message}`
    const troubles = [{ level: 'error', kind: 'database', about: null, says, type: null } as const, ...(await ownCertificates(look))]
    return { summary: null, troubles }
  }
}

const isError = ({ level }: Trouble): boolean => level === 'error'
