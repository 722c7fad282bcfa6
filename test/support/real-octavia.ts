/** The real octavia-api with a Keystone, no-op drivers, SQLite and no worker: what it accepts is brought to ACTIVE in its database. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { eventually } from './eventually.ts'
import { freePort } from './free-ports.ts'
import type { Person } from './keystone-admin.ts'

const PYTHON = '/usr/bin/python3.11'
const START_TIMEOUT_MS = 60_000
const BUSY_TIMEOUT_MS = 10_000
const launcher = fileURLToPath(new URL('octavia-api.py', import.meta.url))

/** Why there is none; null where there is. */
export const noOctavia =
  existsSync('/usr/lib/python3/dist-packages/octavia') && existsSync(PYTHON) ? null : 'python3-octavia is not installed'

export interface RealOctavia {
  url: string
  /** Everything that is PENDING becomes ACTIVE. */
  settle(): void
  stop(): Promise<void>
}

/** In: a service user of that Keystone and its project; the rules of its policy file. */
export async function startOctavia(options: {
  v3: string
  service: Person
  project: { name: string }
  policy: Record<string, string>
}): Promise<RealOctavia> {
  const { v3, service, project, policy } = options
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-octavia-'))
  const path = (name: string) => join(directory, name)
  writeFileSync(path('policy.yaml'), JSON.stringify(policy))
  writeFileSync(
    path('octavia.conf'),
    `[DEFAULT]
transport_url = fake://
[api_settings]
auth_strategy = keystone
enabled_provider_drivers = noop_driver:noop,amphora:The Octavia Amphora driver.,octavia:alias
default_provider_driver = noop_driver
[database]
connection = sqlite:///${path('octavia.db')}
[controller_worker]
network_driver = network_noop_driver
compute_driver = compute_noop_driver
amphora_driver = amphora_noop_driver
[certificates]
cert_manager = local_cert_manager
server_certs_key_passphrase = insecure-key-do-not-use-this-key
[oslo_messaging]
topic = octavia_prov
[health_manager]
heartbeat_key = insecure
[oslo_policy]
policy_file = ${path('policy.yaml')}
[keystone_authtoken]
www_authenticate_uri = ${v3}
auth_url = ${v3}
auth_type = password
username = ${service.name}
password = ${service.password}
user_domain_name = Default
project_name = ${project.name}
project_domain_name = Default
`,
  )
  const port = await freePort()
  const output = openSync(path('output'), 'w')
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', PYTHONWARNINGS: 'ignore' }
  const child = spawn(PYTHON, [launcher, String(port), path('octavia.conf')], { env, stdio: ['ignore', output, output] })
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    }
    rmSync(directory, { recursive: true })
  }
  const url = `http://127.0.0.1:${port}`
  try {
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`octavia-api ended: ${readFileSync(path('output'), 'utf8')}`)
      return (await fetch(url)).ok
    }, START_TIMEOUT_MS)
  } catch (error) {
    await stop()
    throw error
  }
  const db = new DatabaseSync(path('octavia.db'), { timeout: BUSY_TIMEOUT_MS })
  return {
    url,
    settle() {
      for (const table of ['load_balancer', 'listener', 'pool', 'member', 'health_monitor', 'l7policy', 'l7rule']) {
        db.exec(`update ${table} set provisioning_status = 'ACTIVE'`)
      }
    },
    async stop() {
      db.close()
      await stop()
    },
  }
}
