/** A real controller as a user starts it (`ottavia serve`), in a process group of its own, on a state directory that the test made. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { exec } from '../../src/lib/exec.ts'

const READY_TIMEOUT_MS = 60_000
const POLL_MS = 20
const program = fileURLToPath(new URL('../../bin/ottavia', import.meta.url))

export interface ControllerOptions {
  stateDirectory?: string
  /** The text of an octavia.conf. */
  config?: string
  portBase: number
  demo?: boolean
  /** Of several processes on one state: what this one does, and what it is called. */
  roles?: string
  name?: string
  /** Of this process; default: the first of `portBase`. */
  apiPort?: number
  /** `section.option=value`. */
  set?: string[]
}

export class Controller {
  readonly stateDirectory: string
  readonly portBase: number
  readonly api: string
  /** The command `ottavia`. */
  readonly program = program
  readonly #options: ControllerOptions
  #child: ChildProcess | undefined

  constructor(options: ControllerOptions) {
    this.#options = options
    this.stateDirectory = options.stateDirectory ?? mkdtempSync(join(tmpdir(), 'ottavia-state-'))
    this.portBase = options.portBase
    this.api = `http://127.0.0.1:${options.apiPort ?? options.portBase}`
  }

  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) throw new Error('the controller is not running')
    return pid
  }

  get isRunning(): boolean {
    const child = this.#child
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  /** What it has printed so far. */
  get output(): string {
    return readFileSync(this.#outputFile, 'utf8')
  }

  get #outputFile(): string {
    return join(this.stateDirectory, `output${this.#options.name ?? ''}`)
  }

  /** Resolves when it has printed its line `ready`. */
  async start(): Promise<this> {
    const args = ['serve', '--state', this.stateDirectory, '--port-base', String(this.portBase)]
    if (this.#options.demo !== true) args.push('--no-demo')
    const { roles, apiPort, set = [] } = this.#options
    if (roles !== undefined) args.push('--roles', roles)
    const settings = [...set, ...(apiPort === undefined ? [] : [`api_settings.bind_port=${apiPort}`])]
    if (settings.length > 0) args.push('--set', ...settings)
    if (this.#options.config !== undefined) {
      const file = join(this.stateDirectory, 'octavia.conf')
      writeFileSync(file, this.#options.config)
      args.push('--config', file)
    }
    // A file and no pipe: a pipe would tell an amphora from a controller that lives on.
    const output = openSync(this.#outputFile, 'w')
    const child = spawn(program, args, { detached: true, stdio: ['ignore', output, output] })
    this.#child = child
    const deadline = performance.now() + READY_TIMEOUT_MS
    while (!/^ready/m.test(this.output)) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the controller ended before it was ready: ${this.output}`)
      if (performance.now() > deadline) throw new Error(`the controller is not ready after ${READY_TIMEOUT_MS} ms: ${this.output}`)
      await sleep(POLL_MS)
    }
    return this
  }

  /** SIGKILL to the whole process group, as nothing can be prepared for. */
  async kill(): Promise<void> {
    await this.#end(() => process.kill(-this.pid, 'SIGKILL'))
  }

  /** SIGTERM; resolves when it has ended. */
  async stop(): Promise<void> {
    await this.#end(() => process.kill(this.pid, 'SIGTERM'))
  }

  async #end(signal: () => void): Promise<void> {
    const child = this.#child
    if (child === undefined || !this.isRunning) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    signal()
    await ended
    this.#child = undefined
  }

  /** `ottavia ...` on this state; returns what it printed. */
  async ottavia(...args: string[]): Promise<string> {
    const { stdout } = await exec(program, args, { env: { ...process.env, OTTAVIA_STATE_DIR: this.stateDirectory }, timeoutMs: 60_000 })
    return stdout
  }

  /** Ends the controller and takes everything away, the state too if it was made here. */
  async down(): Promise<void> {
    await this.stop()
    await this.ottavia('down')
    if (this.#options.stateDirectory === undefined) rmSync(this.stateDirectory, { recursive: true, force: true })
  }

  /** What `source openrc` puts into the environment. */
  credentials(file: 'openrc' | 'openrc-demo' = 'openrc'): Record<string, string> {
    const text = readFileSync(join(this.stateDirectory, file), 'utf8')
    return Object.fromEntries([...text.matchAll(/^export (\w+)='?([^'\n]*)'?$/gm)].map((match) => [match[1]!, match[2]!]))
  }

  /** A token of the user in that file. */
  async token(file: 'openrc' | 'openrc-demo' = 'openrc'): Promise<string> {
    const { OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME } = this.credentials(file)
    const domain = { id: 'default' }
    const response = await fetch(`${OS_AUTH_URL}/auth/tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        auth: {
          identity: { methods: ['password'], password: { user: { name: OS_USERNAME, domain, password: OS_PASSWORD } } },
          scope: { project: { name: OS_PROJECT_NAME, domain } },
        },
      }),
    })
    const token = response.headers.get('x-subject-token')
    if (token === null) throw new Error(`no token: ${response.status} ${await response.text()}`)
    return token
  }

  /** One request to the load balancing API; `status` and the parsed body. */
  async request<T = unknown>(method: string, path: string, token: string, body?: unknown): Promise<{ status: number; body: T }> {
    const response = await fetch(`${this.api}${path}`, {
      method,
      headers: { accept: 'application/json', 'content-type': 'application/json', 'x-auth-token': token },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    const text = await response.text()
    return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as T }
  }
}
