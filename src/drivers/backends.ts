import type { Config } from '../config/config.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { OpenStackSession } from './openstack/session.ts'

/** What drivers are built from by the process that starts. */
export interface Backends {
  config: Config
  clock: Clock
  log: Log
  /** One for each `[service_auth]`, opened when the first driver asks for it. Throws ConfigError where that does not say how. */
  openStack(config?: Config): OpenStackSession
}
