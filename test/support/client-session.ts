/** Debian's `openstack` and `neutron` commands, unmodified, kept running through many commands. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const COMMAND_TIMEOUT_MS = 60_000
const script = fileURLToPath(new URL('./client-session.py', import.meta.url))

export interface CommandResult {
  status: number
  stdout: string
  stderr: string
}

/** A command that failed; the message is what the client told its user. */
export class CommandError extends Error {
  constructor(args: string[], { status, stdout, stderr }: CommandResult) {
    super(`${args.join(' ')}: status ${status}: ${(stderr || stdout).trim()}`)
  }
}

export class ClientSession {
  /** Every command that was run. */
  readonly commands: string[][] = []
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>
  readonly #commandTimeoutMs: number
  #complaints = ''

  constructor(client: 'openstack' | 'neutron', credentials: Record<string, string>, commandTimeoutMs = COMMAND_TIMEOUT_MS) {
    this.#commandTimeoutMs = commandTimeoutMs
    const env = { PATH: process.env.PATH, HOME: '/nonexistent', LC_ALL: 'C.UTF-8', ...credentials }
    this.#child = spawn('/usr/bin/python3', [script, client], { env, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints += text
    })
    // A client that ended says so when its next answer is missing.
    this.#child.stdin!.on('error', () => {})
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  /** One command after the other. */
  async any(...args: string[]): Promise<CommandResult> {
    this.commands.push(args)
    return this.#ask(args)
  }

  /** The commands whose names begin so, each with its options, an option with all its spellings. */
  async describe(prefix: string): Promise<Record<string, string[][]>> {
    return JSON.parse((await this.#ask({ describe: prefix })).stdout) as Record<string, string[][]>
  }

  async #ask(question: string[] | { describe: string }): Promise<CommandResult> {
    const line = JSON.stringify(question)
    this.#child.stdin!.write(`${line}\n`)
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), this.#commandTimeoutMs)
    const { value, done } = await this.#answers.next()
    clearTimeout(timer)
    if (done) throw new Error(`the client ended at ${line}: ${this.#complaints}`)
    return JSON.parse(value) as CommandResult
  }

  /** What it printed; throws CommandError when it failed. */
  async run(...args: string[]): Promise<string> {
    const result = await this.any(...args)
    if (result.status !== 0) throw new CommandError(args, result)
    return result.stdout.trim()
  }

  /** The command's answer as JSON: an object of `show` and `create`, a list of objects of `list`. */
  async json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    return JSON.parse(await this.run(...args, '-f', 'json')) as T
  }

  list(...args: string[]): Promise<Record<string, unknown>[]> {
    return this.json(...args)
  }

  show(...args: string[]): Promise<Record<string, unknown>> {
    return this.json(...args)
  }

  /** The words of a command that has to fail. */
  async refused(...args: string[]): Promise<string> {
    const result = await this.any(...args)
    if (result.status === 0) throw new Error(`${args.join(' ')} was not refused: ${result.stdout}`)
    return result.stderr.trim()
  }

  close(): void {
    this.#child.stdin!.end()
    this.#child.kill()
  }
}
