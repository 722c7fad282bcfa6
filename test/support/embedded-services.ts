/** The HTTP services of the embedded cloud on free ports of loopback, over rows alone: nothing in the kernel, a list for servers. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, loadConfig } from '../../src/config/config.ts'
import type { Db } from '../../src/db/connection.ts'
import { embeddedIdentityDriver } from '../../src/drivers/identity/embedded.ts'
import type { DirectoryServer, DirectoryServerGroup, ServerDirectory } from '../../src/embedded/compute/api/directory.ts'
import { startComputeService } from '../../src/embedded/compute/api/server.ts'
import type { RunningService } from '../../src/embedded/http.ts'
import { startIdentityService } from '../../src/embedded/identity/api/server.ts'
import { type FirstPasswords, type FirstProjects, firstProjects, serviceUserId } from '../../src/embedded/identity/bootstrap.ts'
import { writeClientFiles } from '../../src/embedded/identity/client-files.ts'
import { type EmbeddedIdentity, openEmbeddedIdentity } from '../../src/embedded/identity/service.ts'
import type { NetworkBackend } from '../../src/embedded/network/api/backend.ts'
import { startNetworkService } from '../../src/embedded/network/api/server.ts'
import { startSecretsService } from '../../src/embedded/secrets/api/server.ts'
import { type EmbeddedSecrets, openEmbeddedSecrets } from '../../src/embedded/secrets/service.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { aDatabase } from './databases.ts'
import { freePorts } from './free-ports.ts'
import { networkRows } from './network-rows.ts'

export interface EmbeddedServices {
  db: Db
  config: Config
  clock: TestClock
  identity: EmbeddedIdentity
  passwords: FirstPasswords
  projects: FirstProjects
  network: NetworkBackend
  servers: DirectoryServer[]
  serverGroups: DirectoryServerGroup[]
  secrets: EmbeddedSecrets
  urls: { identity: string; network: string; compute: string; secrets: string }
  /** What `source openrc` puts into the environment. */
  credentials(file: 'openrc' | 'openrc-demo'): Record<string, string>
  /** A token of the user `name` on the project of that name. */
  token(name: keyof FirstPasswords): Promise<string>
  close(): Promise<void>
}

export interface TestClock extends Clock {
  advance(ms: number): void
}

export async function embeddedServices(): Promise<EmbeddedServices> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'ottavia-embedded-'))
  const [apiPort, identityPort, networkPort, computePort, secretsPort] = await freePorts(5)
  const config = loadConfig({
    stateDirectory,
    overrides: {
      api_settings: { bind_port: apiPort },
      // Otherwise passwords would be most of what these tests cost.
      identity: { bind_port: identityPort, password_hash_rounds: 10 },
      embedded: { network_bind_port: networkPort, compute_bind_port: computePort, secrets_bind_port: secretsPort },
      certificates: { store_key: ['key'] },
    },
  })
  const db = await aDatabase()
  const clock = testClock()
  const log = createLog('silent')
  const identity = await openEmbeddedIdentity({ db, config, clock })
  const passwords = await identity.prepare()
  const projects = await firstProjects(db)
  await writeClientFiles(config, passwords)
  const driver = embeddedIdentityDriver(identity, clock)
  const network = networkRows(db)
  const servers: DirectoryServer[] = []
  const serverGroups: DirectoryServerGroup[] = []
  const directory: ServerDirectory = {
    listServers: async () => servers,
    getServer: async (id) => servers.find((server) => server.compute_id === id) ?? null,
    listServerGroups: async () => serverGroups,
  }
  const secrets = await openEmbeddedSecrets({ db, clock, config, log, serviceUserId: await serviceUserId(db) })
  const host = '127.0.0.1'
  const services: RunningService[] = [
    await startIdentityService({ identity, db, config, clock, log, host, port: identityPort! }),
    await startNetworkService({ db, network, identity: driver, config, log, host, port: networkPort! }),
    await startComputeService({
      directory,
      identity: driver,
      serviceProjectId: projects.service,
      config,
      log,
      host,
      port: computePort!,
    }),
    await startSecretsService({ secrets, identity: driver, config, log, host, port: secretsPort! }),
  ]
  const urls = { identity: services[0]!.url, network: services[1]!.url, compute: services[2]!.url, secrets: services[3]!.url }
  return {
    db,
    config,
    clock,
    identity,
    passwords,
    projects,
    network,
    servers,
    serverGroups,
    secrets,
    urls,

    credentials(file) {
      const text = readFileSync(join(stateDirectory, file), 'utf8')
      return Object.fromEntries([...text.matchAll(/^export (\w+)='([^']*)'$/gm)].map((match) => [match[1]!, match[2]!]))
    },

    async token(name) {
      const project = name === 'octavia' ? 'service' : name
      const response = await fetch(`${urls.identity}/v3/auth/tokens`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(passwordLogin(name, passwords[name], { project: { name: project, domain: { id: 'default' } } })),
      })
      if (response.status !== 201) throw new Error(`no token: ${response.status} ${await response.text()}`)
      return response.headers.get('x-subject-token')!
    },

    async close() {
      for (const service of services) await service.close()
      await db.destroy()
      rmSync(stateDirectory, { recursive: true })
    },
  }
}

/** The body of a login. */
export function passwordLogin(name: string, password: string, scope?: object | 'unscoped'): object {
  const user = { name, password, domain: { id: 'default' } }
  return { auth: { identity: { methods: ['password'], password: { user } }, ...(scope === undefined ? {} : { scope }) } }
}

export type Answer = { status: number; headers: Headers; body: Record<string, unknown> }

/** One request with a token (or none) and a JSON body. */
export async function call(
  method: string,
  url: string,
  token?: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(token === undefined ? {} : { 'x-auth-token': token }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
}

function testClock(): TestClock {
  let ahead = 0
  return {
    now: () => systemClock.now() + ahead,
    monotonic: () => systemClock.monotonic() + ahead,
    advance(ms) {
      ahead += ms
    },
  }
}
