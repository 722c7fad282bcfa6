/**
 * Real agents in namespaces of their own, on two bridges made here: `mgmt` (this process is the controller) and `tenant` (this process is the
 * client). To be run in the tests' sandbox only.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import { type AgentClient, createAgentClient } from '../../../src/agent/client.ts'
import type { Heartbeat } from '../../../src/agent/heartbeat.ts'
import { loadConfig } from '../../../src/config/config.ts'
import type { HaproxyFiles } from '../../../src/drivers/amphora/driver.ts'
import { HaproxyRestDriver } from '../../../src/drivers/amphora/haproxy-rest.ts'
import { type CertificateAuthority, createCertificateAuthority, loadCertificateAuthority } from '../../../src/lib/certificate-authority.ts'
import { exec } from '../../../src/lib/exec.ts'
import { eventually } from '../../support/eventually.ts'

const HOUR_SECONDS = 3600
export const HEARTBEAT_KEY = 'a heartbeat key of the tests'
export const VIP = '10.0.0.10'
const CLIENT = '10.0.0.1'
export const VIP_IPV6 = 'fd00:5::10'
const CLIENT_IPV6 = 'fd00:5::1'
export const CONTROLLER = '192.0.2.1'

export interface TestAgent {
  id: string
  lb_network_ip: string
  /** The namespaces of management and of tenants' traffic. */
  outer: string
  inner: string
  mac_address: string
  vrrp_ip: string
  base: string
  configuration: string
  process: ChildProcess
}

export interface Received {
  at: number
  heartbeat: Heartbeat
}

export class AgentStage {
  readonly directory = mkdtempSync(join(tmpdir(), 'oa-'))
  readonly serverCa: CertificateAuthority
  readonly clientCa: CertificateAuthority
  readonly client: { certificate: string; key: string }
  readonly heartbeats: Received[] = []
  readonly agents: TestAgent[] = []
  readonly driver: HaproxyRestDriver
  private readonly children: ChildProcess[] = []
  private readonly namespaces: string[] = []
  /** Ends of veth pairs in this process's namespace. */
  private readonly veths: string[] = []
  private readonly receiver: Socket

  static async open(): Promise<AgentStage> {
    assert.equal(process.env.OTTAVIA_SANDBOX, '1', 'run by `npm run test:netns`')
    const authority = async (common_name: string) =>
      loadCertificateAuthority(await createCertificateAuthority({ common_name, validitySeconds: HOUR_SECONDS }))
    const [serverCa, clientCa] = await Promise.all([authority('servers'), authority('clients')])
    const client = await clientCa.issue({ common_name: 'controller', usage: 'client', validitySeconds: HOUR_SECONDS })
    for (const [bridge, address] of [
      ['mgmt', CONTROLLER],
      ['tenant', CLIENT],
    ] as const) {
      await ip(`link add ${bridge} type bridge`, `address add ${address}/24 dev ${bridge}`, `link set ${bridge} up`)
      if (bridge === 'tenant') await ip(`address add ${CLIENT_IPV6}/64 dev ${bridge} nodad`)
    }
    // On all addresses, those of IPv4 as well.
    const receiver = createSocket('udp6')
    await new Promise<void>((bound) => receiver.bind(0, '::', bound))
    return new AgentStage(serverCa, clientCa, client, receiver)
  }

  private constructor(
    serverCa: CertificateAuthority,
    clientCa: CertificateAuthority,
    client: { certificate: string; key: string },
    receiver: Socket,
  ) {
    this.serverCa = serverCa
    this.clientCa = clientCa
    this.client = client
    this.receiver = receiver
    receiver.on('message', (packet) => {
      this.heartbeats.push({ at: performance.now(), heartbeat: open(packet) })
    })
    const config = loadConfig({
      stateDirectory: this.directory,
      overrides: {
        haproxy_amphora: { active_connection_max_retries: 3, active_connection_retry_interval: 1, failover_connection_max_retries: 1 },
      },
    })
    this.driver = new HaproxyRestDriver({ config, trust: { current: { client, serverCas: serverCa.certificate } } })
  }

  get heartbeatPort(): number {
    return this.receiver.address().port
  }

