/** The whole control plane on no-op drivers in this process, its API on a port of loopback. */
import type { AddressInfo } from 'node:net'
import type { AnnouncedRoute, ApiContext } from '../../src/api/route.ts'
import { createApi } from '../../src/api/server.ts'
import type { Db } from '../../src/db/connection.ts'
import { NoopAmphora } from '../../src/drivers/amphora/noop.ts'
import { NoopCertificates } from '../../src/drivers/certificates/noop.ts'
import { NoopCompute } from '../../src/drivers/compute/noop.ts'
import { NoopImages } from '../../src/drivers/image/noop.ts'
import { NoopNetwork } from '../../src/drivers/network/noop.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { createMetrics } from '../../src/monitoring/metrics.ts'
import { allFlows } from '../../src/resources/all-flows.ts'
import { startWorker } from '../../src/worker/worker.ts'
import { aConfig } from '../support/builders.ts'
import { MemoryIdentity } from '../support/cloud.ts'
import { MemoryTrust } from '../support/trust.ts'

export interface ControlPlane {
  readonly port: number
  readonly routes: readonly AnnouncedRoute[]
  /** Resolves when no flow is left. */
  idle(): Promise<void>
  stop(): Promise<void>
}

export async function startControlPlane(db: Db): Promise<ControlPlane> {
  const noop = {
    compute_driver: 'compute_noop_driver',
    network_driver: 'network_noop_driver',
    amphora_driver: 'amphora_noop_driver',
  } as const
  const context: ApiContext = {
    db,
    config: aConfig({ controller_worker: noop }),
    clock: systemClock,
    compute: new NoopCompute(),
    image: new NoopImages(),
    network: new NoopNetwork(),
    amphora: new NoopAmphora(),
    certificates: new NoopCertificates(),
    identity: new MemoryIdentity(),
    trust: new MemoryTrust(),
    log: createLog('silent'),
    metrics: createMetrics(),
  }
  const worker = startWorker({ context, flows: allFlows })
  const api = createApi(context)
  await api.listen({ host: '127.0.0.1', port: 0 })
  return {
    port: (api.server.address() as AddressInfo).port,
    routes: api.announced,
    idle: () => worker.idle(),
    async stop() {
      await api.close()
      await worker.stop()
    },
  }
}
