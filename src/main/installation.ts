/** What an operator's command needs of an installation beside a running controller: its configuration and its database. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { type Db, openDatabase } from '../db/connection.ts'
import { callersPath, readConfiguration, type ServeOptions } from './configuration.ts'
import { stateDirectoryOf, writePrivately } from './state.ts'

/** The options of the last start, so that other commands read the same configuration. */
const optionsFile = (stateDirectory: string) => join(stateDirectory, 'start-options.json')

type StartOptions = Pick<ServeOptions, 'config' | 'portBase' | 'set'>

export function rememberStart(stateDirectory: string, { config, portBase, set }: StartOptions): void {
  writePrivately(
    optionsFile(stateDirectory),
    JSON.stringify({ config: config === undefined ? undefined : callersPath(config), portBase, set }),
  )
}

export const databaseConnection = (config: Config): string =>
  config.database.connection ?? `sqlite://${join(config.stateDirectory, 'ottavia.db')}`

export interface Installation {
  config: Config
  db: Db
}

/** Does `work` with the installation of a state directory; undefined: the default one. */
export type WithInstallation = (state: string | undefined, work: (installation: Installation) => Promise<void>) => Promise<void>

export const withInstallation: WithInstallation = async (state, work) => {
  const installation = await openInstallation(state)
  try {
    await work(installation)
  } finally {
    await installation.db.destroy()
  }
}

/** Throws when nothing was ever started on that state. Close `db` afterwards. */
export async function openInstallation(state: string | undefined): Promise<Installation> {
  const stateDirectory = stateDirectoryOf(state)
  const options = rememberedStart(stateDirectory)
  if (options === null) throw new Error(`nothing was ever started on the state ${stateDirectory}`)
  const config = readConfiguration({ ...options, demo: false }, stateDirectory, () => {})
  return { config, db: await openDatabase({ connection: databaseConnection(config) }) }
}

/** The configuration of a start that is still to come, or of the last one where no file is named. */
export function readInstallation({ state, config, set }: StartOptions & { state?: string }, warn: (text: string) => void): Config {
  const stateDirectory = stateDirectoryOf(state)
  const last = config === undefined ? rememberedStart(stateDirectory) : null
  return readConfiguration({ config, ...last, set: set ?? last?.set, demo: false }, stateDirectory, warn)
}

function rememberedStart(stateDirectory: string): StartOptions | null {
  const remembered = optionsFile(stateDirectory)
  return existsSync(remembered) ? (JSON.parse(readFileSync(remembered, 'utf8')) as StartOptions) : null
}
