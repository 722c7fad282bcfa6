import { loadConfig } from '../../src/config/config.ts'
import type { Db } from '../../src/db/connection.ts'
import { EmbeddedNetwork } from '../../src/embedded/network/service.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'

export const ADMIN_PROJECT = 'a'.repeat(32)
export const SERVICE_PROJECT = '5'.repeat(32)
export const DEMO_PROJECT = 'd'.repeat(32)

/** The embedded network over this database; with `kernel` it works on the sandbox the test runs in. */
export function anEmbeddedNetwork(
  db: Db,
  options: {
    kernel?: boolean
    stateHash?: string
    embedded?: { private_cidr?: string; management_cidr?: string; private_ipv6_cidr?: string }
  } = {},
): EmbeddedNetwork {
  const { kernel = false, stateHash = 'abc123', embedded = {} } = options
  const config = loadConfig({ stateDirectory: '/nowhere', overrides: { embedded } })
  return new EmbeddedNetwork({ db, stateHash, config, log: createLog('warn', 2), clock: systemClock, kernel })
}

/** The same, with the first networks made. */
export async function aPreparedNetwork(db: Db, options: Parameters<typeof anEmbeddedNetwork>[1] = {}) {
  const service = anEmbeddedNetwork(db, options)
  const first = await service.prepare({ admin_project_id: ADMIN_PROJECT, service_project_id: SERVICE_PROJECT })
  return { service, first }
}
