/** Our side: a whole control plane on no-op drivers, in this process, whose worker works when it is told to. */
import type { AddressInfo } from 'node:net'
import { sql } from 'kysely'
import type { ApiContext } from '../../src/api/route.ts'
import { createApi } from '../../src/api/server.ts'
import { NoopAmphora } from '../../src/drivers/amphora/noop.ts'
import { LocalCertificates } from '../../src/drivers/certificates/local.ts'
import { NoopCompute } from '../../src/drivers/compute/noop.ts'
import { NoopImages } from '../../src/drivers/image/noop.ts'
import { NoopNetwork } from '../../src/drivers/network/noop.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { createMetrics } from '../../src/monitoring/metrics.ts'
import { allFlows } from '../../src/resources/all-flows.ts'
import { startWorker } from '../../src/worker/worker.ts'
import { aConfig } from '../support/builders.ts'
import { aDatabase } from '../support/databases.ts'
import { MemoryTrust } from '../support/trust.ts'
import { type Answer, ask } from './http.ts'
import type { Request } from './requests.ts'

export interface Ottavia {
  readonly port: number
  ask(request: Request): Promise<Answer>
  /** Resolves when no flow is left to run. */
  settle(): Promise<void>
  /** As if it had just started. */
  reset(): Promise<void>
  stop(): Promise<void>
}

/** A second passes whenever somebody looks, so that what is made later is younger, as lists show it. */
class TickingClock implements Clock {
  #nowMs = Date.parse('2026-01-01T00:00:00Z')
  now(): number {
    this.#nowMs += 1_000
    return this.#nowMs
  }
  monotonic(): number {
    return performance.now()
  }
}

/** In: the directory of the local_cert_manager. */
export async function startOttavia(certificates: string): Promise<Ottavia> {
  const db = await aDatabase()
  const context: ApiContext = {
    db,
    config: aConfig({
      // As the oracle's.
      api_settings: {
        healthcheck_enabled: true,
        default_provider_driver: 'noop_driver',
        enabled_provider_drivers: { noop_driver: 'noop', amphora: 'The Octavia Amphora driver.', octavia: 'alias' },
      },
    }),
    clock: new TickingClock(),
    network: new NoopNetwork(),
    compute: new NoopCompute(),
    image: new NoopImages(),
    amphora: new NoopAmphora(),
    certificates: new LocalCertificates(certificates),
    identity: { validate: async () => null },
    trust: new MemoryTrust(),
    log: createLog('silent'),
    metrics: createMetrics(),
  }
  const api = createApi(context)
  await api.listen({ host: '127.0.0.1', port: 0 })
  const { port } = api.server.address() as AddressInfo
  const { rows: tables } = await sql<{ name: string }>`
    select name from sqlite_master where type = 'table' and name not like 'sqlite%' and name not like 'kysely%'`.execute(db)
  return {
    port,
    ask: (request) => ask(port, request),
    async settle() {
      const worker = startWorker({ context, flows: allFlows })
      await worker.idle()
      await worker.stop()
    },
    async reset() {
      for (const { name } of tables) await sql`delete from ${sql.id(name)}`.execute(db)
    },
    async stop() {
      await api.close()
      await db.destroy()
    },
  }
}
