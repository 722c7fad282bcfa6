import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { AgentError, FencedError } from '../../src/drivers/errors.ts'
import { createCertificateAuthority, loadCertificateAuthority } from '../../src/lib/certificate-authority.ts'
import { eventually } from '../support/eventually.ts'
import {
  AgentStage,
  filesOf,
  get,
  haproxyCfg,
  inside,
  LISTENER,
  LOAD_BALANCER,
  POOL,
  type TestAgent,
  VIP,
  VIP_IPV6,
} from './support/agent-stage.ts'

const fence = { flow_id: 'a flow', generation: 1 }
const members = { 'member-1': '10.0.0.21', 'member-2': '10.0.0.22' }

describe('an agent of a SINGLE load balancer', () => {
  let stage: AgentStage
  let agent: TestAgent
  before(async () => {
    stage = await AgentStage.open()
    agent = await stage.agent(1)
    await stage.member('member-1', members['member-1'])
    await stage.member('member-2', members['member-2'])
  })
  after(() => stage.close())

  const latest = () => stage.heartbeats.at(-1)!.heartbeat
  const haproxyPid = () => Number.parseInt(readFileSync(`${agent.base}/${LOAD_BALANCER}/${LOAD_BALANCER}.pid`, 'utf8'), 10)

  test('says what it is, and answers unknown paths and methods in JSON', async () => {
    assert.deepEqual(JSON.parse((await stage.raw(agent, 'GET', '/')).body), { api_version: '1.0' })
    const info = await stage.driver.waitForAgent(agent, 'active')
    assert.match(info.haproxy_version, /^\d+\.\d+/)
    assert.match(info.keepalived_version, /^\d+\.\d+/)
    assert.ok(info.capabilities?.includes('fractional-advert'))
    const unknown = await stage.raw(agent, 'GET', '/1.0/nothing')
    assert.equal(unknown.status, 404)
    assert.equal(JSON.parse(unknown.body).http_code, 404)
    const wrongMethod = await stage.raw(agent, 'DELETE', '/1.0/info')
    assert.equal(wrongMethod.status, 405)
    assert.equal(JSON.parse(wrongMethod.body).http_code, 405)
    assert.equal((await stage.raw(agent, 'GET', '/1.0/loadbalancer/../haproxy')).status, 404)
  })

  test('sends heartbeats also while it has no listener', async () => {
    await eventually(() => stage.heartbeats.length > 0)
    assert.equal(latest().id, agent.id)
    assert.deepEqual(latest().listeners, {})
  })

  test('refuses who has no certificate, one of another CA, or an amphora as a client', async () => {
    const other = await loadCertificateAuthority(await createCertificateAuthority({ common_name: 'other', validitySeconds: 3600 }))
    const issue = { common_name: 'controller', validitySeconds: 3600 }
    const strangers = {
      'of another CA': await other.issue({ ...issue, usage: 'client' }),
      'the server certificate of an amphora': await stage.serverCa.issue({ ...issue, usage: 'server' }),
      'for servers, though of the right CA': await stage.clientCa.issue({ ...issue, usage: 'server' }),
      none: { certificate: '', key: '' },
    }
    for (const [name, as] of Object.entries(strangers))
      await assert.rejects(stage.raw(agent, 'GET', '/1.0/info', { as: as.key === '' ? undefinedIdentity : as }), Error, name)
  })

  test('refuses to be somebody else', async () => {
    await assert.rejects(stage.raw({ ...agent, id: '00000000-0000-4000-8000-000000000099' }, 'GET', '/1.0/info'), /altname|host/i)
  })

  test('plugs the VIP once, and finds its interface', async () => {
    await stage.plugVip(agent)
    assert.equal(await stage.driver.getInterface(agent, VIP), 'eth1')
    assert.equal(await stage.driver.getInterface(agent, agent.vrrp_ip), 'eth1')
    await assert.rejects(stage.driver.getInterface(agent, '10.9.9.9'), (error) => error instanceof AgentError && error.status === 404)
    assert.equal((await stage.raw(agent, 'GET', '/1.0/interface/nonsense')).status, 400)
    const again = await stage.raw(agent, 'POST', `/1.0/plug/vip/${VIP}`, {
      body: JSON.stringify({ subnet_cidr: '10.0.0.0/24', gateway: '10.0.0.1', mac_address: agent.mac_address }),
    })
    assert.deepEqual([again.status, again.body], [409, '{"message":"Interface already exists"}'])
    const invalid = await stage.raw(agent, 'POST', `/1.0/plug/vip/${VIP}`, { body: '{"gateway":null}' })
    assert.deepEqual(JSON.parse(invalid.body), { error: '400 Bad Request: Invalid subnet information', http_code: 400 })
    const addresses = await inside(agent.inner, 'ip', 'address', 'show', 'eth1')
    assert.match(addresses, /mtu 1450/)
    assert.match(addresses, /10\.0\.0\.10\/32/)
    assert.match(await inside(agent.inner, 'ip', 'rule'), /from 10\.0\.0\.10 lookup 1/)
    assert.match(await inside(agent.inner, 'ip', 'route', 'show', 'table', '1'), /default via 10\.0\.0\.1 dev eth1 onlink/)
    assert.equal(readFileSync(`${agent.base}/plugged_interfaces`, 'utf8'), `${agent.mac_address} eth1\n`)
  })

  test('plugs a network, changes its addresses, and asks for patience where there is no interface', async () => {
    const mac = 'fa:16:3e:00:00:a2'
    const plug = (ip_address: string) => ({
      mac_address: mac,
      mtu: 1400,
      fixed_ips: [
        {
          ip_address,
          subnet_cidr: '10.0.1.0/24',
          gateway: '10.0.1.1',
          host_routes: [{ destination: '10.0.9.0/24', nexthop: '10.0.1.254' }],
        },
      ],
    })
    const early = await stage.raw(agent, 'POST', '/1.0/plug/network', { body: JSON.stringify(plug('10.0.1.5')) })
    assert.deepEqual([early.status, early.body], [404, '{"details":"No suitable network interface found"}'])
    await stage.port(agent, 'mgmt', mac)
    const first = await stage.raw(agent, 'POST', '/1.0/plug/network', { body: JSON.stringify(plug('10.0.1.5')) })
    assert.deepEqual([first.status, JSON.parse(first.body)], [202, { message: 'OK', details: 'Plugged on interface eth2' }])
    assert.match(await inside(agent.inner, 'ip', 'route'), /10\.0\.9\.0\/24 via 10\.0\.1\.254 dev eth2/)
    const second = await stage.raw(agent, 'POST', '/1.0/plug/network', { body: JSON.stringify(plug('10.0.1.6')) })
    assert.equal(JSON.parse(second.body).details, 'Updated existing interface eth2')
    const addresses = await inside(agent.inner, 'ip', 'address', 'show', 'eth2')
    assert.match(addresses, /10\.0\.1\.6\/24/)
    assert.doesNotMatch(addresses, /10\.0\.1\.5/)
  })

  test('refuses what HAProxy refuses, with its words, and keeps nothing of it', async () => {
    const path = `/1.0/loadbalancer/${agent.id}/${LOAD_BALANCER}/haproxy`
    const refused = await stage.raw(agent, 'PUT', path, { body: 'frontend x\n    nonsense\n' })
    assert.equal(refused.status, 400)
    assert.equal(JSON.parse(refused.body).message, 'Invalid request')
    assert.match(JSON.parse(refused.body).details, /nonsense/)
    assert.equal((await stage.raw(agent, 'GET', `/1.0/loadbalancer/${LOAD_BALANCER}/haproxy`)).status, 404)
    assert.equal((await stage.raw(agent, 'PUT', `/1.0/loadbalancer/${LOAD_BALANCER}/start`)).status, 404)
    assert.equal((await stage.raw(agent, 'PUT', path, { body: 'x'.repeat(9 * 1024 * 1024) })).status, 413)
  })

  test('balances through the VIP as soon as the configuration is applied', async () => {
    const configuration = haproxyCfg(agent, members)
    await stage.driver.applyHaproxy(agent, LOAD_BALANCER, filesOf(configuration), fence)
    const answers = [await get(`http://${VIP}/`), await get(`http://${VIP}/`)]
    assert.deepEqual(answers.sort(), ['member-1', 'member-2'])
    const stored = await stage.raw(agent, 'GET', `/1.0/loadbalancer/${LOAD_BALANCER}/haproxy`)
    assert.equal(stored.body, configuration)
    assert.match(stored.etag ?? '', /^[0-9a-f]{32}$/)
    const again = await stage.raw(agent, 'PUT', `/1.0/loadbalancer/${agent.id}/${LOAD_BALANCER}/haproxy`, { body: configuration })
    assert.deepEqual([again.status, again.etag], [202, stored.etag])
    const listeners = JSON.parse((await stage.raw(agent, 'GET', '/1.0/listeners')).body)
    assert.deepEqual(listeners, [{ status: 'ACTIVE', uuid: LISTENER, type: 'HTTP' }])
    const owner = readFileSync(`/proc/${haproxyPid()}/task/${haproxyPid()}/children`, 'utf8').trim().split(' ')[0]
    assert.equal(statSync(`/proc/${owner}`).uid, 65_534, 'the worker is nobody')
  })

  test('tells a change of a member at once, and traffic as growth', async () => {
    await eventually(() => latest().pools[`${POOL}:${LISTENER}`]?.members['member-2'] === 'UP')
    const before = stage.heartbeats.length
    const { base } = agent
    const down = await inside('member-2', 'sh', '-c', 'ip link set eth0 down')
    assert.equal(down, '')
    const began = performance.now()
    await eventually(() => latest().pools[`${POOL}:${LISTENER}`]?.members['member-2'] === 'DOWN')
    assert.ok(performance.now() - began < 3_000, 'long before the interval of 60 s')
    await inside('member-2', 'ip', 'link', 'set', 'eth0', 'up')
    await eventually(() => latest().pools[`${POOL}:${LISTENER}`]?.members['member-2'] === 'UP')
    const sent = stage.heartbeats.slice(before)
    for (const [index, { at }] of sent.entries()) assert.ok(index === 0 || at - sent[index - 1]!.at > 900, 'one per second at most')
    const reported = stage.heartbeats.map(({ heartbeat }) => heartbeat.listeners[LISTENER]?.stats.totconns ?? 0)
    assert.equal(
      reported.reduce((sum, count) => sum + count, 0),
      2,
      'the two requests, counted once',
    )
    assert.ok(existsSync(`${base}/stats_counters.json`))
  })

  test('reloads under requests without losing one', async () => {
    let failed = 0
    let served = 0
    let done = false
    const client = async () => {
      while (!done) {
        await get(`http://${VIP}/`).then(
          () => served++,
          () => failed++,
        )
      }
    }
    const clients = [client(), client(), client()]
    for (let round = 0; round < 4; round++)
      await stage.driver.applyHaproxy(
        agent,
        LOAD_BALANCER,
        filesOf(haproxyCfg(agent, members, `    timeout http-request ${5 + round}s\n`)),
        fence,
      )
    done = true
    await Promise.all(clients)
    assert.equal(failed, 0)
    assert.ok(served > 20, `${served} requests`)
  })

  test('starts HAProxy again when it dies', async () => {
    const pid = haproxyPid()
    process.kill(pid, 'SIGKILL')
    await eventually(() => haproxyPid() !== pid)
    await eventually(() => get(`http://${VIP}/`))
  })

  test('a new agent takes over the running HAProxy', async () => {
    const pid = haproxyPid()
    agent.process.kill('SIGKILL')
    await get(`http://${VIP}/`)
    agent.process = stage.startAgent(agent)
    await stage.driver.waitForAgent(agent, 'booting')
    assert.equal(haproxyPid(), pid)
    await stage.driver.applyHaproxy(agent, LOAD_BALANCER, filesOf(haproxyCfg(agent, { 'member-1': members['member-1'] })), fence)
    assert.equal(haproxyPid(), pid)
    assert.deepEqual(new Set([await get(`http://${VIP}/`), await get(`http://${VIP}/`)]), new Set(['member-1']))
    process.kill(pid, 'SIGKILL')
    await eventually(() => haproxyPid() !== pid)
    await eventually(() => get(`http://${VIP}/`))
  })

  test('keeps out a worker that has a successor, also after a restart', async () => {
    const apply = (generation: number) =>
      stage.driver.applyHaproxy(agent, LOAD_BALANCER, filesOf(haproxyCfg(agent, members)), { flow_id: 'fenced', generation })
    await apply(2)
    await assert.rejects(apply(1), FencedError)
    agent.process.kill('SIGTERM')
    agent.process = stage.startAgent(agent)
    await stage.driver.waitForAgent(agent, 'booting')
    await assert.rejects(apply(1), FencedError)
    await apply(2)
  })

  test('keeps certificates and UDP configurations, and refuses paths that lead elsewhere', async () => {
    const path = `/1.0/loadbalancer/${LOAD_BALANCER}/certificates/abc.pem`
    const stored = await stage.raw(agent, 'PUT', path, { body: 'PEM' })
    assert.deepEqual([stored.status, stored.etag], [200, createHash('md5').update('PEM').digest('hex')])
    assert.deepEqual(JSON.parse((await stage.raw(agent, 'GET', path)).body), { md5sum: stored.etag })
    assert.equal(statSync(`${agent.base}/certs/${LOAD_BALANCER}/abc.pem`).mode & 0o777, 0o600)
    assert.equal((await stage.raw(agent, 'DELETE', path)).status, 200)
    assert.equal((await stage.raw(agent, 'GET', path)).status, 404)
    assert.equal((await stage.raw(agent, 'PUT', `/1.0/loadbalancer/${LOAD_BALANCER}/certificates/abc.key`, { body: '' })).status, 400)
    const udp = await stage.raw(agent, 'PUT', `/1.0/listeners/${agent.id}/udp-1/udp_listener`, { body: '# nothing yet\n' })
    assert.equal(udp.status, 200)
    assert.equal((await stage.raw(agent, 'GET', '/1.0/listeners/udp-1/udp_listener')).body, '# nothing yet\n')
    assert.equal((await stage.raw(agent, 'DELETE', '/1.0/listeners/udp-1')).status, 200)
  })

  test('shows its details', async () => {
    const details = JSON.parse((await stage.raw(agent, 'GET', '/1.0/details')).body)
    assert.deepEqual(details.listeners, [LISTENER])
    assert.equal(details.haproxy_count, 1)
    assert.ok(details.networks.eth1.network_rx > 0)
    assert.ok(details.cpu.total > 0 && details.memory.total > 0 && details.disk.used > 0 && details.load.length === 3)
    for (const name of ['hostname', 'haproxy_version', 'api_version', 'active', 'cpu_count', 'topology', 'topology_status', 'packages'])
      assert.ok(name in details, name)
  })

  test('takes a new certificate for itself, and no wrong one', async () => {
    const issued = await stage.serverCa.issue({ common_name: agent.id, usage: 'server', validitySeconds: 7200 })
    assert.equal((await stage.raw(agent, 'PUT', '/1.0/certificate', { body: 'nonsense' })).status, 400)
    const pem = `${issued.certificate}${issued.key}`
    assert.equal((await stage.raw(agent, 'PUT', '/1.0/certificate', { body: pem })).status, 202)
    assert.equal((await stage.raw(agent, 'GET', '/')).status, 200)
    assert.equal(readFileSync(`${agent.base}/server.pem`, 'utf8'), pem)
  })

  test('takes a new certificate and other CAs of controllers while requests run, and cuts off who is of none of them', async () => {
    const authority = async () =>
      loadCertificateAuthority(await createCertificateAuthority({ common_name: 'new clients', validitySeconds: 3600 }))
    const newCa = await authority()
    const former = stage.client
    const newClient = await newCa.issue({ common_name: 'controller', usage: 'client', validitySeconds: 3600 })
    const put = (body: string, as = former) => stage.raw(agent, 'PUT', '/1.0/client_cas', { body, as })
    assert.equal((await put('nonsense')).status, 400)
    assert.equal((await put(newCa.certificate)).status, 400, 'who asks would lock himself out')

    const issued = await stage.serverCa.issue({ common_name: agent.id, usage: 'server', validitySeconds: 7200 })
    const kept = stage.agentClient(former)
    let asked = 0
    let asking = true
    const running = (async () => {
      for (; asking; asked++) assert.equal((await kept.send(agent, { method: 'GET', path: '/1.0/listeners' })).status, 200)
    })()
    assert.equal((await stage.raw(agent, 'PUT', '/1.0/certificate', { body: `${issued.certificate}${issued.key}` })).status, 202)
    assert.equal((await put(stage.clientCa.certificate + newCa.certificate)).status, 202)
    assert.equal((await stage.raw(agent, 'GET', '/', { as: newClient })).status, 200)
    const before = asked
    await eventually(() => asked > before)
    asking = false
    await running

    const log = await kept.follow(agent, { method: 'GET', path: `/1.0/loadbalancer/${LOAD_BALANCER}/logs?follow` })
    assert.ok(!('status' in log))
    assert.equal((await put(newCa.certificate, newClient)).status, 202)
    await assert.rejects(async () => {
      for await (const _ of log);
    }, 'a connection of before does not go on')
    await assert.rejects(kept.send(agent, { method: 'GET', path: '/' }), 'also not with the session that it had')
    await assert.rejects(stage.raw(agent, 'GET', '/'))
    kept.close()
    assert.equal((await put(stage.clientCa.certificate, newClient)).status, 400)
    assert.equal((await put(newCa.certificate + stage.clientCa.certificate, newClient)).status, 202)
  })

  test('takes another heartbeat interval', async () => {
    await stage.driver.updateAgentConfiguration(agent, stage.agentConfiguration(agent, { heartbeatIntervalSeconds: 1 }), fence)
    const before = stage.heartbeats.length
    await eventually(() => stage.heartbeats.length >= before + 2)
    assert.equal((await stage.raw(agent, 'PUT', '/1.0/config', { body: 'nonsense' })).status, 400)
  })

  test('takes VIP rules', async () => {
    const path = `/1.0/interface/${VIP}/rules`
    const rules = [{ protocol: 'TCP', cidr: '10.0.0.0/24', port: 80 }]
    assert.equal((await stage.raw(agent, 'PUT', path, { body: JSON.stringify(rules) })).status, 200)
    await get(`http://${VIP}/`)
    assert.equal((await stage.raw(agent, 'PUT', path, { body: '[{"protocol":"ICMP"}]' })).status, 400)
    await inside(agent.inner, 'nft', 'flush', 'ruleset')
  })

  test('removes a load balancer and forgets it', async () => {
    const pid = haproxyPid()
    await stage.driver.deleteHaproxy(agent, LOAD_BALANCER, fence)
    await stage.driver.deleteHaproxy(agent, LOAD_BALANCER, fence)
    assert.ok(!existsSync(`/proc/${pid}`))
    assert.ok(!existsSync(`${agent.base}/${LOAD_BALANCER}`))
    assert.deepEqual(JSON.parse((await stage.raw(agent, 'GET', '/1.0/listeners')).body), [])
    await eventually(() => Object.keys(latest().listeners).length === 0)
  })

  test('writes no key to its log', () => {
    const log = readFileSync(`${agent.base}/agent.log`, 'utf8')
    assert.doesNotMatch(log, /PRIVATE KEY|heartbeat key/)
  })
})

