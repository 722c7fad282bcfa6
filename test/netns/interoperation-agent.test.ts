/**
 * Octavia's agent on the other end of the wire: our controller's driver drives it, with what our renderers make, and our health manager understands its
 * heartbeats. Skipped where it is not installed.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from 'node:tls'

import { fileURLToPath } from 'node:url'
import type { Config } from '../../src/config/config.ts'
import type { Db } from '../../src/db/connection.ts'
import { NoopAmphora } from '../../src/drivers/amphora/noop.ts'
import { NoopCompute } from '../../src/drivers/compute/noop.ts'
import { NoopNetwork } from '../../src/drivers/network/noop.ts'
import { startHealthManager } from '../../src/health-manager/health-manager.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { exec } from '../../src/lib/exec.ts'
import { createLog } from '../../src/lib/log.ts'
import { createMetrics } from '../../src/monitoring/metrics.ts'
import { renderAgentConfiguration } from '../../src/render/agent-configuration.ts'
import { crtListOf, defaultCertificateOf, renderCrtList } from '../../src/render/certificate-files.ts'
import { haproxyOptions, renderHaproxy } from '../../src/render/haproxy.ts'
import { keepalivedOptions, renderKeepalived } from '../../src/render/keepalived.ts'
import { requireTree } from '../../src/resources/load-balancer/tree.ts'
import { aConfig, aListenerRow, aLoadBalancerRow, aMemberRow, anAmphoraRow, aPoolRow } from '../support/builders.ts'
import { aCertificate } from '../support/certificates.ts'
import { aDatabase } from '../support/databases.ts'
import { eventually } from '../support/eventually.ts'
import { AgentStage, CONTROLLER, get, inside, ip, LISTENER, LOAD_BALANCER, POOL, type TestAgent, VIP } from './support/agent-stage.ts'

const AGENT = '/usr/bin/amphora-agent'
const CLIENT = '10.0.0.1'
const MEMBER = '33333333-7d59-4e9f-8a0c-8fb1a7f5a7e1'
const TLS_LISTENER = '44444444-7d59-4e9f-8a0c-8fb1a7f5a7e1'
const MEMBER_ADDRESS = '10.0.0.50'
const SECOND_ADDRESS = '10.0.0.88'
const PORT = 5_601
const CONFIG = {
  health_manager: {
    heartbeat_key: 'a heartbeat key of the tests',
    heartbeat_interval: 1,
    bind_ip: CONTROLLER,
    controller_ip_port_list: [`${CONTROLLER}:${PORT}`],
  },
}
const fence = { flow_id: 'f', generation: 1 }
const support = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url))

const skip = existsSync(AGENT) ? null : "octavia-common, which has Octavia's agent, is not installed"
const named = (name: string) => (skip === null ? name : `${name} (skipped: ${skip})`)

let stage: AgentStage
before(async () => {
  stage = await AgentStage.open()
})
after(() => stage.close())

test(named("our controller drives Octavia's agent, and understands its heartbeats"), { skip: skip !== null }, async (t) => {
  const config = aConfig(CONFIG)
  const db = await aDatabase()
  t.after(() => db.destroy())
  const agent = await octaviaAgent(8, config)
  t.after(() => process.kill(-agent.process.pid!, 'SIGKILL'))
  await hearHeartbeats(db, config, t)

  const { driver } = stage
  const info = await driver.waitForAgent(agent, 'booting')
  assert.equal(info.api_version, '1.0')
  assert.equal(await driver.takesLogs(agent), false)

  // Twice, as after an interruption.
  await stage.plugVip(agent)
  await stage.plugVip(agent)
  const vrrp_interface = await driver.getInterface(agent, agent.vrrp_ip)
  assert.equal(vrrp_interface, 'eth1')
  const second = 'fa:16:3e:00:00:88'
  await stage.port(agent, 'tenant', second)
  const fixed_ips = [{ ip_address: SECOND_ADDRESS, subnet_cidr: '10.0.0.0/24', gateway: null, host_routes: [] }]
  await driver.plugNetwork(agent, { mac_address: second, mtu: 1450, fixed_ips }, fence)
  assert.equal(await driver.getInterface(agent, SECOND_ADDRESS), 'eth2')

  await stage.member('web', MEMBER_ADDRESS)
  await storeLoadBalancer(db, { ...agent, vrrp_interface })
  const tree = await requireTree(db, LOAD_BALANCER)
  const vip = { ip_address: VIP, subnet_cidr: '10.0.0.0/24', gateway: CLIENT, host_routes: [] }
  await driver.applyKeepalived(agent, renderKeepalived(tree, agent.id, [vip], keepalivedOptions(config, info.capabilities ?? [])), fence)
  const { certificate, private_key } = await aCertificate()
  const tls = { id: TLS_LISTENER }
  const certificates = [
    { name: crtListOf(tls), contents: renderCrtList(LOAD_BALANCER, [defaultCertificateOf(tls)]) },
    { name: defaultCertificateOf(tls), contents: `${certificate}${private_key}` },
  ]
  const configuration = renderHaproxy(tree, haproxyOptions(config))!
  assert.equal(await driver.applyHaproxy(agent, LOAD_BALANCER, { configuration, certificates }, fence), null)
  const names = certificates.map(({ name }) => name)
  assert.deepEqual(await driver.heldCertificates(agent, LOAD_BALANCER, [...names, 'another.pem']), names)
  // By what keepalived announces.
  await eventually(async () => assert.equal(await get(`http://${VIP}/`), 'web'), 20_000)
  assert.match(await shownByTls(), /^CN=www\.example$/m)

  await eventually(async () => assert.equal(await operatingStatus(db), 'ONLINE'), 20_000)
  await eventually(async () => assert.ok((await counted(db)) >= 1), 20_000)
  // HAProxy and keepalived run by now, so these are reloads.
  await driver.applyKeepalived(agent, renderKeepalived(tree, agent.id, [vip], keepalivedOptions(config, info.capabilities ?? [])), fence)
  const changed = configuration.replace(/maxconn \d+\n/, 'maxconn 777\n')
  assert.notEqual(changed, configuration)
  await driver.applyHaproxy(agent, LOAD_BALANCER, { configuration: changed, certificates }, fence)
  const before = await counted(db)
  // What the former process counts until it is reloaded is lost with that agent, so one request would not do.
  await eventually(async () => {
    assert.equal(await get(`http://${VIP}/`), 'web')
    assert.ok((await counted(db)) > before)
  }, 20_000)

  // As rotations do: it takes another certificate of its own and another key, but no other CA of its controllers.
  const renewed = await stage.serverCa.issue({ common_name: agent.id, usage: 'server', validitySeconds: 3_600 })
  await driver.replaceServerCertificate(agent, `${renewed.certificate}${renewed.key}`, fence)
  assert.equal(await driver.replaceClientCas(agent, stage.clientCa.certificate, fence), false)
  await driver.updateAgentConfiguration(agent, renderAgentConfiguration(agent.id, 'ACTIVE_STANDBY', config), fence)
  await driver.waitForAgent(agent, 'active')

  await driver.stopKeepalived(agent, fence)
  await driver.deleteHaproxy(agent, LOAD_BALANCER, fence)
  await driver.deleteHaproxy(agent, LOAD_BALANCER, fence)
  await assert.rejects(get(`http://${VIP}/`))
})

/** In namespaces `amp-N` and `amphora-haproxy`, by which name alone it knows the latter; configured by what our controller gives its amphorae. */
async function octaviaAgent(number: number, config: Config): Promise<TestAgent> {
  const id = `00000000-0000-4000-8000-00000000000${number}`
  const base = join(stage.directory, String(number))
  const agent = {
    id,
    lb_network_ip: `192.0.2.1${number}`,
    outer: `amp-${number}`,
    inner: 'amphora-haproxy',
    mac_address: `fa:16:3e:00:00:0${number}`,
    vrrp_ip: `10.0.0.1${number}`,
    // Where the pid files are by which a stage ends what outlives an agent.
    base: join(base, 'lib'),
    configuration: join(base, 'etc/amphora-agent.conf'),
  }
  await stage.namespace(agent.outer, 'mgmt', `${agent.lb_network_ip}/24`)
  await stage.port({ ...agent, process: undefined as never }, 'tenant', agent.mac_address)
  await ip(`netns add ${agent.inner}`)
  await exec('ip', ['-netns', agent.inner, 'link', 'set', 'lo', 'up'])
  // As the image's sysctl.d has it: HAProxy binds to a VIP that keepalived has not got yet.
  await inside(agent.inner, 'sysctl', '-qw', 'net.ipv4.ip_nonlocal_bind=1')
  mkdirSync(join(base, 'etc/certs'), { recursive: true })
  chmodSync(stage.directory, 0o711)
  const server = await stage.serverCa.issue({ common_name: id, usage: 'server', validitySeconds: 3_600 })
  writeFileSync(join(base, 'etc/certs/server.pem'), `${server.certificate}${server.key}`)
  writeFileSync(join(base, 'etc/certs/client_ca.pem'), stage.clientCa.certificate)
  writeFileSync(agent.configuration, renderAgentConfiguration(id, 'ACTIVE_STANDBY', config))
  // Detached: it has processes of its own, which end with its group.
  const child: ChildProcess = spawn(
    'nsenter',
    [`--net=/run/netns/${agent.outer}`, 'unshare', '--mount', support('octavia-agent.sh'), base],
    {
      detached: true,
      stdio: 'ignore',
    },
  )
  stage.agents.push({ ...agent, process: child })
  return { ...agent, process: child }
}

