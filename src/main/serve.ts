/** `ottavia serve`: reads the configuration, builds the drivers, starts the services, and ends them in good order. */
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { sqliteFile } from '../db/connection.ts'
import { systemClock } from '../lib/clock.ts'
import { createLog } from '../lib/log.ts'
import { allRoles, type Role, readConfiguration, rolesOf, type ServeOptions } from './configuration.ts'
import { databaseConnection, rememberStart } from './installation.ts'
import { lockDatabaseFile, openStateDirectory, stateDirectoryOf } from './state.ts'

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
  const roles = rolesOf(options)
  await refuseSecondOnSqlite(config, roles)
  rememberStart(stateDirectory, options)
  const { debug, log_file } = config.DEFAULT
  const log = createLog(
    debug ? 'debug' : 'info',
    log_file === '-' ? undefined : (log_file ?? join(stateDirectory, 'log', 'controller.log')),
  )

  const { startController } = await import('./controller.ts')
  const fail = (why: string) => {
    log.fatal(why)
    print(`ottavia: ${why}`)
    process.exit(1)
  }
  const controller = await startController({ config, roles, log, clock: systemClock, print, fail, demo: options.demo })
  const signal = await new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name))
  })
  log.info({ signal }, 'stopping')
  setTimeout(() => process.exit(1), STOP_TIMEOUT_MS + config.api_settings.drain_seconds * 1_000).unref()
  await controller.stop()
  process.exit(0)
}

/** It has one writer at a time, and no word that wakes others: several processes would stand in each other's way. */
async function refuseSecondOnSqlite(config: Config, roles: ReadonlySet<Role>): Promise<void> {
  const path = sqliteFile(databaseConnection(config))
  if (path === undefined) return
  if (roles.size < allRoles.length) {
    throw new Error('--roles: with SQLite one process has all of them; several need PostgreSQL ([database] connection = postgresql://...)')
  }
  if (path !== ':memory:') await lockDatabaseFile(path)
}
