/**
 * The real Octavia as Debian packages it, on no-op drivers: uwsgi, worker, health manager and housekeeping over MariaDB and RabbitMQ. Everything it
 * writes lies in a throw-away directory or, where its paths are fixed, on a tmpfs that only the sandbox sees.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exec } from '../../src/lib/exec.ts'
import type { Store, Target } from './target.ts'

const API_PORT = 21_300
const DATABASE_PORT = 21_306
const BROKER_PORT = 21_372
/** Where its health manager listens; its key is `insecure`. */
export const heartbeatPort = 21_355
const START_TIMEOUT_MS = 120_000
const STOP_TIMEOUT_MS = 10_000
/** Debian's file says eight; more processes than cores only cost. */
const API_PROCESSES = 2

/** What `apt-get install --no-install-recommends` has to bring; set-up does not. */
export const octaviaPackages = [
  ...['mariadb-server', 'rabbitmq-server', 'octavia-api', 'octavia-worker', 'octavia-health-manager', 'octavia-housekeeping'],
  ...['octavia-driver-agent', 'python3-pymysql', 'uwsgi-plugin-python3'],
]

const programs = [
  ...['/usr/sbin/mariadbd', '/usr/lib/rabbitmq/bin/rabbitmq-server', '/usr/bin/uwsgi_python311', '/usr/bin/octavia-worker'],
  ...['/usr/bin/octavia-health-manager', '/usr/bin/octavia-housekeeping', '/etc/octavia/octavia-api-uwsgi.ini'],
]

export const hasOctavia = (): boolean => programs.every((program) => existsSync(program))

const configuration = `
[DEFAULT]
transport_url = rabbit://guest:guest@127.0.0.1:${BROKER_PORT}/
log_dir = /var/log/octavia
[api_settings]
bind_host = 127.0.0.1
auth_strategy = noauth
[database]
connection = mysql+pymysql://octavia:octavia@127.0.0.1:${DATABASE_PORT}/octavia?charset=utf8
[health_manager]
bind_ip = 127.0.0.1
bind_port = ${heartbeatPort}
heartbeat_key = insecure
controller_ip_port_list = 127.0.0.1:${heartbeatPort}
[certificates]
cert_manager = local_cert_manager
cert_generator = local_cert_generator
ca_certificate = /etc/octavia/certs/ca.pem
ca_private_key = /etc/octavia/certs/ca.key
ca_private_key_passphrase = passphrase
server_certs_key_passphrase = insecure-key-do-not-use-this-key
storage_path = /var/lib/octavia
[haproxy_amphora]
server_ca = /etc/octavia/certs/ca.pem
client_cert = /etc/octavia/certs/client.pem
[controller_worker]
workers = 1
amphora_driver = amphora_noop_driver
compute_driver = compute_noop_driver
network_driver = network_noop_driver
image_driver = image_noop_driver
volume_driver = volume_noop_driver
client_ca = /etc/octavia/certs/ca.pem
amp_image_tag = amphora
amp_flavor_id = 1
amp_boot_network_list = 11111111-1111-1111-1111-111111111111
amp_secgroup_list = 22222222-2222-2222-2222-222222222222
loadbalancer_topology = SINGLE
[oslo_messaging]
topic = octavia_prov
[driver_agent]
status_socket_path = /run/octavia/status.sock
stats_socket_path = /run/octavia/stats.sock
get_socket_path = /run/octavia/get.sock
`

interface Daemon {
  pid: number
  stop(): Promise<void>
}

