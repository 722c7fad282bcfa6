/** `ottavia serve`: reads the configuration, builds the drivers, starts the services, and ends them in good order. */
import { join } from 'node:path'
import { systemClock } from '../lib/clock.ts'
import { createLog } from '../lib/log.ts'
import { readConfiguration, type ServeOptions } from './configuration.ts'
import { rememberStart } from './installation.ts'
import { lockState, openStateDirectory, stateDirectoryOf } from './state.ts'

/** Ending in good order may take this long; then the process ends as a crash would, which loses nothing either. */
const STOP_TIMEOUT_MS = 10_000

export interface Service {
  stop(): Promise<void>
}

/** Runs until SIGTERM or SIGINT; load balancers go on without us. */
export async function serve(options: ServeOptions): Promise<void> {
  const print = (line: string) => process.stdout.write(`${line}\n`)
  const stateDirectory = stateDirectoryOf(options.state)
  openStateDirectory(stateDirectory)
  const config = readConfiguration(options, stateDirectory, (text) => print(`warning: ${text}`))
  if (config.controller_worker.compute_driver === 'compute_embedded_driver' && process.getuid?.() !== 0) {
    throw new Error('amphorae on this machine are namespaces, which only root can make: type  sudo npm start')
  }
  await lockState(stateDirectory)
  rememberStart(stateDirectory, options)
  const log = createLog(config.DEFAULT.debug ? 'debug' : 'info', config.DEFAULT.log_file ?? join(stateDirectory, 'log', 'controller.log'))

  const { startController } = await import('./controller.ts')
  const controller = await startController({ config, log, clock: systemClock, print, demo: options.demo })
  const signal = await new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name))
  })
  log.info({ signal }, 'stopping')
  setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref()
  await controller.stop()
  process.exit(0)
}
