import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exec } from '../../src/lib/exec.ts'
import { retry } from '../../src/lib/retry.ts'
import { freePort } from './free-ports.ts'

/** Inside: loopback up, a /run of its own, then the command as a child of a shell, because process 1 has to reap orphans and node does not. */
const PREPARE = 'mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/lock && ip link set lo up && "$@"; exit $?'

/** Runs the command in new network, mount and process namespaces without any interface but loopback; returns its status. */
export function enterSandbox(command: string[]): Promise<number> {
  return statusOf(spawnSandboxed(command, 'inherit'))
}

/** The same, but returns what the command printed, too. */
export async function readSandbox(command: string[], env: NodeJS.ProcessEnv): Promise<{ status: number; output: string }> {
  const child = spawnSandboxed(command, ['ignore', 'pipe', 'inherit'], env)
  let output = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const status = await statusOf(child)
  return { status, output }
}

function spawnSandboxed(command: string[], stdio: StdioOptions, env: NodeJS.ProcessEnv = {}): ChildProcess {
  const args = ['--net', '--mount', '--pid', '--ipc', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', PREPARE, 'sh', ...command]
  return spawn('unshare', args, { stdio, env: { ...process.env, ...env, OTTAVIA_SANDBOX: '1' } })
}

function statusOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)))
  })
}

export interface PostgresServer {
  url: string
  /** The same server for who is in another network namespace. */
  socketUrl: string
  pid: number
  stop(): Promise<void>
  /** As if the machine had failed: no connection is ended in good order. */
  crash(): Promise<void>
  startAgain(): Promise<void>
}

/** A throw-away PostgreSQL on loopback, on this port or a free one; undefined where none is installed. It refuses to run as root, hence the other user. */
export async function startPostgres(wantedPort?: number): Promise<PostgresServer | undefined> {
  const root = '/usr/lib/postgresql'
  const version = existsSync(root) ? readdirSync(root).sort().at(-1) : undefined
  if (version === undefined) return undefined
  const port = wantedPort ?? (await freePort())
  const bin = join(root, version, 'bin')
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-postgres-'))
  const data = join(directory, 'data')
  mkdirSync(data)
  await exec('chown', ['-R', 'postgres', directory])
  const asPostgres = (program: string, ...args: string[]) =>
    exec('setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', join(bin, program), ...args], {
      cwd: directory,
      timeoutMs: 60_000,
      env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
    })
  const settings = `-c listen_addresses=127.0.0.1 -c port=${port} -c fsync=off -c max_connections=200 -c unix_socket_directories=${directory}`
  const start = () => asPostgres('pg_ctl', 'start', '-w', '-D', data, '-l', join(directory, 'log'), '-o', settings)
  const crash = () => asPostgres('pg_ctl', 'stop', '-D', data, '-m', 'immediate')
  await asPostgres('initdb', '-D', data, '--auth=trust', '--no-sync', '-U', 'ottavia')
  await start()
  return {
    url: `postgresql://ottavia@127.0.0.1:${port}/postgres`,
    socketUrl: `postgresql://ottavia@localhost:${port}/postgres?host=${encodeURIComponent(directory)}`,
    get pid() {
      return Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n', 1)[0])
    },
    async crash() {
      await crash()
    },
    async startAgain() {
      await start()
    },
    async stop() {
      await retry({ attempts: 2, firstWaitMs: 100, longestWaitMs: 100 }, crash)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** For a program that needs the sandbox: outside it runs itself again inside and ends with that status; inside it returns. */
export async function insideSandbox(file: string): Promise<void> {
  if (process.env.OTTAVIA_SANDBOX === '1') return
  if (process.getuid?.() !== 0) {
    console.error('the sandbox needs root')
    process.exit(1)
  }
  process.exit(await enterSandbox([process.execPath, file, ...process.argv.slice(2)]))
}
