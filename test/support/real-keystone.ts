/** A real Keystone (Debian's python3-keystone) in a directory of its own: SQLite, one process, on a free port of loopback. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { exec } from '../../src/lib/exec.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-ports.ts'

const PROGRAM = '/usr/bin/keystone-wsgi-public'
const START_TIMEOUT_MS = 60_000

/** Why there is none; null where there is. */
export const noKeystone = existsSync(PROGRAM) ? null : 'python3-keystone is not installed'

export interface RealKeystone {
  /** The root of /v3. */
  v3: string
  /** Of the user admin on the project admin. */
  adminPassword: string
  stop(): Promise<void>
}

/** In: for how long its tokens live. */
export async function startKeystone({ tokenSeconds }: { tokenSeconds: number }): Promise<RealKeystone> {
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-keystone-'))
  const configuration = join(directory, 'keystone.conf')
  const adminPassword = 'admin password'
  writeFileSync(
    configuration,
    [
      '[DEFAULT]',
      `log_file = ${directory}/log`,
      '[database]',
      `connection = sqlite:///${directory}/keystone.db`,
      '[token]',
      `expiration = ${tokenSeconds}`,
      '[identity]',
      'password_hash_rounds = 4',
      '[fernet_tokens]',
      `key_repository = ${directory}/fernet`,
      '[credential]',
      `key_repository = ${directory}/credential`,
    ].join('\n'),
  )
  const port = await freePort()
  const v3 = `http://127.0.0.1:${port}/v3`
  // The machine's own Python settings break Debian's programs.
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', PYTHONWARNINGS: 'ignore', OS_KEYSTONE_CONFIG_DIR: directory }
  const manage = (...args: string[]) =>
    exec('keystone-manage', ['--config-file', configuration, ...args], { env, timeoutMs: START_TIMEOUT_MS })
  // What fernet_setup and credential_setup would make, each in some seconds of Python: the first key encrypts, 0 is staged as the next.
  for (const repository of ['fernet', 'credential']) {
    mkdirSync(join(directory, repository))
    for (const key of ['0', '1'])
      writeFileSync(join(directory, repository, key), `${randomBytes(32).toString('base64url')}=`, { mode: 0o600 })
  }
  await manage('db_sync')
  // Kept in the file: otherwise a request that reads and one that writes wait for each other.
  const database = new DatabaseSync(join(directory, 'keystone.db'))
  database.exec('PRAGMA journal_mode = WAL')
  database.close()
  const urls = ['public', 'internal', 'admin'].flatMap((kind) => [`--bootstrap-${kind}-url`, v3])
  await manage('bootstrap', '--bootstrap-password', adminPassword, '--bootstrap-region-id', 'RegionOne', ...urls)

  const output = openSync(join(directory, 'output'), 'w')
  const child = spawn(PROGRAM, ['--host', '127.0.0.1', '--port', String(port)], { env, stdio: ['ignore', output, output] })
  const stop = async () => {
    await ended(child)
    rmSync(directory, { recursive: true })
  }
  try {
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`Keystone ended: ${readFileSync(join(directory, 'output'), 'utf8')}`)
      return (await fetch(v3)).ok
    }, START_TIMEOUT_MS)
  } catch (error) {
    await stop()
    throw error
  }
  return { v3, adminPassword, stop }
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}
