import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createCertificateAuthority } from '../lib/certificate-authority.ts'
import { shownMetric } from './metric-names.ts'
import { certificateMetrics, certificatesOf, forwardedMetrics, MetricsRenamer, machineMetrics } from './prometheus.ts'

const directory = mkdtempSync(join(tmpdir(), 'prometheus-'))
after(() => rmSync(directory, { recursive: true }))

const raw = `# HELP haproxy_process_nbthread Number of started threads (global.nbthread)
# TYPE haproxy_process_nbthread gauge
haproxy_process_nbthread 2
# HELP haproxy_process_current_connections Current number of connections on this worker process
# TYPE haproxy_process_current_connections gauge
haproxy_process_current_connections 3
# HELP haproxy_frontend_status Current status of the service, per state label value.
# TYPE haproxy_frontend_status gauge
haproxy_frontend_status{proxy="octavia-prometheus-exporter",state="UP"} 1
haproxy_frontend_status{proxy="prometheus-exporter-internal-endpoint",state="UP"} 1
haproxy_frontend_status{proxy="listener-1",state="UP"} 1
# HELP haproxy_backend_active_servers Number of active servers
# TYPE haproxy_backend_active_servers gauge
haproxy_backend_active_servers{proxy="octavia-prometheus-proxy"} 1
haproxy_backend_active_servers{proxy="pool-1:listener-1"} 2
# HELP haproxy_server_bytes_in_total Total number of request bytes
# TYPE haproxy_server_bytes_in_total counter
haproxy_server_bytes_in_total{proxy="pool-1:listener-1",server="member-1"} 77
`

const shown = `# HELP octavia_loadbalancer_current_connections Current number of connections on this worker process
# TYPE octavia_loadbalancer_current_connections gauge
octavia_loadbalancer_current_connections 3
# HELP octavia_listener_status 1 for the state that the listener is in, 0 for the others.
# TYPE octavia_listener_status gauge
octavia_listener_status{listener="udp-1",state="UP"} 1
octavia_listener_status{listener="listener-1",state="UP"} 1
# HELP octavia_pool_active_members Members that get traffic.
# TYPE octavia_pool_active_members gauge
octavia_pool_active_members{pool="pool-1:listener-1"} 2
# HELP octavia_member_bytes_in_total Total number of request bytes
# TYPE octavia_member_bytes_in_total counter
octavia_member_bytes_in_total{pool="pool-1:listener-1",member="member-1"} 77
`

test("HAProxy's metrics are shown in Octavia's words, wherever the text is cut while it comes in", () => {
  const more = new Map([['octavia_listener_status', ['octavia_listener_status{listener="udp-1",state="UP"} 1']]])
  for (const size of [1, 7, 100, raw.length]) {
    const renamer = new MetricsRenamer(more)
    let text = ''
    for (let from = 0; from < raw.length; from += size) text += renamer.push(raw.slice(from, from + size))
    assert.equal(text, shown, `in pieces of ${size}`)
  }
})

test('metrics that are not known are not shown, whatever they are called', () => {
  assert.equal(new MetricsRenamer().push('haproxy_server_secret{proxy="p"} 1\ngo_threads 3\n\nnonsense\n'), '')
  assert.equal(shownMetric('constructor'), undefined)
})

test('UDP listeners are among the others, with the states that their pools and members have', () => {
  const row = (proxy: string, server: string, status: string) => ({
    ...{ proxy, server, status, weight: 1, currentSessions: 2, totalSessions: 3 },
    ...{ bytesIn: 40, bytesOut: 50, requestErrors: 0 },
  })
  const rows = [
    row('udp-1', 'FRONTEND', 'OPEN'),
    row('p:udp-1', 'BACKEND', 'DOWN'),
    row('p:udp-1', 'm1', 'no check'),
    row('p:udp-1', 'm2', 'DRAIN'),
  ]
  const text = new MetricsRenamer(forwardedMetrics(rows)).push(raw.replaceAll('backend_active_servers', 'backend_status'))
  const samples = text.split('\n').filter((line) => line.includes('udp-1'))
  assert.deepEqual(samples, [
    'octavia_listener_status{listener="udp-1",state="DOWN"} 0',
    'octavia_listener_status{listener="udp-1",state="UP"} 1',
    'octavia_pool_status{pool="p:udp-1",state="DOWN"} 1',
    'octavia_pool_status{pool="p:udp-1",state="UP"} 0',
  ])
  const all = forwardedMetrics(rows)
  assert.deepEqual(all.get('octavia_listener_bytes_in_total'), ['octavia_listener_bytes_in_total{listener="udp-1"} 40'])
  assert.deepEqual(
    all.get('octavia_member_status')!.filter((line) => line.endsWith(' 1')),
    ['octavia_member_status{pool="p:udp-1",member="m1",state="UP"} 1', 'octavia_member_status{pool="p:udp-1",member="m2",state="DRAIN"} 1'],
  )
})

test("the machine's load and memory are told in percent", () => {
  const text = machineMetrics()
  for (const name of ['octavia_loadbalancer_cpu', 'octavia_loadbalancer_memory']) {
    const value = Number(new RegExp(`^${name} ([\\d.]+)$`, 'm').exec(text)?.[1])
    assert.ok(value >= 0, name)
    assert.match(text, new RegExp(`^# TYPE ${name} gauge$`, 'm'))
  }
})

test('the ends of all certificates of a listener are told, those in a crt-list too', async () => {
  const names = ['default.pem', 'other.pem', 'single.pem']
  for (const name of names) {
    const { certificate, key } = await createCertificateAuthority({ common_name: name, validitySeconds: 3_600 })
    writeFileSync(join(directory, name), `${key}${certificate}`)
  }
  writeFileSync(
    join(directory, 'list.pem'),
    `# a comment\n${directory}/default.pem\n  ${directory}/other.pem [alpn h2] example.org\n${directory}/gone.pem\n`,
  )
  const configuration = `global
    ssl-default-bind-options ssl-min-ver TLSv1.2
frontend l1
    bind 10.0.0.1:443 ssl crt-list ${directory}/list.pem ca-file ${directory}/ca.pem
    bind [fd00::1]:443 ssl crt-list ${directory}/list.pem
frontend l2
    bind 10.0.0.1:444 ssl crt ${directory}/single.pem
backend p
    server s 10.0.0.2:443 ssl crt ${directory}/single.pem
`
  assert.deepEqual(
    certificatesOf(configuration).map(({ listener, path }) => `${listener} ${path.split('/').at(-1)}`),
    ['l1 default.pem', 'l1 other.pem', 'l1 gone.pem', 'l2 single.pem'],
  )
  const samples = certificateMetrics(configuration)
    .split('\n')
    .filter((line) => line.startsWith('octavia_'))
  const inAnHour = Date.now() / 1_000 + 3_600
  assert.equal(samples.length, 3)
  for (const sample of samples) assert.ok(Math.abs(Number(sample.split(' ')[1]) - inAnHour) < 120, sample)
  assert.match(samples[2]!, /^octavia_listener_certificate_not_after_seconds\{listener="l2",certificate="single\.pem"\} \d+$/)
})
