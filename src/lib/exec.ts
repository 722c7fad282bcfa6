import { spawn } from 'node:child_process'

/** The longest output of a command that is kept; the rest is read and dropped. */
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024
const DEFAULT_TIMEOUT_MS = 30_000

export interface ExecResult {
  code: number
  stdout: string
  stderr: string
}

export interface ExecOptions {
  /** Written to the command's standard input. */
  input?: string
  timeoutMs?: number
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Return a non-zero status instead of throwing. */
  anyStatus?: boolean
}

/** A command that could not be started, ran too long, or ended with a status that was not 0. */
export class ExecError extends Error {
  readonly result: ExecResult
  constructor(command: string, args: readonly string[], result: ExecResult) {
    super(`${[command, ...args].join(' ')}: status ${result.code}: ${(result.stderr || result.stdout).trim()}`)
    this.name = 'ExecError'
    this.result = result
  }
}

/** Runs a program without a shell, so no argument is ever interpreted. Throws ExecError unless it ends with 0. */
export function exec(command: string, args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      const stream = child[name]
      stream?.setEncoding('utf8')
      stream?.on('data', (chunk: string) => {
        if (output[name].length < MAX_OUTPUT_BYTES) output[name] += chunk
      })
    }
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.on('error', (error) => {
      clearTimeout(timer)
      reject(new ExecError(command, args, { code: 127, stdout: '', stderr: error.message }))
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const stderr = signal === null ? output.stderr : `${output.stderr}\nended by ${signal} (limit ${timeoutMs} ms)`
      const result = { code: code ?? 128, stdout: output.stdout, stderr }
      if (result.code === 0 || (options.anyStatus && signal === null)) resolve(result)
      else reject(new ExecError(command, args, result))
    })
    // The command may end before it has read everything; its status tells what matters.
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.input)
  })
}