/** Needs the sandbox: it mounts over /etc/octavia, /var/lib/octavia and /var/log/octavia. */
export async function startOctavia(): Promise<Target> {
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-bench-octavia-'))
  const daemons: Daemon[] = []
  const stop = async () => {
    // In reverse: nobody misses his database.
    for (const daemon of daemons.splice(0).reverse()) await daemon.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await exec('chmod', ['0755', directory])
    const database = await startMariadb(directory)
    daemons.push(database)
    const broker = await startRabbitmq(directory)
    daemons.push(broker)
    await prepareOctavia(directory)
    const services = [
      startAs('octavia', directory, 'api', '/usr/bin/uwsgi_python311', [
        ...['--http-socket', `127.0.0.1:${API_PORT}`, '--ini', '/etc/octavia/octavia-api-uwsgi.ini', '--post-buffering', '65536'],
        ...['--processes', String(API_PROCESSES)],
      ]),
      ...['worker', 'health-manager', 'housekeeping'].map((name) =>
        startAs('octavia', directory, name, `/usr/bin/octavia-${name}`, ['--config-file', '/etc/octavia/octavia.conf']),
      ),
    ]
    daemons.push(...services)
    await opens(API_PORT)
    return {
      name: 'Octavia, MariaDB',
      url: `http://127.0.0.1:${API_PORT}`,
      pids: services.map(({ pid }) => pid),
      helperPids: [database.pid, broker.pid],
      works: true,
      store: storeOf(directory),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startMariadb(directory: string): Promise<Daemon> {
  const data = join(directory, 'mariadb')
  mkdirSync(data)
  await exec('chown', ['mysql', data])
  await exec('mariadb-install-db', ['--no-defaults', `--datadir=${data}`, '--user=mysql', '--skip-test-db'], {
    timeoutMs: START_TIMEOUT_MS,
  })
  const daemon = startAs('mysql', data, 'mariadb', '/usr/sbin/mariadbd', [
    ...['--no-defaults', `--datadir=${data}`, `--socket=${join(data, 'socket')}`, `--port=${DATABASE_PORT}`, '--bind-address=127.0.0.1'],
    ...['--max-connections=2000', '--skip-name-resolve', `--pid-file=${join(data, 'pid')}`],
  ])
  await opens(DATABASE_PORT)
  await mariadb(
    directory,
    `create database octavia character set utf8mb3; create user octavia@'127.0.0.1' identified by 'octavia';
     grant all on octavia.* to octavia@'127.0.0.1'`,
  )
  return daemon
}

async function startRabbitmq(directory: string): Promise<Daemon> {
  const home = join(directory, 'rabbitmq')
  mkdirSync(home)
  writeFileSync(join(home, 'rabbitmq.conf'), `listeners.tcp.1 = 127.0.0.1:${BROKER_PORT}\n`)
  await exec('chown', ['-R', 'rabbitmq', home])
  const daemon = startAs('rabbitmq', home, 'rabbitmq', '/usr/lib/rabbitmq/bin/rabbitmq-server', [], {
    HOME: home,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: 'rabbit@localhost',
    RABBITMQ_MNESIA_BASE: home,
    RABBITMQ_LOG_BASE: home,
    RABBITMQ_CONFIG_FILE: join(home, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, 'plugins'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none',
  })
  await opens(BROKER_PORT)
  return daemon
}

/** Its configuration, certificates and schema. */
async function prepareOctavia(directory: string): Promise<void> {
  const uwsgi = join(directory, 'octavia-api-uwsgi.ini')
  copyFileSync('/etc/octavia/octavia-api-uwsgi.ini', uwsgi)
  for (const path of ['/etc/octavia', '/var/lib/octavia', '/var/log/octavia']) await exec('mount', ['-t', 'tmpfs', 'tmpfs', path])
  mkdirSync('/etc/octavia/certs')
  mkdirSync('/run/octavia')
  copyFileSync(uwsgi, '/etc/octavia/octavia-api-uwsgi.ini')
  writeFileSync('/etc/octavia/octavia.conf', configuration)
  const openssl = (...args: string[]) => exec('openssl', args, { cwd: '/etc/octavia/certs' })
  await openssl(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '30', '-passout', 'pass:passphrase'],
    ...['-subj', '/CN=bench-ca'],
  )
  await openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'c.key', '-out', 'c.pem', '-days', '30', '-subj', '/CN=client')
  const client = ['c.pem', 'c.key'].map((name) => readFileSync(join('/etc/octavia/certs', name), 'utf8'))
  writeFileSync('/etc/octavia/certs/client.pem', client.join(''))
  await exec('chown', ['-R', 'octavia:octavia', '/etc/octavia', '/var/lib/octavia', '/var/log/octavia', '/run/octavia'])
  await exec('chmod', ['0755', '/etc/octavia', '/var/lib/octavia', '/var/log/octavia'])
  const upgrade = ['octavia-db-manage', '--config-file', '/etc/octavia/octavia.conf', 'upgrade', 'head']
  await exec('setpriv', [...asUser('octavia'), ...upgrade], { cwd: '/var/lib/octavia', timeoutMs: START_TIMEOUT_MS })
}

const asUser = (user: string) => [`--reuid=${user}`, `--regid=${user}`, '--init-groups']

function startAs(user: string, directory: string, name: string, program: string, args: string[], env: Record<string, string> = {}): Daemon {
  const output = openSync(join(directory, `${name}.out`), 'w')
  const child: ChildProcess = spawn('setpriv', [...asUser(user), program, ...args], {
    cwd: user === 'octavia' ? '/var/lib/octavia' : directory,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', HOME: directory, ...env },
    stdio: ['ignore', output, output],
    detached: true,
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    pid: child.pid!,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      process.kill(-child.pid!, 'SIGTERM')
      await Promise.race([ended, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })])
      if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGKILL')
      await ended
    },
  }
}

async function opens(port: number): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  while (!(await accepts(port))) {
    if (performance.now() > deadline) throw new Error(`nobody listens on port ${port} after ${START_TIMEOUT_MS} ms`)
    await sleep(100)
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function mariadb(directory: string, statements: string): Promise<string> {
  const args = ['--no-defaults', '--protocol=socket', `--socket=${join(directory, 'mariadb', 'socket')}`, '--batch', '--skip-column-names']
  const { stdout } = await exec('mariadb', args, { input: statements, timeoutMs: START_TIMEOUT_MS })
  return stdout
}

function storeOf(directory: string): Store {
  return {
    async execute(statement) {
      await mariadb(directory, `use octavia; ${statement}`)
    },
    async columnsOf(table) {
      const query = `select column_name from information_schema.columns where table_schema = 'octavia' and table_name = '${table}'`
      return (await mariadb(directory, `${query} order by ordinal_position`)).trim().split('\n')
    },
    tables: octaviaTables,
    hexOfN: `lpad(lower(hex(n)), 8, '0')`,
    numbers: (first, last) => `(select seq as n from seq_${first}_to_${last}) as numbers`,
    concat: (...expressions) => `concat(${expressions.join(', ')})`,
  }
}

/** A load balancer's tables in upstream's schema, parents before children. */
export function octaviaTables(id: string): { table: string; where: string }[] {
  const ofLoadBalancer = `load_balancer_id = '${id}'`
  const inPool = `pool_id in (select id from (select id from pool where ${ofLoadBalancer}) as original)`
  return [
    { table: 'load_balancer', where: `id = '${id}'` },
    ...['vip', 'amphora', 'pool', 'listener'].map((table) => ({ table, where: ofLoadBalancer })),
    { table: 'member', where: inPool },
    { table: 'health_monitor', where: inPool },
  ]
}
