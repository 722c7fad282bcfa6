/** What the parts of the health manager are given. */
import type { Config } from '../config/config.ts'
import type { Db } from '../db/connection.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'

export interface HealthManagerContext {
  readonly db: Db
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
}
