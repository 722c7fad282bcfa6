import type { Config } from './config/config.ts'
import type { Db } from './db/connection.ts'
import type { AmphoraDriver } from './drivers/amphora/driver.ts'
import type { CertificateDriver } from './drivers/certificates/driver.ts'
import type { ComputeDriver } from './drivers/compute/driver.ts'
import type { ImageDriver } from './drivers/image/driver.ts'
import type { NetworkDriver } from './drivers/network/driver.ts'
import { flowKit } from './flow/define.ts'
import type { Clock } from './lib/clock.ts'
import type { Log } from './lib/log.ts'
import type { Metrics } from './monitoring/metrics.ts'
import type { Trust } from './trust/trust.ts'

/** What every task, route and periodic job is given. */
export interface Context {
  readonly db: Db
  readonly config: Config
  readonly compute: ComputeDriver
  readonly network: NetworkDriver
  readonly image: ImageDriver
  readonly amphora: AmphoraDriver
  /** Users' certificates. */
  readonly certificates: CertificateDriver
  /** By what controllers and agents know each other. */
  readonly trust: Trust
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

export const { flow, task } = flowKit<Context>()
