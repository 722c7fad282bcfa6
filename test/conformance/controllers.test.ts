/**
 * Several processes on one PostgreSQL, with real services and no-op machines: any may be killed, frozen or cut off from the database, others take over
 * within 10 s, and whoever comes back does no harm.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Db, openDatabase } from '../../src/db/connection.ts'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { noopCloud } from '../support/noop-cloud.ts'
import { privateSubnetId } from '../support/private-subnet.ts'
import { type PostgresServer, startPostgres } from '../support/sandbox.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

const POSTGRES_PORT = 54_331
const PORT_BASE = 22_700
const TAKEN_OVER_WITHIN_MS = 10_000
const installed = await startPostgres(POSTGRES_PORT)

const stateDirectory = mkdtempSync(join(tmpdir(), 'ottavia-several-'))
let server: PostgresServer
let db: Db
let proxy: TcpProxy
/** Each could do all; only one holds the embedded cloud. */
const controllers: Controller[] = []

function aController(number: number): Controller {
  // One of them reaches the database through a network that can be cut.
  const url = new URL(server.url)
  if (number === 2) url.port = String(proxy.port)
  return new Controller({
    stateDirectory,
    portBase: PORT_BASE,
    apiPort: PORT_BASE + 10 + number,
    name: `-${number}`,
    config: noopCloud,
    set: [
      `health_manager.bind_port=${PORT_BASE + 20 + number}`,
      `monitoring.bind_port=${PORT_BASE + 30 + number}`,
      `database.connection=${url.href}`,
      'api_settings.drain_seconds=1',
      'api_settings.healthcheck_enabled=true',
      'api_settings.healthcheck_refresh_interval=0',
    ],
  })
}

before(async () => {
  if (installed === undefined) return
  server = installed
  db = await openDatabase({ connection: server.url })
  proxy = await TcpProxy.start(POSTGRES_PORT)
  controllers.push(...[0, 1, 2].map(aController))
  // All at once, on an empty database and an empty state.
  await Promise.all(controllers.map((controller) => controller.start()))
})
after(async () => {
  if (installed === undefined) return
  proxy.heal()
  await Promise.all(controllers.map((controller) => controller.kill()))
  await controllers[0]!.ottavia('down')
  await db.destroy()
  await proxy.stop()
  await server.stop()
  rmSync(stateDirectory, { recursive: true, force: true })
})

const skip = installed === undefined ? 'no PostgreSQL is installed' : false

test('processes that start at the same time on nothing share one installation', { skip }, async () => {
  assert.equal(controllers.filter(({ output }) => /works beside/.test(output)).length, 2)
  const token = await controllers[0]!.token()
  const names = await Promise.all(
    controllers.map(async (controller, number) => {
      const created = await create(controller, token, `shared-${number}`)
      assert.equal(created, 201)
      return `shared-${number}`
    }),
  )
  await allActive()
  for (const controller of controllers) {
    const { body } = await controller.request<{ loadbalancers: { name: string }[] }>('GET', '/v2/lbaas/loadbalancers', token)
    assert.deepEqual(body.loadbalancers.map(({ name }) => name).sort(), names)
  }
})

test('when the one that holds the embedded cloud is killed, another has it within 10 s', { skip }, async () => {
  const holder = await theHolder()
  await holder.kill()
  await worksAgain(others(holder), 'after-kill')
  await holder.start()
  assert.match(holder.output, /works beside/)
})

test('when the one that holds the embedded cloud is frozen, another has it within 10 s and the frozen one is ended', { skip }, async () => {
  const holder = await theHolder()
  const pid = holder.pid
  process.kill(pid, 'SIGSTOP')
  await worksAgain(others(holder), 'after-freeze')
  assert.throws(() => process.kill(pid, 0))
  await holder.start()
})

test('who stands still for longer than his lease and comes back goes on', { skip }, async () => {
  const holder = await theHolder()
  const [frozen] = others(holder)
  process.kill(frozen!.pid, 'SIGSTOP')
  await worksAgain(others(frozen!), 'while-frozen')
  process.kill(frozen!.pid, 'SIGCONT')
  await worksAgain([frozen!], 'thawed')
})

