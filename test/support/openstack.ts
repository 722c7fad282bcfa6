/**
 * A real OpenStack (Keystone, Nova, Neutron, Glance, Barbican of Debian) for tests: what runs in this network namespace already, else one of
 * this sandbox's own. `openstack/up` (in OTTAVIA_SHARED) writes into the machine's /etc and /var and keeps databases there; in a sandbox it writes into
 * memory, so that the machine stays as it was and several clouds may run.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exec } from '../../src/lib/exec.ts'

const shared = process.env.OTTAVIA_SHARED ?? fileURLToPath(new URL('../../../shared', import.meta.url))
const scripts = join(shared, 'openstack')
/** The sandbox's own /run is in memory and goes with it. */
const STATE = '/run/openstack'
const GUEST = '/run/openstack-guest'
const CGROUPS = '/run/cgroups'
/** Two minutes on an idle machine. */
const UP_TIMEOUT_MS = 900_000
const KEYSTONE_PORT = 5000

/** Its administrator, as `openstack/adminrc` has him. */
const administrator = {
  OS_AUTH_URL: `http://127.0.0.1:${KEYSTONE_PORT}/v3`,
  OS_USERNAME: 'admin',
  OS_PASSWORD: 'secret',
  OS_PROJECT_NAME: 'admin',
  OS_USER_DOMAIN_NAME: 'Default',
  OS_PROJECT_DOMAIN_NAME: 'Default',
  OS_REGION_NAME: 'RegionOne',
  OS_IDENTITY_API_VERSION: '3',
}

/** Why tests that need a whole cloud cannot run; null where there is one. */
export const noOpenStack =
  process.env.OPENSTACK_STATE === undefined || process.env.OS_AUTH_URL === undefined
    ? 'no OpenStack runs here (npm run test:openstack brings one up)'
    : null

/** What servers of Nova are: namespaces that run what `writeGuest` says, or virtual machines in QEMU, besides servers that are rows alone. */
export type Servers = 'namespaces' | 'virtual machines'

/** Where Nova has virtual machines, and whose agents of Neutron wire ports of this network namespace. */
export const machineHost = { name: 'real1', zone: 'real' } as const

/** Afterwards this network namespace has a cloud; returns the environment by which tests find it. */
export async function ensureOpenStack(servers: Servers = 'namespaces'): Promise<NodeJS.ProcessEnv> {
  if (await listens(KEYSTONE_PORT)) return { ...administrator, OPENSTACK_STATE: process.env.OPENSTACK_STATE ?? STATE }
  // Outside of a sandbox of this process's own that one would be brought up on the machine itself.
  if (process.env.OPENSTACK_STATE !== undefined)
    throw new Error(`no OpenStack runs in this network namespace, though OPENSTACK_STATE says so`)
  if (!existsSync(scripts)) throw new Error(`${scripts} is not there: OTTAVIA_SHARED names the directory that has openstack/up`)
  if (!existsSync('/usr/bin/nova-compute'))
    throw new Error('Nova is not installed: npm run test:openstack installs what an OpenStack needs')
  await hideTheMachine(servers)
  const started = performance.now()
  const env = { ...process.env, OPENSTACK_STATE: STATE, OPENSTACK_GUEST: process.env.OPENSTACK_GUEST ?? writeGuest() }
  await exec(join(scripts, 'up'), [servers === 'namespaces' ? '--netns' : '--real'], { env, timeoutMs: UP_TIMEOUT_MS })
  console.log(`     a real OpenStack is up (${((performance.now() - started) / 1_000).toFixed(0)} s)`)
  return { ...administrator, OPENSTACK_STATE: STATE }
}

/**
 * What Nova's servers run. A script in the user data is run as cloud-init would, which makes tenants' servers; others are amphorae. The services see neither our
 * PATH nor our Node.
 */
function writeGuest(): string {
  const amphora = fileURLToPath(new URL('netns-guest.ts', import.meta.url))
  const lines = [
    '#!/bin/sh',
    'user_data="$1/openstack/latest/user_data"',
    `if [ "$(head -c 2 "$user_data" 2>/dev/null)" = '#!' ]; then`,
    '  install -m 700 "$user_data" user-script',
    '  exec ./user-script',
    'fi',
    `exec '${process.execPath}' '${amphora}' "$1"`,
  ]
  writeFileSync(GUEST, `${lines.join('\n')}\n`, { mode: 0o755 })
  return GUEST
}

/** Lays over all places where the services write what is in memory. Databases begin empty: those of the machine may be in use. */
async function hideTheMachine(servers: Servers): Promise<void> {
  const upper = '/run/written'
  const places = ['/etc', '/var/lib', '/var/log', '/usr/lib/python3/dist-packages/nova/virt']
  if (servers === 'virtual machines') {
    places.push('/usr/local/sbin', '/var/cache/libvirt')
    // Neutron's agents look there for the interfaces, and the machine's own shows those of its own network namespace.
    mkdirSync(CGROUPS)
    await exec('mount', ['--rbind', '/sys/fs/cgroup', CGROUPS])
    await exec('mount', ['-t', 'sysfs', 'sysfs', '/sys'])
    await exec('mount', ['--rbind', CGROUPS, '/sys/fs/cgroup'])
  }
  for (const place of places) {
    const [changed, work] = ['changed', 'work'].map((name) => join(upper, place, name))
    for (const directory of [changed!, work!]) mkdirSync(directory, { recursive: true })
    await exec('chmod', ['--reference', place, changed!])
    await exec('mount', ['-t', 'overlay', 'overlay', '-o', `lowerdir=${place},upperdir=${changed},workdir=${work}`, place])
  }
  for (const owner of ['mysql', 'rabbitmq']) {
    await exec('mount', ['-t', 'tmpfs', '-o', 'mode=0750', 'tmpfs', `/var/lib/${owner}`])
    await exec('chown', [`${owner}:`, `/var/lib/${owner}`])
  }
  await exec('mariadb-install-db', ['--user=mysql', '--datadir=/var/lib/mysql', '--skip-test-db'], { timeoutMs: UP_TIMEOUT_MS })
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
