import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { peerName } from '../lib/peer-name.ts'
import { Fences } from './fence.ts'
import { writeAtomically } from './files.ts'
import { statsSocketOf } from './heartbeat-sender.ts'
import { listenersOf } from './listeners.ts'
import { parseSettings, SettingsError } from './settings.ts'
import { parseVipRules, renderVipRules } from './vip-rules.ts'

const directory = mkdtempSync(join(tmpdir(), 'agent-files-'))
after(() => rmSync(directory, { recursive: true }))

test('a file is written whole, with its mode, and nothing is left beside it', () => {
  const path = join(directory, 'new/file')
  writeAtomically(path, 'first', { mode: 0o600, sync: true })
  writeAtomically(path, 'second', { mode: 0o600 })
  assert.equal(readFileSync(path, 'utf8'), 'second')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(join(directory, 'new')), ['file'])
})

describe('the fence', () => {
  const path = join(directory, 'fences.json')
  test('refuses a generation older than one seen, per flow, also after a restart', () => {
    const fences = new Fences(path)
    assert.ok(fences.admits('flow-1', '1'))
    assert.ok(fences.admits('flow-1', '2'))
    assert.ok(!fences.admits('flow-1', '1'))
    assert.ok(fences.admits('flow-2', '1'))
    assert.ok(!new Fences(path).admits('flow-1', '1'))
    assert.ok(new Fences(path).admits('flow-1', '2'))
  })
  test('lets controllers pass that know no fence', () => {
    assert.ok(new Fences(path).admits(undefined, undefined))
    assert.ok(new Fences(path).admits('flow-1', undefined))
  })
})

describe("the agent's configuration", () => {
  const minimal = '[amphora_agent]\namphora_id = a-1\n'
  test("has upstream's defaults", () => {
    const settings = parseSettings(minimal)
    assert.deepEqual(
      [
        settings.bindPort,
        settings.basePath,
        settings.certificatesPath,
        settings.namespace,
        settings.topology,
        settings.heartbeatIntervalMs,
      ],
      [9443, '/var/lib/octavia', '/var/lib/octavia/certs', 'amphora-haproxy', 'SINGLE', 10_000],
    )
  })
  test('takes several controllers of both families', () => {
    const { controllers } = parseSettings(
      `${minimal}[health_manager]\ncontroller_ip_port_list = 192.0.2.1:5555, [2001:db8::1]:5556\ncontroller_ip_port_list = 2001:db8::2:5557\n`,
    )
    assert.deepEqual(controllers, [
      { host: '192.0.2.1', port: 5555 },
      { host: '2001:db8::1', port: 5556 },
      { host: '2001:db8::2', port: 5557 },
    ])
  })
  test('is refused without an amphora id, with a controller that is none, or when it is no configuration', () => {
    assert.throws(() => parseSettings(''), SettingsError)
    assert.throws(() => parseSettings('nonsense'), SettingsError)
    assert.throws(() => parseSettings(`${minimal}[health_manager]\ncontroller_ip_port_list = somewhere\n`), SettingsError)
  })
})

test('listeners are the frontends of a configuration, with their modes', () => {
  const configuration = `global
    stats socket /var/lib/octavia/lb.sock mode 0666 level user
defaults
    mode http
frontend listener-1
    bind 10.0.0.10:80
frontend listener-2
    mode tcp
frontend listener-3
    bind 10.0.0.10:443 ssl crt-list /certs/listener-3.pem
    mode http
frontend prometheus-exporter-internal-endpoint
    mode http
backend pool-1:listener-1
    mode tcp
`
  assert.deepEqual(listenersOf(configuration), [
    { status: 'ACTIVE', uuid: 'listener-1', type: 'HTTP' },
    { status: 'ACTIVE', uuid: 'listener-2', type: 'TCP' },
    { status: 'ACTIVE', uuid: 'listener-3', type: 'TERMINATED_HTTPS' },
  ])
  assert.equal(statsSocketOf(configuration), '/var/lib/octavia/lb.sock')
  assert.equal(statsSocketOf('global\n'), null)
})

test('VIP rules become nftables rules, and nothing else does', () => {
  const rules = parseVipRules([
    { protocol: 'TCP', cidr: '10.0.0.0/8', port: 80 },
    { protocol: 'UDP', cidr: null, port: 53 },
    { protocol: 'VRRP', cidr: 'fd00::/64', port: 112 },
  ])
  const text = renderVipRules('eth1', rules)
  assert.match(text, /ip saddr 10\.0\.0\.0\/8 tcp dport 80 accept/)
  assert.match(text, /^ {4}udp dport 53 accept$/m)
  assert.match(text, /ip6 saddr fd00::\/64 ip protocol 112 accept/)
  for (const wrong of [
    {},
    [{ protocol: 'ICMP', cidr: null, port: 1 }],
    [{ protocol: 'TCP', cidr: 'x', port: 1 }],
    [{ protocol: 'TCP', cidr: null, port: 0 }],
  ])
    assert.throws(() => parseVipRules(wrong), /Invalid rules information/)
})

test("an amphora's name among HAProxy's peers is upstream's", () => {
  // base64.b64encode(sha1(id), b'_-') of Python, without padding.
  assert.equal(peerName('00000000-0000-4000-8000-000000000001'), 'Mp7E9EPp3XUxn3cIFsXB7jN-ITQ')
})
