/** Octavia's package on the other end of the wire: its driver drives our agent, and understands its heartbeats. Skipped where it is not installed. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { exec } from '../../src/lib/exec.ts'
import { eventually } from '../support/eventually.ts'
import { AgentStage, CONTROLLER, get, LISTENER, LOAD_BALANCER, POOL, VIP } from './support/agent-stage.ts'

const DRIVER = '/usr/lib/python3/dist-packages/octavia/amphorae/drivers/haproxy/rest_api_driver.py'
const CLIENT = '10.0.0.1'
const MEMBER = '33333333-7d59-4e9f-8a0c-8fb1a7f5a7e1'
const MEMBER_ADDRESS = '10.0.0.50'
const HEARTBEAT_KEY = 'a heartbeat key of the tests'
const THEIR_PORT = 5_602
const support = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url))

const skip = existsSync(DRIVER) ? null : 'python3-octavia is not installed'
const named = (name: string) => (skip === null ? name : `${name} (skipped: ${skip})`)

let stage: AgentStage
before(async () => {
  stage = await AgentStage.open()
})
after(() => stage.close())

test(named("Octavia's driver drives our agent, and understands its heartbeats"), { skip: skip !== null }, async () => {
  const agent = await stage.agent(1, { topology: 'ACTIVE_STANDBY' })
  await stage.member('web', MEMBER_ADDRESS)
  const path = (name: string) => join(stage.directory, name)
  writeFileSync(path('client.pem'), `${stage.client.certificate}${stage.client.key}`)
  writeFileSync(path('server_ca.pem'), stage.serverCa.certificate)
  writeFileSync(
    path('octavia.conf'),
    `[DEFAULT]
transport_url = fake://
[database]
connection = sqlite://
[haproxy_amphora]
client_cert = ${path('client.pem')}
server_ca = ${path('server_ca.pem')}
base_path = ${agent.base}
base_cert_dir = ${agent.base}/certs
[certificates]
cert_manager = local_cert_manager
[health_manager]
bind_ip = ${CONTROLLER}
bind_port = ${THEIR_PORT}
heartbeat_key = ${HEARTBEAT_KEY}
[keepalived_vrrp]
vrrp_check_interval = 1
`,
  )
  const renewed = await stage.serverCa.issue({ common_name: agent.id, usage: 'server', validitySeconds: 3_600 })
  const pem = `${renewed.certificate}${renewed.key}`
  const agent_config = stage
    .agentConfiguration(agent, { heartbeatIntervalSeconds: 1, topology: 'ACTIVE_STANDBY' })
    .replace(/controller_ip_port_list = .*/, `controller_ip_port_list = ${CONTROLLER}:${THEIR_PORT}`)
  const place = {
    id: agent.id,
    lb_network_ip: agent.lb_network_ip,
    vrrp_ip: agent.vrrp_ip,
    mac_address: agent.mac_address,
    vip: VIP,
    cidr: '10.0.0.0/24',
    gateway: CLIENT,
    load_balancer: LOAD_BALANCER,
    listener: LISTENER,
    pool: POOL,
    member: MEMBER,
    member_address: MEMBER_ADDRESS,
    pem,
    server_pem: pem,
    agent_config,
  }
  const { stdout } = await exec('/usr/bin/python3', [support('octavia-driver.py'), path('octavia.conf'), JSON.stringify(place)], {
    timeoutMs: 50_000,
  })
  const said = JSON.parse(stdout.slice(stdout.indexOf('SAID ') + 5)) as Record<string, never>
  const { info, details, listeners, heartbeat } = said as unknown as Record<string, Record<string, unknown>>
  assert.equal(info!.api_version, '1.0')
  assert.equal(details!.haproxy_version, info!.haproxy_version)
  assert.equal(said.interface, 'eth1')
  assert.deepEqual(listeners, [{ status: 'ACTIVE', type: 'HTTP', uuid: LISTENER }])
  assert.equal(said.md5, createHash('md5').update(pem).digest('hex'))
  assert.equal(said.heartbeat_from, agent.lb_network_ip as never)
  assert.deepEqual(Object.keys(heartbeat!.listeners as object), [LISTENER])
  assert.deepEqual(Object.keys(heartbeat!.pools as object), [`${POOL}:${LISTENER}`])
  await eventually(async () => assert.equal(await get(`http://${VIP}/`), 'web'), 20_000)
})
