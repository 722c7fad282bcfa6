/**
 * The state directory: everything an installation keeps besides an external database. Made at the first start with mode 0700; what is
 * secret in it has mode 0600.
 */
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { retry } from '../lib/retry.ts'
import { callersPath } from './configuration.ts'

const PREPARE_RETRY = { attempts: 300, firstWaitMs: 20, longestWaitMs: 100 }

/** `--state`, else OTTAVIA_STATE_DIR, else `var` in the checkout (not in the working directory). Relative paths are the caller's. */
export function stateDirectoryOf(option: string | undefined): string {
  const chosen = option ?? process.env.OTTAVIA_STATE_DIR
  if (chosen === undefined || chosen === '') return fileURLToPath(new URL('../../var', import.meta.url))
  return callersPath(chosen)
}

/** In the name of every bridge, veth, namespace, cgroup and nft table, so that several states run side by side on one host. */
export function stateHash(stateDirectory: string): string {
  return createHash('sha256').update(stateDirectory).digest('hex').slice(0, 6)
}

/** Makes the directory, or checks that the one there is private. */
export function openStateDirectory(stateDirectory: string): void {
  mkdirSync(join(stateDirectory, 'log'), { recursive: true, mode: 0o700 })
  chmodSync(stateDirectory, 0o700)
}

/** One process makes what embedded services need on this machine, or takes it away. Throws when another does. */
export function lockState(stateDirectory: string): Promise<() => void> {
  return lock(stateHash(stateDirectory), `another controller is running on the state ${stateDirectory}`)
}

/** One process uses an SQLite database, from whichever state. Throws when another does. */
export function lockDatabaseFile(path: string): Promise<() => void> {
  return lock(`db-${stateHash(path)}`, `another controller uses the database ${path}; several need PostgreSQL ([database] connection)`)
}

/** What the first start makes in the state directory is made by one of several processes that start at the same time. */
export async function whilePreparing<T>(stateDirectory: string, work: () => Promise<T>): Promise<T> {
  const name = `prepare-${stateHash(stateDirectory)}`
  const release = await retry(PREPARE_RETRY, () =>
    lock(name, `another process has been preparing the state ${stateDirectory} for too long`),
  )
  try {
    return await work()
  } finally {
    release()
  }
}

/** A socket in the abstract namespace, which the kernel takes away with the process, however it ends. */
async function lock(name: string, refusal: string): Promise<() => void> {
  const server = createServer()
  await new Promise<void>((granted, refused) => {
    server.once('error', (error: NodeJS.ErrnoException) => refused(error.code === 'EADDRINUSE' ? new Error(refusal) : error))
    server.listen(`\0ottavia-${name}`, granted)
  })
  server.unref()
  return () => server.close()
}

/** Whole or not at all, also when the machine stops half-way or another process does the same. */
export function writePrivately(path: string, contents: string): void {
  const written = `${path}.${process.pid}.new`
  writeFileSync(written, contents, { mode: 0o600 })
  renameSync(written, path)
}

/** The secret in this file of the state directory; made at random at the first call. */
export function secretOf(stateDirectory: string, name: string): string {
  const path = join(stateDirectory, name)
  if (!existsSync(path)) writePrivately(path, randomBytes(32).toString('base64url'))
  return readFileSync(path, 'utf8').trim()
}