  /** An agent that answers, with a port on `tenant` not yet plugged. */
  async agent(number: number, options: { heartbeatIntervalSeconds?: number; topology?: string } = {}): Promise<TestAgent> {
    const id = `00000000-0000-4000-8000-00000000000${number}`
    const outer = `amp-${number}`
    const agent: TestAgent = {
      id,
      lb_network_ip: `192.0.2.1${number}`,
      outer,
      inner: `amphora-haproxy-${number}`,
      mac_address: `fa:16:3e:00:00:0${number}`,
      vrrp_ip: `10.0.0.1${number}`,
      base: join(this.directory, String(number)),
      configuration: join(this.directory, `${number}.conf`),
      process: undefined as unknown as ChildProcess,
    }
    await this.namespace(outer, 'mgmt', `${agent.lb_network_ip}/24`)
    await this.port(agent, 'tenant', agent.mac_address)
    mkdirSync(agent.base)
    // HAProxy's workers, who are nobody, find the agent's socket there, as below /var/lib/octavia.
    chmodSync(this.directory, 0o711)
    const server = await this.serverCa.issue({ common_name: id, usage: 'server', validitySeconds: HOUR_SECONDS })
    writeFileSync(join(agent.base, 'server.pem'), `${server.certificate}${server.key}`)
    writeFileSync(join(agent.base, 'client_ca.pem'), this.clientCa.certificate)
    writeFileSync(agent.configuration, this.agentConfiguration(agent, options))
    agent.process = this.startAgent(agent)
    this.agents.push(agent)
    await this.driver.waitForAgent(agent, 'booting')
    return agent
  }

  agentConfiguration(agent: TestAgent, options: { heartbeatIntervalSeconds?: number; topology?: string } = {}): string {
    return `[haproxy_amphora]
base_path = ${agent.base}
base_cert_dir = ${agent.base}/certs
[health_manager]
controller_ip_port_list = ${CONTROLLER}:${this.heartbeatPort}
heartbeat_interval = ${options.heartbeatIntervalSeconds ?? 60}
heartbeat_key = ${HEARTBEAT_KEY}
[amphora_agent]
agent_server_ca = ${agent.base}/client_ca.pem
agent_server_cert = ${agent.base}/server.pem
agent_server_network_dir = ${agent.base}/interfaces
amphora_id = ${agent.id}
amphora_netns = ${agent.inner}
[controller_worker]
loadbalancer_topology = ${options.topology ?? 'SINGLE'}
[DEFAULT]
log_file = ${agent.base}/agent.log
`
  }

