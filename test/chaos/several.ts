/** An embedded cloud of several processes on one PostgreSQL, started again whenever they end, as a service manager would. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Db, openDatabase } from '../../src/db/connection.ts'
import { Controller } from '../support/controller.ts'
import { privateSubnetId } from '../support/private-subnet.ts'
import { type PostgresServer, startPostgres } from '../support/sandbox.ts'

const POSTGRES_PORT = 54_332
const RESTART_AFTER_MS = 500
const WATCH_MS = 200

export class Several {
  readonly stateDirectory = mkdtempSync(join(tmpdir(), 'ottavia-chaos-'))
  readonly postgres: PostgresServer
  readonly db: Db
  readonly controllers: Controller[]
  /** Of lab hosts that answer every request. */
  members: string[] = []
  subnet_id = ''
  /** Of pairs. */
  flavor_id = ''
  #isEnding = false
  #restarts = 0
  readonly #struck = new Set<string>()
  #keeping: Promise<unknown> = Promise.resolve()

  private constructor(postgres: PostgresServer, db: Db, count: number, portBase: number) {
    this.postgres = postgres
    this.db = db
    const numbers = Array.from({ length: count }, (_, number) => number)
    const config = `[database]
connection = ${postgres.url}
[health_manager]
controller_ip_port_list = ${numbers.map((number) => portBase + 40 + number).join(', ')}
[house_keeping]
cleanup_interval = 5
load_balancer_expiry_age = 0
amphora_expiry_age = 0
`
    this.controllers = numbers.map(
      (number) =>
        new Controller({
          stateDirectory: this.stateDirectory,
          portBase,
          apiPort: portBase + 20 + number,
          name: `-${number}`,
          config,
          set: [`health_manager.bind_port=${portBase + 40 + number}`, `monitoring.bind_port=${portBase + 60 + number}`],
        }),
    )
  }

  /** Undefined where no PostgreSQL is installed. */
  static async start({ controllers, portBase }: { controllers: number; portBase: number }): Promise<Several | undefined> {
    const postgres = await startPostgres(POSTGRES_PORT)
    if (postgres === undefined) return undefined
    const several = new Several(postgres, await openDatabase({ connection: postgres.url }), controllers, portBase)
    try {
      await Promise.all(several.controllers.map((controller) => controller.start()))
      several.subnet_id = await privateSubnetId(several.controllers[0]!)
      several.flavor_id = await several.#pairs()
      several.members = await Promise.all(['web-1', 'web-2'].map((name) => several.#web(name)))
      several.#keeping = Promise.all(several.controllers.map((controller) => several.#keepRunning(controller)))
      return several
    } catch (error) {
      await several.stop()
      throw error
    }
  }

  get restarts(): number {
    return this.#restarts
  }

  /** Only one hand at a time strikes things of one kind; null for the other. */
  async striking<T>(name: string, strike: () => Promise<T>): Promise<T | null> {
    const kind = name.split(' ')[0]!
    if (this.#struck.has(kind)) return null
    this.#struck.add(kind)
    try {
      return await strike()
    } finally {
      this.#struck.delete(kind)
    }
  }

  async stop(): Promise<void> {
    this.#isEnding = true
    await this.#keeping
    await Promise.all(this.controllers.map((controller) => controller.kill().catch(() => {})))
    await this.controllers[0]!.ottavia('down')
    await this.db.destroy()
    await this.postgres.stop()
    rmSync(this.stateDirectory, { recursive: true, force: true })
  }

  async #keepRunning(controller: Controller): Promise<void> {
    while (!this.#isEnding) {
      await sleep(WATCH_MS)
      if (controller.isRunning) continue
      await sleep(RESTART_AFTER_MS)
      this.#restarts++
      // A database that is away, or a successor that just begins, ends a start; the next one follows.
      await controller.start().catch(() => controller.kill().catch(() => {}))
    }
  }

  async #pairs(): Promise<string> {
    const [controller] = this.controllers
    const token = await controller!.token()
    const flavor_data = JSON.stringify({ loadbalancer_topology: 'ACTIVE_STANDBY' })
    const profile = await controller!.request<{ flavorprofile: { id: string } }>('POST', '/v2/lbaas/flavorprofiles', token, {
      flavorprofile: { name: 'pairs', provider_name: 'amphora', flavor_data },
    })
    const made = await controller!.request<{ flavor: { id: string } }>('POST', '/v2/lbaas/flavors', token, {
      flavor: { name: 'pair', flavor_profile_id: profile.body.flavorprofile.id, enabled: true },
    })
    return made.body.flavor.id
  }

  async #web(name: string): Promise<string> {
    const file = join(this.stateDirectory, `${name}.cfg`)
    writeFileSync(
      file,
      'global\n  maxconn 4000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\nfrontend web\n  bind :80\n  http-request return status 200 content-type text/plain string web\n',
    )
    return (
      await this.controllers[0]!.ottavia(
        'lab',
        'host',
        'create',
        name,
        '--subnet',
        'private-subnet',
        '--',
        'haproxy',
        '-db',
        '-q',
        '-f',
        file,
      )
    ).trim()
  }
}