async function hearHeartbeats(db: Db, config: Config, t: { after(stop: () => Promise<void>): void }): Promise<void> {
  const context = {
    db,
    config,
    clock: systemClock,
    log: createLog('silent'),
    metrics: createMetrics(),
    amphora: new NoopAmphora(),
    compute: new NoopCompute(),
    network: new NoopNetwork(),
  }
  const keys = [CONFIG.health_manager.heartbeat_key]
  const health = await startHealthManager(context, { bind: [{ address: CONTROLLER, port: PORT }], keys: () => keys })
  t.after(() => health.stop())
}

async function storeLoadBalancer(db: Db, agent: TestAgent & { vrrp_interface: string }): Promise<void> {
  const row = { load_balancer_id: LOAD_BALANCER, default_pool_id: POOL, connection_limit: 1_000, operating_status: 'OFFLINE' as const }
  const loadBalancer = aLoadBalancerRow({ id: LOAD_BALANCER, vip_address: VIP, topology: 'ACTIVE_STANDBY', operating_status: 'OFFLINE' })
  await db.insertInto('load_balancer').values(loadBalancer).execute()
  await db
    .insertInto('pool')
    .values(aPoolRow({ id: POOL, load_balancer_id: LOAD_BALANCER, operating_status: 'OFFLINE' }))
    .execute()
  const secure = { protocol: 'TERMINATED_HTTPS', protocol_port: 443, default_tls_container_ref: 'https://barbican/v1/secrets/web' } as const
  for (const listener of [
    { id: LISTENER, protocol_port: 80 },
    { id: TLS_LISTENER, ...secure },
  ])
    await db
      .insertInto('listener')
      .values(aListenerRow({ ...row, ...listener }))
      .execute()
  await db
    .insertInto('member')
    .values(aMemberRow({ id: MEMBER, pool_id: POOL, address: MEMBER_ADDRESS, protocol_port: 80 }))
    .execute()
  const { id, lb_network_ip, vrrp_ip, vrrp_interface } = agent
  const place = { id, loadbalancer_id: LOAD_BALANCER, lb_network_ip, vrrp_ip, vrrp_interface }
  await db
    .insertInto('amphora')
    .values(anAmphoraRow({ ...place, vrrp_id: 1, vrrp_priority: 100, role: 'MASTER', status: 'ALLOCATED' }))
    .execute()
}

async function operatingStatus(db: Db): Promise<string> {
  const row = await db.selectFrom('load_balancer').select('operating_status').where('id', '=', LOAD_BALANCER).executeTakeFirstOrThrow()
  return row.operating_status
}

/** Connections to the listener, by the heartbeats. */
async function counted(db: Db): Promise<number> {
  const row = await db.selectFrom('listener_statistics').select('total_connections').where('listener_id', '=', LISTENER).executeTakeFirst()
  return row?.total_connections ?? 0
}

/** The subject of the certificate that the VIP shows. */
function shownByTls(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: VIP, port: 443, rejectUnauthorized: false, timeout: 2_000 }, () => {
      resolve(socket.getPeerX509Certificate()!.subject)
      socket.end()
    })
    socket.on('error', reject)
  })
}
