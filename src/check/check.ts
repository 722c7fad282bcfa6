/**
 * `ottavia check`: what a start would run into, before it. Nothing is made or changed anywhere; each area is looked at beside the others and within a
 * time of its own, so that one service that hangs hides nothing.
 */
import type { Config } from '../config/config.ts'
import { hasOpenStack } from '../config/driver-defaults.ts'
import { within } from '../lib/within.ts'
import { checkApi } from './api.ts'
import { checkCertificates } from './certificates.ts'
import { checkCompute } from './compute.ts'
import { checkDatabase } from './database.ts'
import { type Area, areas, error, type Finding, type Said, warning } from './finding.ts'
import { checkHeartbeats } from './heartbeats.ts'
import { checkIdentity } from './identity.ts'
import { checkImage } from './image.ts'
import { checkNetwork } from './network.ts'
import { checkSecrets } from './secrets.ts'
import { closeServices, openServices, type Services, wordsOfFailure } from './services.ts'

/** For all questions of one area. */
const AREA_TIMEOUT_MS = 45_000

export interface Look {
  config: Config
  /** Null where octavia.conf names no OpenStack, or says not enough about it. */
  services: Services | null
}

type Check = (look: Look) => Promise<Said[]>

const checks: Record<Exclude<Area, 'configuration'>, Check> = {
  database: checkDatabase,
  identity: checkIdentity,
  compute: checkCompute,
  image: checkImage,
  network: checkNetwork,
  secrets: checkSecrets,
  certificates: checkCertificates,
  heartbeats: checkHeartbeats,
  api: checkApi,
}

const reachable = (section: string) =>
  `[${section}] endpoint_override, region_name, endpoint_type, ca_certificates_file: which endpoint of the catalog is asked, and how`

/** Where a service gives no answer at all. */
const hints: Partial<Record<Area, string>> = { compute: reachable('nova'), image: reachable('glance'), network: reachable('neutron') }

/** `warnings`: what the configuration's reader had to say. */
export async function check({ config, warnings }: { config: Config; warnings: readonly string[] }): Promise<Finding[]> {
  const findings: Finding[] = warnings.map((says) => ({ area: 'configuration', ...warning(says) }))
  let services: Services | null = null
  try {
    if (hasOpenStack(config)) services = openServices(config)
  } catch (failure) {
    findings.push({ area: 'configuration', ...error(wordsOfFailure(failure)) })
  }
  try {
    const names = areas.filter((area) => area !== 'configuration')
    const said = await Promise.all(names.map((area) => bounded(area, { config, services })))
    return [...findings, ...names.flatMap((area, i) => said[i]!.map((one) => ({ area, ...one })))]
  } finally {
    if (services !== null) closeServices(services)
  }
}

const bounded = (area: keyof typeof checks, look: Look): Promise<Said[]> =>
  within(AREA_TIMEOUT_MS, checks[area](look)).catch((failure: unknown) => [error(wordsOfFailure(failure), hints[area])])
