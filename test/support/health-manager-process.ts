/** A health manager in a process of its own, to be frozen: `health-manager-process.ts CONNECTION CONFIG`. Prints its port when it listens; ends by a signal. */
import { openDatabase } from '../../src/db/connection.ts'
import { NoopAmphora } from '../../src/drivers/amphora/noop.ts'
import { NoopCompute } from '../../src/drivers/compute/noop.ts'
import { NoopImages } from '../../src/drivers/image/noop.ts'
import { NoopNetwork } from '../../src/drivers/network/noop.ts'
import { startHealthManager } from '../../src/health-manager/health-manager.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { createMetrics } from '../../src/monitoring/metrics.ts'
import { aConfig } from './builders.ts'

const [connection, config] = process.argv.slice(2)
const db = await openDatabase({ connection: connection! })
const drivers = { compute: new NoopCompute(), image: new NoopImages(), network: new NoopNetwork(), amphora: new NoopAmphora() }
const context = {
  db,
  config: aConfig(JSON.parse(config!)),
  clock: systemClock,
  log: createLog('silent'),
  metrics: createMetrics(),
  ...drivers,
}
const { ports } = await startHealthManager(context, { bind: [{ address: '127.0.0.1', port: 0 }], keys: () => ['heartbeat key'] })
console.log(ports[0])