describe('an agent of an IPv6 load balancer', () => {
  let stage: AgentStage
  before(async () => {
    stage = await AgentStage.open()
  })
  after(() => stage.close())

  test('serves on its VIP at once, and hands it to keepalived later', async () => {
    const agent = await stage.agent(1)
    await stage.member('member-1', members['member-1'])
    const plug = {
      vip_address: VIP_IPV6,
      subnet_cidr: 'fd00:5::/64',
      gateway: 'fd00:5::1',
      mac_address: agent.mac_address,
      vrrp_ip: 'fd00:5::11',
      mtu: 1500,
      host_routes: [],
      additional_vips: [{ ip_address: VIP, subnet_cidr: '10.0.0.0/24', gateway: '10.0.0.1', host_routes: [] }],
    }
    await stage.driver.plugVip(agent, plug, fence)
    const configuration = haproxyCfg(agent, { 'member-1': members['member-1'] }, `    bind [${VIP_IPV6}]:80\n`)
    await stage.driver.applyHaproxy(agent, LOAD_BALANCER, filesOf(configuration), fence)
    assert.equal(await get(`http://[${VIP_IPV6}]/`), 'member-1')
    assert.equal(await get(`http://${VIP}/`), 'member-1')
    assert.match(await inside(agent.inner, 'ip', '-6', 'rule'), /from fd00:5::10 lookup 1/)
    assert.equal(await stage.driver.getInterface(agent, 'fd00:0005:0:0::10'), 'eth1')

    const pair = { ...agent, vrrp_ip: '10.0.0.11' }
    await stage.driver.applyKeepalived(agent, keepalivedConf(pair, { ...agent, vrrp_ip: '10.0.0.12' }, 100), fence)
    assert.doesNotMatch(await inside(agent.inner, 'ip', '-6', 'rule'), /fd00:5::10/)
    assert.doesNotMatch(await inside(agent.inner, 'ip', 'address', 'show', 'eth1'), /fd00:5::10/)
  })
})

