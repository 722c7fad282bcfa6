/** A health manager alone in its process. On standard output its port and, when SIGTERM ends it, how many rows it has written. */
import { loadConfig } from '../../src/config/config.ts'
import { openDatabase } from '../../src/db/connection.ts'
import { NoopAmphora } from '../../src/drivers/amphora/noop.ts'
import { NoopCompute } from '../../src/drivers/compute/noop.ts'
import { NoopImages } from '../../src/drivers/image/noop.ts'
import { NoopNetwork } from '../../src/drivers/network/noop.ts'
import { startHealthManager } from '../../src/health-manager/health-manager.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { createMetrics, exposeMetrics } from '../../src/monitoring/metrics.ts'
import { HEARTBEAT_KEY } from './fleet.ts'

const [connection = '', intervalSeconds = '', timeoutSeconds = ''] = process.argv.slice(2)
const config = loadConfig({
  stateDirectory: '/nonexistent',
  overrides: {
    controller_worker: {
      compute_driver: 'compute_noop_driver',
      network_driver: 'network_noop_driver',
      amphora_driver: 'amphora_noop_driver',
    },
    health_manager: { heartbeat_interval: Number(intervalSeconds), heartbeat_timeout: Number(timeoutSeconds), health_check_interval: 1 },
  },
})
const db = await openDatabase({ connection })
const metrics = createMetrics()
const keys = [HEARTBEAT_KEY]
const drivers = { compute: new NoopCompute(), image: new NoopImages(), network: new NoopNetwork(), amphora: new NoopAmphora() }
const { ports, stop } = await startHealthManager(
  { db, config, clock: systemClock, log: createLog('warn', 2), metrics, ...drivers },
  { bind: [{ address: '127.0.0.1', port: 0 }], keys: () => keys },
)
console.log(String(ports[0]))
process.once('SIGTERM', async () => {
  await stop()
  await db.destroy()
  const rows = (await exposeMetrics(metrics)).matchAll(/^ottavia_heartbeat_rows_total\{.*\} (\d+)$/gm)
  console.log(String([...rows].reduce((sum, [, count]) => sum + Number(count), 0)))
  process.exit()
})
