/** Debian's `openstack` command, unmodified, with the credentials a controller wrote. */
import { exec } from '../../src/lib/exec.ts'
import type { Controller } from './controller.ts'

const COMMAND_TIMEOUT_MS = 90_000

export class OpenstackClient {
  readonly #env: NodeJS.ProcessEnv

  constructor(controller: Controller, file: 'openrc' | 'openrc-demo' = 'openrc') {
    this.#env = { PATH: process.env.PATH, HOME: process.env.HOME, LC_ALL: 'C.UTF-8', ...controller.credentials(file) }
  }

  /** Runs one command; returns what it printed. Throws ExecError with its words when it fails. */
  async run(...args: string[]): Promise<string> {
    const { stdout } = await exec('openstack', args, { env: this.#env, timeoutMs: COMMAND_TIMEOUT_MS })
    return stdout.trim()
  }

  /** The command's answer as JSON: an object of `show` and `create`, a list of objects of `list`. */
  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.run(...args, '-f', 'json')) as T
  }

  list(...args: string[]): Promise<Record<string, unknown>[]> {
    return this.json(...args)
  }

  show(...args: string[]): Promise<Record<string, unknown>> {
    return this.json(...args)
  }
}