/** Shows no certificate at all. */
const undefinedIdentity = { certificate: undefined as unknown as string, key: undefined as unknown as string }

describe('agents of a pair', () => {
  let stage: AgentStage
  let agents: TestAgent[]
  before(async () => {
    stage = await AgentStage.open()
    agents = await Promise.all([1, 2].map((number) => stage.agent(number, { topology: 'ACTIVE_STANDBY' })))
    await stage.member('member-1', members['member-1'])
  })
  after(() => stage.close())

  const owners = async () => {
    const shown = await Promise.all(agents.map(({ inner }) => inside(inner, 'ip', 'address', 'show', 'eth1')))
    return agents.filter((_, index) => shown[index]!.includes(`${VIP}/32`))
  }

  /** The longest time in which no request was answered, while `event` happens. */
  const gapDuring = async (event: () => void | Promise<void>): Promise<number> => {
    let last = performance.now()
    let longest = 0
    let done = false
    const ask = async () => {
      while (!done) {
        const answered = await get(`http://${VIP}/`, 100).then(
          () => true,
          () => false,
        )
        const now = performance.now()
        if (answered) {
          longest = Math.max(longest, now - last)
          last = now
        } else await sleep(2)
      }
    }
    const asking = ask()
    await event()
    await sleep(1_500)
    done = true
    await asking
    return Math.max(longest, performance.now() - last)
  }

  test('the VIP is on none until keepalived gives it to one', async () => {
    for (const agent of agents) {
      await stage.plugVip(agent)
      await stage.driver.applyHaproxy(agent, LOAD_BALANCER, filesOf(haproxyCfg(agent, { 'member-1': members['member-1'] })), fence)
    }
    assert.deepEqual(await owners(), [])
    const [first, second] = agents as [TestAgent, TestAgent]
    const refused = await stage.raw(first, 'PUT', '/1.0/vrrp/upload', { body: 'vrrp_instance {\n nonsense nonsense\n' })
    assert.equal(refused.status, 400)
    await stage.driver.applyKeepalived(first, keepalivedConf(first, second, 254), fence)
    await stage.driver.applyKeepalived(second, keepalivedConf(second, first, 253), fence)
    await eventually(async () => (await owners()).length === 1)
    await eventually(() => get(`http://${VIP}/`))
  })

  test('a file that keepalived has already disturbs nobody, and another one does not cost it its life', async () => {
    const [master] = (await owners()) as [TestAgent]
    const backup = agents.find((agent) => agent !== master)!
    const vrrpProcess = () => readFileSync(`${backup.base}/vrrp/octavia-keepalived-vrrp.pid`, 'utf8').trim()
    const before = vrrpProcess()
    await stage.driver.applyKeepalived(backup, readFileSync(`${backup.base}/vrrp/octavia-keepalived.conf`, 'utf8'), fence)
    assert.equal(vrrpProcess(), before)
    await stage.driver.applyKeepalived(backup, `${keepalivedConf(backup, master, 253)}# changed\n`, fence)
    // A process at real-time priority that may have no time is killed.
    await eventually(() => assert.match(readFileSync(`/proc/${vrrpProcess()}/limits`, 'utf8'), /Max realtime timeout +500000 /))
    assert.deepEqual(await owners(), [master])
  })

  test('a dead HAProxy passes the VIP on at once', async () => {
    const [master] = await owners()
    // The replacement must not come back before the peer has taken over.
    const pid = () => Number.parseInt(readFileSync(`${master!.base}/${LOAD_BALANCER}/${LOAD_BALANCER}.pid`, 'utf8'), 10)
    const gap = await gapDuring(() => void process.kill(pid(), 'SIGKILL'))
    assert.ok(gap < 800, `${gap} ms without an answer`)
    await eventually(() => get(`http://${VIP}/`))
    assert.equal(readFileSync(`${master!.base}/vrrp/haproxy-status`, 'utf8'), '0\n', 'it is back')
  })

  test('a dead amphora passes the VIP on', async () => {
    const [master] = await owners()
    const keepalived = Number.parseInt(readFileSync(`${master!.base}/vrrp/octavia-keepalived.pid`, 'utf8'), 10)
    const children = readFileSync(`/proc/${keepalived}/task/${keepalived}/children`, 'utf8').trim().split(' ').map(Number)
    const gap = await gapDuring(async () => {
      await inside(master!.inner, 'ip', 'link', 'set', 'eth1', 'down')
      master!.process.kill('SIGSTOP')
      for (const pid of [keepalived, ...children]) process.kill(pid, 'SIGKILL')
    })
    assert.ok(gap < 1_000, `${gap} ms without an answer`)
    const others = agents.filter((agent) => agent !== master)
    assert.deepEqual(await owners().then((list) => list.filter((agent) => agent !== master)), others)
    master!.process.kill('SIGCONT')
  })

  test('no heartbeat comes from an amphora whose keepalived is dead and cannot start', async () => {
    const [agent] = agents as [TestAgent]
    await stage.driver.stopKeepalived(agent, fence)
    writeFileSync(agent.configuration, stage.agentConfiguration(agent, { heartbeatIntervalSeconds: 1, topology: 'ACTIVE_STANDBY' }))
    await stage.driver.updateAgentConfiguration(agent, readFileSync(agent.configuration, 'utf8'), fence)
    const from = (id: string) => stage.heartbeats.filter(({ heartbeat }) => heartbeat.id === id).length
    const before = from(agent.id)
    await eventually(() => readFileSync(`${agent.base}/agent.log`, 'utf8').includes('no heartbeat'))
    assert.ok(from(agent.id) <= before + 1)
  })
})

/** With the timing of a fraction of a second, as our controllers render it. */
function keepalivedConf(agent: TestAgent, peer: TestAgent, priority: number): string {
  return `global_defs {
    vrrp_rt_priority 40
    vrrp_rlimit_rttime 1000000
}
vrrp_script check_script {
    script ${agent.base}/vrrp/check_script.sh
    interval 5
    fall 2
    rise 2
}
track_file haproxy_status {
    file ${agent.base}/vrrp/haproxy-status
    weight 0
}
vrrp_instance pair {
    version 3
    state BACKUP
    interface eth1
    virtual_router_id 1
    priority ${priority}
    nopreempt
    accept
    advert_int 0.1
    unicast_src_ip ${agent.vrrp_ip}
    unicast_peer {
        ${peer.vrrp_ip}
    }
    virtual_ipaddress {
        ${VIP}
    }
    track_script {
        check_script
    }
    track_file {
        haproxy_status
    }
}
`
}