test('who is cut off from the database stands in nobody’s way, and goes on when it is back', { skip }, async () => {
  const cut = controllers[2]!
  const heldTheCloud = (await theHolder()) === cut
  proxy.cut()
  await worksAgain(others(cut), 'while-cut')
  proxy.heal()
  // Then it was ended, and its service manager starts it again.
  if (heldTheCloud) await cut.start()
  await eventually(async () => (await cut.request('GET', '/healthcheck', '')).status === 200, 30_000)
  await worksAgain([cut], 'healed', 30_000)
})

test('processes are restarted one after the other without a failed request', { skip }, async () => {
  const token = await controllers[0]!.token()
  const balancer = new Balancer(controllers, token)
  for (const controller of controllers) {
    await controller.stop()
    await controller.start()
    await eventually(() => balancer.uses(controller))
  }
  const { asked, failed } = await balancer.stop()
  assert.deepEqual(failed, [])
  assert.ok(asked > 50, `${asked}`)
})

/** As HAProxy in front of the API: asks those in turn whose health check is good, each request once. */
class Balancer {
  readonly #controllers: Controller[]
  readonly #token: string
  readonly #up = new Set<Controller>()
  readonly #done = new AbortController()
  readonly #work: Promise<unknown>
  #asked = 0
  #failed: string[] = []

  constructor(all: Controller[], token: string) {
    this.#controllers = all
    this.#token = token
    this.#work = Promise.all([this.#check(), this.#ask()])
  }

  uses(controller: Controller): boolean {
    return this.#up.has(controller)
  }

  async stop(): Promise<{ asked: number; failed: string[] }> {
    this.#done.abort()
    await this.#work
    return { asked: this.#asked, failed: this.#failed }
  }

  async #check(): Promise<void> {
    while (!this.#done.signal.aborted) {
      for (const controller of this.#controllers) {
        const answer = await fetch(`${controller.api}/healthcheck`).catch(() => undefined)
        if (answer?.status === 200) this.#up.add(controller)
        else this.#up.delete(controller)
      }
      await sleep(100)
    }
  }

  async #ask(): Promise<void> {
    for (let turn = 0; !this.#done.signal.aborted; turn++) {
      const up = [...this.#up]
      const controller = up[turn % up.length]
      if (controller !== undefined) {
        this.#asked++
        const writes = turn % 5 === 0
        const status = await (writes
          ? create(controller, this.#token, `rolling-${turn}`)
          : controller.request('GET', '/v2/lbaas/loadbalancers?limit=1', this.#token).then((answer) => answer.status)
        ).catch((error: Error) => `${error.message} ${String(error.cause)}`)
        if (status !== (writes ? 201 : 200)) this.#failed.push(`${writes ? 'POST' : 'GET'}: ${status}`)
      }
      await sleep(20)
    }
  }
}

async function create(controller: Controller, token: string, name: string): Promise<number> {
  const body = { loadbalancer: { name, vip_subnet_id: await subnet() } }
  return (await controller.request('POST', '/v2/lbaas/loadbalancers', token, body)).status
}

let subnetId: Promise<string> | undefined
function subnet(): Promise<string> {
  subnetId ??= privateSubnetId(controllers[0]!)
  return subnetId
}

function others(controller: Controller): Controller[] {
  return controllers.filter((other) => other !== controller)
}

async function theHolder(): Promise<Controller> {
  return eventually(async () => {
    const { holder } = await db.selectFrom('lease').select('holder').where('name', '=', 'embedded').executeTakeFirstOrThrow()
    return controllers.find(({ pid }) => holder.split('/')[3] === String(pid)) ?? false
  })
}

/** Tokens are given out, VIPs are made and flows are run, through each of these. */
async function worksAgain(living: Controller[], name: string, withinMs = TAKEN_OVER_WITHIN_MS): Promise<void> {
  const before = performance.now()
  const token = await eventually(() => living[0]!.token(), withinMs)
  await Promise.all(living.map(async (controller, number) => assert.equal(await create(controller, token, `${name}-${number}`), 201)))
  await allActive()
  const tookMs = performance.now() - before
  assert.ok(tookMs < withinMs, `${name}: ${Math.round(tookMs)} ms`)
}

async function allActive(): Promise<void> {
  await eventually(async () => {
    const rows = await db.selectFrom('load_balancer').select(['name', 'provisioning_status']).execute()
    assert.deepEqual(
      rows.filter(({ provisioning_status }) => provisioning_status !== 'ACTIVE'),
      [],
    )
  }, TAKEN_OVER_WITHIN_MS)
}
