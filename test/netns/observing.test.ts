/** What a user sees of his traffic: metrics, access logs, statistics of members. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { MetricsRenamer } from '../../src/agent/prometheus.ts'
import { exec } from '../../src/lib/exec.ts'
import { aTree } from '../../src/render/golden/pairs.ts'
import { renderLvs } from '../../src/render/lvs.ts'
import { eventually } from '../support/eventually.ts'
import {
  AgentStage,
  CONTROLLER,
  filesOf,
  get,
  haproxyCfg,
  inside,
  LISTENER,
  LOAD_BALANCER,
  POOL,
  type TestAgent,
  VIP,
} from './support/agent-stage.ts'
import { UDP_PORT, UdpClient, UdpMember } from './support/udp-member.ts'

const fence = { flow_id: 'a flow', generation: 1 }
const members = { 'member-1': '10.0.0.21', 'member-2': '10.0.0.22' }
const UDP_LISTENER = '44444444-7d59-4e9f-8a0c-8fb1a7f5a7e1'
const METRICS_LISTENER = '33333333-7d59-4e9f-8a0c-8fb1a7f5a7e1'

/** As upstream renders a PROMETHEUS listener. */
const prometheus = `
frontend prometheus-exporter-internal-endpoint
    bind 127.0.0.1:9101
    mode http
    no log
    http-request use-service prometheus-exporter if { path /metrics }
    http-request reject
    timeout http-request 5s
    timeout client 5s
backend prometheus-exporter-internal
    mode http
    no log
    balance first
    timeout connect 5s
    timeout server 5s
    server prometheus-internal 127.0.0.1:9102
frontend ${METRICS_LISTENER}
    bind ${VIP}:8088
    mode http
    timeout client 50000
    default_backend prometheus-exporter-internal
`

/** Part of upstream's default. */
const LOG_FORMAT = 'demo lb %f %ci %{+Q}r %ST %b %s'

const UPSTREAM = '/usr/lib/python3/dist-packages/octavia/cmd/prometheus_proxy.py'

/** Has upstream's own proxy rename the text on standard input. */
const upstreamsProxy = `
import io, sys
from octavia.cmd import prometheus_proxy
raw = sys.stdin.buffer.read()
prometheus_proxy.urllib.request.urlopen = lambda url: io.BytesIO(raw)
class Asked(prometheus_proxy.PrometheusProxy):
    def __init__(self): self.wfile = sys.stdout.buffer
    def send_response(self, *_): pass
    def send_header(self, *_): pass
    def end_headers(self): pass
Asked().do_GET()
`

/** Of a busy machine, on which HAProxy is reloaded four times meanwhile. */
const FOLLOWED_WITHIN_MS = 30_000