  startAgent(agent: TestAgent): ChildProcess {
    const main = new URL('../../../src/main/agent.ts', import.meta.url).pathname
    const child = spawn('nsenter', [`--net=/run/netns/${agent.outer}`, process.execPath, main, '--config-file', agent.configuration], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    this.children.push(child)
    return child
  }

  /** Plugs the VIP into the agent's port. */
  plugVip(agent: TestAgent, generation = 1): Promise<void> {
    return this.driver.plugVip(
      agent,
      {
        vip_address: VIP,
        subnet_cidr: '10.0.0.0/24',
        gateway: CLIENT,
        mac_address: agent.mac_address,
        vrrp_ip: agent.vrrp_ip,
        mtu: 1450,
        host_routes: [],
        additional_vips: [],
      },
      { flow_id: 'plug', generation },
    )
  }

  /** An interface of that MAC address in the agent's own namespace, its other end on a bridge. */
  async port(agent: TestAgent, bridge: string, mac: string): Promise<void> {
    const name = `v${agent.outer.slice(-1)}-${mac.slice(-2)}`
    this.veths.push(name)
    await ip(`link add ${name} type veth peer name p${name} netns ${agent.outer} address ${mac}`, `link set ${name} master ${bridge} up`)
  }

  async namespace(name: string, bridge: string, address: string): Promise<void> {
    this.namespaces.push(name)
    const veth = `n-${name}`.slice(0, 15)
    this.veths.push(veth)
    await ip(`netns add ${name}`)
    await ip(`link add ${veth} type veth peer name eth0 netns ${name}`, `link set ${veth} master ${bridge} up`)
    await exec('ip', ['-netns', name, '-batch', '-'], { input: `link set lo up\naddress add ${address} dev eth0\nlink set eth0 up\n` })
  }

  /** A web server on `tenant` that answers its name, `?after=` so many milliseconds. */
  async member(name: string, address: string): Promise<ChildProcess> {
    if (!this.namespaces.includes(name)) await this.namespace(name, 'tenant', `${address}/24`)
    const program = `require('node:http').createServer((q, r) => setTimeout(() => r.end('${name}'), Number(/after=(\\d+)/.exec(q.url)?.[1] ?? 0))).listen(80, '${address}')`
    const child = spawn('nsenter', [`--net=/run/netns/${name}`, process.execPath, '-e', program], { stdio: 'ignore' })
    this.children.push(child)
    await eventually(() => get(`http://${address}/`))
    return child
  }

  /** Sends a request as it stands; `as` is the certificate shown to the agent. */
  async raw(
    agent: TestAgent,
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    options: { body?: string; as?: { certificate: string; key: string }; headers?: Record<string, string> } = {},
  ) {
    const client = this.agentClient(options.as)
    try {
      return await client.send(agent, { method, path, body: options.body, headers: options.headers })
    } finally {
      client.close()
    }
  }

  agentClient(as = this.client): AgentClient {
    return createAgentClient({
      client: as,
      serverCas: this.serverCa.certificate,
      port: 9443,
      connectTimeoutMs: 5_000,
      readTimeoutMs: 20_000,
      linkLocalInterface: 'mgmt',
    })
  }

  async close(): Promise<void> {
    this.driver.close()
    this.receiver.close()
    for (const child of this.children) child.kill('SIGKILL')
    for (const { base } of this.agents) {
      for (const pidFile of readFiles(base)) {
        const pid = Number.parseInt(pidFile, 10)
        if (pid > 1 && existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL')
      }
    }
    // Namespaces vanish some time after their deletion; the next stage uses the same names at once.
    // Those whose other end was in a machine that has ended are gone already.
    await exec('ip', ['-force', '-batch', '-'], { input: this.veths.map((name) => `link delete ${name}\n`).join(''), anyStatus: true })
    for (const name of [...this.namespaces, ...this.agents.map(({ inner }) => inner)])
      if (existsSync(`/run/netns/${name}`)) await ip(`netns delete ${name}`)
    await ip('link delete mgmt', 'link delete tenant')
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** A heartbeat as a controller reads it. */
function open(packet: Buffer): Heartbeat {
  const [compressed, signature] = [packet.subarray(0, -64), packet.subarray(-64).toString()]
  assert.equal(createHmac('sha256', HEARTBEAT_KEY).update(compressed).digest('hex'), signature)
  return JSON.parse(inflateSync(compressed).toString()) as Heartbeat
}

/** The contents of pid files of what outlives the agent. */
function readFiles(base: string): string[] {
  const candidates = [join(base, 'vrrp/octavia-keepalived.pid'), join(base, LOAD_BALANCER, `${LOAD_BALANCER}.pid`)]
  return candidates.filter((path) => existsSync(path)).map((path) => readFileSync(path, 'utf8'))
}

export const LOAD_BALANCER = '7f1b3a52-7d59-4e9f-8a0c-8fb1a7f5a7e1'
export const LISTENER = '11111111-7d59-4e9f-8a0c-8fb1a7f5a7e1'
export const POOL = '22222222-7d59-4e9f-8a0c-8fb1a7f5a7e1'

/** As upstream renders it: `daemon`, a socket for everybody, the pool named with its listener. */
export function haproxyCfg(agent: TestAgent, members: Record<string, string>, extra = ''): string {
  return `global
    daemon
    user nobody
    stats socket ${agent.base}/${LOAD_BALANCER}.sock mode 0666 level user
    server-state-file ${agent.base}/${LOAD_BALANCER}/servers-state
    maxconn 1000

defaults
    retries 3
    option redispatch
    load-server-state-from-file global
    timeout connect 1s
    timeout client 5s
    timeout server 5s

frontend ${LISTENER}
    maxconn 500
    bind ${VIP}:80
    mode http
    default_backend ${POOL}:${LISTENER}
${extra}
backend ${POOL}:${LISTENER}
    mode http
    balance roundrobin
${Object.entries(members)
  .map(([name, address]) => `    server ${name} ${address}:80 weight 1 check inter 200ms fall 1 rise 1\n`)
  .join('')}`
}

/** A configuration that names no certificates. */
export function filesOf(configuration: string): HaproxyFiles {
  return { configuration, certificates: [] }
}

/** The body of the answer; rejects on another status than 200. */
export function get(url: string, timeoutMs = 1_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent: false, timeout: timeoutMs }, (incoming) => {
      let body = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (chunk: string) => {
        body += chunk
      })
      incoming.on('end', () => (incoming.statusCode === 200 ? resolve(body) : reject(new Error(`status ${incoming.statusCode}`))))
      incoming.on('error', reject)
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('timed out')))
    outgoing.on('error', reject)
    outgoing.end()
  })
}

export async function ip(...commands: string[]): Promise<void> {
  await exec('ip', ['-batch', '-'], { input: commands.map((line) => `${line}\n`).join('') })
}

/** The output of a command in a namespace. */
export async function inside(namespace: string, ...command: string[]): Promise<string> {
  return (await exec('nsenter', [`--net=/run/netns/${namespace}`, ...command])).stdout
}