describe('an agent of a load balancer', () => {
  let stage: AgentStage
  let agent: TestAgent
  before(async () => {
    stage = await AgentStage.open()
    agent = await stage.agent(1)
    await stage.member('member-1', members['member-1'])
    await stage.member('member-2', members['member-2'])
    await stage.plugVip(agent)
    await apply('')
  })
  after(() => stage.close())

  const apply = (extra: string) => {
    const configuration = haproxyCfg(agent, members, `    log-format '${LOG_FORMAT}'\n${extra}`)
    const logging = configuration.replace('\ndefaults\n', '\ndefaults\n    log global\n')
    return stage.driver.applyHaproxy(agent, LOAD_BALANCER, filesOf(logging), fence)
  }

  describe('with a PROMETHEUS listener', () => {
    before(() => apply(prometheus))
    after(() => apply(''))
    const scrape = () => get(`http://${VIP}:8088/metrics`, 5_000)
    const sampleIn = (text: string, sample: string) => {
      const line = text.split('\n').find((one) => one.startsWith(`${sample} `))
      assert.ok(line, `${sample} is not there`)
      return Number(line.slice(sample.length))
    }

    test("shows listeners, pools and members by Octavia's names, and their values move with traffic", async () => {
      const sample = `octavia_listener_http_requests_total{listener="${LISTENER}"}`
      const before = sampleIn(await eventually(scrape), sample)
      for (let i = 0; i < 4; i++) await get(`http://${VIP}/`)
      const text = await scrape()
      assert.equal(sampleIn(text, sample), before + 4)
      const ofMember = (name: string) => `octavia_member_sessions_total{pool="${POOL}:${LISTENER}",member="${name}"}`
      assert.ok(sampleIn(text, ofMember('member-1')) >= 2 && sampleIn(text, ofMember('member-2')) >= 2)
      assert.equal(sampleIn(text, `octavia_pool_active_members{pool="${POOL}:${LISTENER}"}`), 2)
      assert.ok(sampleIn(text, 'octavia_loadbalancer_memory') > 0)
      assert.match(text, new RegExp(`^octavia_listener_status\\{listener="${METRICS_LISTENER}"`, 'm'))
    })

    test('shows nothing of what serves the metrics, and no name of HAProxy', async () => {
      const text = await scrape()
      assert.doesNotMatch(text, /prometheus|^haproxy_/m)
      const { body } = await stage.raw(agent, 'GET', '/1.0/listeners')
      assert.doesNotMatch(body, /prometheus/)
      const latest = stage.heartbeats.at(-1)!.heartbeat
      assert.doesNotMatch(JSON.stringify(latest), /prometheus/)
    })

    test("shows what upstream's own proxy would", { skip: existsSync(UPSTREAM) ? false : 'python3-octavia is not installed' }, async () => {
      const raw = await getBySocket(`${agent.base}/${LOAD_BALANCER}/exporter.sock`)
      const theirs = (await exec('/usr/bin/python3', ['-c', upstreamsProxy], { input: raw })).stdout
      const ours = new MetricsRenamer().push(raw)
      assert.deepEqual(samplesIn(ours), samplesIn(theirs))
      assert.ok(samplesIn(theirs).length > 100)
    })

    test('shows UDP listeners as well, and their values move with datagrams', async () => {
      const udp = await UdpMember.open(stage, 'member-23', 23)
      const tree = aTree({
        id: LOAD_BALANCER,
        vip_address: VIP,
        listeners: [{ id: UDP_LISTENER, protocol: 'UDP', protocol_port: 53, default_pool_id: POOL }],
        pools: [{ id: POOL, protocol: 'UDP', members: [{ id: 'udp-member', address: udp.address, protocol_port: UDP_PORT }] }],
      })
      await stage.driver.applyUdpListener(agent, UDP_LISTENER, renderLvs(tree, tree.listeners[0]!), fence)
      const client = await UdpClient.open({ address: VIP, port: 53 })
      await eventually(() => client.ask())
      const bytes = async () => sampleIn(await scrape(), `octavia_listener_bytes_in_total{listener="${UDP_LISTENER}"}`)
      const before = await bytes()
      assert.ok(before > 0)
      await client.ask()
      assert.ok((await bytes()) > before)
      const text = await scrape()
      assert.equal(sampleIn(text, `octavia_member_status{pool="${POOL}:${UDP_LISTENER}",member="udp-member",state="UP"}`), 1)
      // Each metric is described once, its samples behind that.
      const described = text.split('\n').filter((line) => line.startsWith('# TYPE '))
      assert.deepEqual([...new Set(described)], described)
      client.close()
      await stage.driver.deleteUdpListener(agent, UDP_LISTENER, fence)
      await udp.kill()
    })

    test('goes on after a reload and after a restart of the agent', async () => {
      await apply(`${prometheus}    timeout http-request 9s\n`)
      await scrape()
      agent.process.kill('SIGKILL')
      agent.process = stage.startAgent(agent)
      await stage.driver.waitForAgent(agent, 'booting')
      await eventually(scrape)
    })
  })

  test('counts for each member, over a reload and a restart of the agent', async () => {
    const ofMember = (id: string) => stage.heartbeats.reduce((sum, { heartbeat }) => sum + (heartbeat.member_stats?.[id]?.[3] ?? 0), 0)
    const total = () => ofMember('member-1') + ofMember('member-2')
    await stage.driver.updateAgentConfiguration(agent, stage.agentConfiguration(agent, { heartbeatIntervalSeconds: 1 }), fence)
    const further = async (count: number) => {
      const seen = stage.heartbeats.length
      await eventually(() => stage.heartbeats.length >= seen + count)
    }
    // What went before is told by then.
    await further(3)
    const before = total()
    for (let i = 0; i < 6; i++) await get(`http://${VIP}/`)
    await eventually(() => total() === before + 6)
    await apply('    timeout http-request 7s\n')
    for (let i = 0; i < 4; i++) await get(`http://${VIP}/`)
    await eventually(() => total() === before + 10)
    agent.process.kill('SIGTERM')
    await eventually(() => agent.process.exitCode !== null)
    agent.process = stage.startAgent(agent)
    await stage.driver.waitForAgent(agent, 'booting')
    for (let i = 0; i < 2; i++) await get(`http://${VIP}/`)
    await eventually(() => total() === before + 12)
    await further(3)
    assert.equal(total(), before + 12, 'nothing is told twice')
    const { member_stats: ofBoth } = stage.heartbeats.find(({ heartbeat }) => heartbeat.member_stats?.['member-1'])!.heartbeat
    assert.ok(ofBoth!['member-1']!.every((count) => Number.isInteger(count) && count >= 0))
  })

  describe('logs requests', () => {
    /** Path by path, one after the other. */
    const ask = async (paths: string[]) => {
      for (const path of paths) await get(`http://${VIP}${path}`)
    }
    const pathsIn = (lines: readonly string[]) => lines.flatMap((line) => /"GET (\S+) HTTP/.exec(line)?.[1] ?? [])
    const numbered = (name: string, count: number) => Array.from({ length: count }, (_, i) => `/${name}-${i}`)
    const configure = (options: string) =>
      stage.driver.updateAgentConfiguration(
        agent,
        stage.agentConfiguration(agent).replace('[amphora_agent]\n', `[amphora_agent]\n${options}`),
        fence,
      )

    test('and shows the last ones', async () => {
      await ask(numbered('last', 3))
      const shown = await eventually(async () => {
        const { body } = await stage.raw(agent, 'GET', `/1.0/loadbalancer/${LOAD_BALANCER}/logs`)
        return body.includes('/last-2') && body
      })
      const lines = shown.trimEnd().split('\n')
      assert.match(
        lines.at(-1)!,
        new RegExp(`^demo lb ${LISTENER} 10\\.0\\.0\\.1 "GET /last-2 HTTP/1.1" 200 ${POOL}:${LISTENER} member-[12]$`),
      )
      assert.deepEqual(pathsIn(lines).slice(-3), numbered('last', 3))
      assert.ok(!lines.some((line) => line.includes('Proxy')), 'what is for operators is not shown')
      assert.equal((await stage.raw(agent, 'GET', `/1.0/loadbalancer/${POOL}/logs`)).status, 404)
    })

    test('and lets them be followed, through reloads without losing or doubling one', async () => {
      const leave = new AbortController()
      const followed = await stage.driver.readLogs(agent, LOAD_BALANCER, { follow: true, signal: leave.signal })
      assert.ok(followed)
      let text = ''
      const reading = (async () => {
        for await (const piece of followed) text += piece
      })()
      const streams = ['a', 'b', 'c'].map((name) => numbered(name, 300))
      const asking = Promise.all(streams.map(ask))
      for (let round = 0; round < 4; round++) await apply(`    timeout http-request ${5 + round}s\n`)
      await asking
      const asked = streams.flat().sort()
      await eventually(() => pathsIn(text.split('\n')).length >= asked.length, FOLLOWED_WITHIN_MS)
      assert.deepEqual(pathsIn(text.split('\n')).sort(), asked)
      leave.abort()
      await assert.rejects(reading)
    })

    for (const protocol of ['UDP', 'TCP'] as const) {
      test(`and sends them to a syslog receiver over ${protocol}, what is for operators to another`, async () => {
        const tenant = await syslogReceiver(protocol)
        const admin = await syslogReceiver(protocol)
        await configure(
          `tenant_log_targets = ${CONTROLLER}:${tenant.port}\nadmin_log_targets = ${CONTROLLER}:${admin.port}\n` +
            `log_protocol = ${protocol}\nuser_log_facility = 2\n`,
        )
        const asked = numbered(protocol, 200)
        const asking = ask(asked)
        await apply(`    timeout http-request 5s # for ${protocol}\n`)
        await asking
        await eventually(() => pathsIn(tenant.lines).length >= asked.length)
        assert.deepEqual(pathsIn(tenant.lines).sort(), asked.sort())
        // LOG_LOCAL2, informational; what rsyslog's default template writes.
        for (const line of tenant.lines) assert.match(line, /^<150>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ haproxy\[\d+\]: demo lb /)
        await eventually(() => admin.lines.some((line) => /^<140>.* haproxy\[\d+\]: Proxy \S+ stopped/.test(line)))
        assert.ok(!admin.lines.some((line) => line.includes('"GET ')))
        await inside('member-2', 'ip', 'link', 'set', 'eth0', 'down')
        await eventually(() => admin.lines.some((line) => /^<137>.*Server \S+\/member-2 is DOWN/.test(line)))
        await inside('member-2', 'ip', 'link', 'set', 'eth0', 'up')
        await eventually(() => admin.lines.some((line) => /Server \S+\/member-2 is UP/.test(line)))
        await configure('')
        tenant.close()
        admin.close()
      })
    }

    test('and does not mind that nobody reads them', async () => {
      const before = await get(`http://${VIP}/`)
      agent.process.kill('SIGKILL')
      // More than a pipe holds.
      const long = 'x'.repeat(1_000)
      await ask(numbered(long, 150))
      assert.ok(before)
      agent.process = stage.startAgent(agent)
      await stage.driver.waitForAgent(agent, 'booting')
      await ask(['/after'])
      await eventually(async () => (await stage.raw(agent, 'GET', `/1.0/loadbalancer/${LOAD_BALANCER}/logs`)).body.includes('GET /after '))
    })
  })
})

/** On this process's address of the management network; collects lines. */
async function syslogReceiver(protocol: 'UDP' | 'TCP'): Promise<{ port: number; lines: string[]; close(): void }> {
  const lines: string[] = []
  if (protocol === 'UDP') {
    const socket = createSocket('udp4').on('message', (data) => void lines.push(data.toString()))
    socket.bind(0, CONTROLLER)
    await once(socket, 'listening')
    return { port: socket.address().port, lines, close: () => socket.close() }
  }
  const server = createServer((socket) => {
    const reader = createInterface(socket)
    reader.on('line', (line) => lines.push(line))
  })
  server.listen(0, CONTROLLER)
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, lines, close: () => server.close() }
}

/** But for what only one of the two shows: the machine, which both look at by themselves, the agent's own proxy, and a name that upstream misses. */
function samplesIn(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => !/^#|^$|octavia-prometheus-proxy|^octavia_loadbalancer_(cpu|memory) |^octavia_member_idle_connections/.test(line))
    .sort()
}

function getBySocket(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: '/metrics' }, (incoming) => {
      let body = ''
      incoming.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk
      })
      incoming.on('end', () => resolve(body))
    })
      .on('error', reject)
      .end()
  })
}
