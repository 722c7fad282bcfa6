import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { aTree } from '../../render/golden/pairs.ts'
import { renderLvs } from '../../render/lvs.ts'
import { UnreadableConfiguration } from './keepalived-words.ts'
import { type ForwardedMember, parseLvsFile } from './lvs-file.ts'

/** `OTTAVIA_PROPERTY_RUNS` raises it. */
const RUNS = Number(process.env.OTTAVIA_PROPERTY_RUNS ?? 500)

type Pool = NonNullable<NonNullable<Parameters<typeof aTree>[0]>['pools']>[number]

function rendered(pool: Pool, listener: object = {}): string {
  const listeners = [{ protocol: 'UDP' as const, protocol_port: 53, default_pool_id: '33333333-0000-4000-8000-000000000000', ...listener }]
  const tree = aTree({ listeners, pools: [{ protocol: 'UDP', ...pool }] })
  return renderLvs(tree, tree.listeners[0]!)
}

const memberOf = (pool: Pool, listener?: object): ForwardedMember => parseLvsFile(rendered(pool, listener)).services[0]!.members[0]!
const member = { protocol_port: 5353 }

test('what our controller writes is read back as it was meant', () => {
  const health_monitor = { type: 'UDP-CONNECT' as const, delay: 7, timeout: 5, max_retries: 2, max_retries_down: 1 }
  const members = [
    { ...member, weight: 3, monitor_address: '10.9.9.9', monitor_port: 99 },
    { ...member, admin_state_up: false },
    { ...member, backup: true },
  ]
  const read = parseLvsFile(rendered({ members, health_monitor, lb_algorithm: 'LEAST_CONNECTIONS' }, { connection_limit: 10 }))
  assert.deepEqual(
    { ...read, services: read.services.length },
    {
      protocol: 'UDP',
      pool_id: '33333333-0000-4000-8000-000000000000',
      isDisabled: false,
      disabledMembers: ['44444444-0000-4000-8000-000000000001'],
      services: 1,
    },
  )
  const { members: [first, second] = [], ...service } = read.services[0]!
  assert.deepEqual(service, { family: 4, vips: [{ address: '10.0.0.10', port: 53 }], choice: 'fewest', mask: null })
  assert.deepEqual(first, {
    id: '44444444-0000-4000-8000-000000000000',
    address: '10.0.0.20',
    port: 5353,
    weight: 3,
    isBackup: false,
    limit: 10,
    isChecked: true,
    monitor: { check: { kind: 'udp', address: '10.9.9.9', port: 99, timeoutMs: 5000 }, delayMs: 7000, fall: 1, rise: 2 },
  })
  assert.equal(second!.isBackup, true)
})

test('persistence goes by the source, as wide as asked for', () => {
  const session_persistence = {
    type: 'SOURCE_IP' as const,
    cookie_name: null,
    persistence_timeout: 9,
    persistence_granularity: '255.255.0.0',
  }
  const [service] = parseLvsFile(rendered({ members: [member], session_persistence })).services
  assert.deepEqual([service!.choice, service!.mask], ['source', '255.255.0.0'])
  const whole = { ...session_persistence, persistence_granularity: null }
  assert.equal(parseLvsFile(rendered({ members: [member], session_persistence: whole })).services[0]!.mask, null)
})

test("upstream's file is read, too: each code in an url of its own, an IPv4 netmask for IPv6, thresholds as keepalived counts", () => {
  const url = (code: number) => `            url {\n              path /well\n              status_code ${code}\n            }\n\n`
  const file = `# Configuration for Loadbalancer lb-1
# Configuration for Listener listener-1

net_namespace amphora-haproxy

virtual_server_group ipv6-group {
    fd00:0::10 80
}

virtual_server group ipv6-group {
    lb_algo lc
    lb_kind NAT
    protocol UDP
    persistence_timeout 360
    persistence_granularity 255.255.255.255
    delay_loop 30
    delay_before_retry 30
    retry 3


    # Configuration for Pool pool-1
    # Configuration for HealthMonitor monitor-1
    # Configuration for Member member-1
    real_server fd00::99 82 {
        weight 13
        HTTP_GET {
${url(200)}${url(202)}            connect_ip fd00::99
            connect_port 82
            connect_timeout 31
        }
    }

    # Member member-2 is disabled
}

`
  const { pool_id, disabledMembers, services } = parseLvsFile(file)
  assert.deepEqual([pool_id, disabledMembers], ['pool-1', ['member-2']])
  const [{ mask, choice, members }] = services as [(typeof services)[number]]
  assert.deepEqual([mask, choice, members[0]!.id, members[0]!.weight], [null, 'source', 'member-1', 1])
  assert.deepEqual(members[0]!.monitor, {
    check: {
      kind: 'http',
      address: 'fd00::99',
      port: 82,
      timeoutMs: 31_000,
      method: 'GET',
      path: '/well',
      version: '1.0',
      host: null,
      codes: [
        [200, 200],
        [202, 202],
      ],
    },
    delayMs: 30_000,
    fall: 4,
    rise: 1,
  })
  assert.equal(parseLvsFile('# Listener listener-1 is disabled\n\nnet_namespace amphora-haproxy\n').isDisabled, true)
})

test('whatever stands in a path, it stays one word and the same address to a server', () => {
  const nasty = fc.string({ unit: fc.constantFrom(...'\'"\\ \t#$%{}[]()!;|&<>-\n\r\0,=~@é🦊abf'), maxLength: 20 })
  const http = { type: 'HTTP' as const, http_method: 'GET' as const, delay: 1, timeout: 1, max_retries: 1, max_retries_down: 1 }
  const plain = rendered({ members: [member], health_monitor: { ...http, url_path: '/' } })
  fc.assert(
    fc.property(nasty, (path) => {
      const url_path = `/${path}`
      const file = rendered({ members: [member], health_monitor: { ...http, url_path } })
      const lines = (text: string) => text.split('\n').map((line) => line.replace(/^( +path) .*$/, '$1'))
      assert.deepEqual(lines(file), lines(plain))
      const { check } = memberOf({ members: [member], health_monitor: { ...http, url_path } }).monitor!
      assert.ok(check.kind === 'http' && /^[A-Za-z0-9/._?=&%+,:;*-]+$/.test(check.path))
      // A percent sign of the user's own begins an escape, or is none; either way it is his.
      if (!path.includes('%')) assert.equal(decodeURIComponent(check.path), url_path)
    }),
    { numRuns: RUNS },
  )
})

test('what is no such file is refused, and nothing else happens', () => {
  for (const text of [
    'virtual_server 10.0.0.1 53 {',
    '}',
    '"open',
    '{ }',
    'virtual_server 10.0.0.1 99999 {\n protocol UDP\n}\n',
    'virtual_server 10.0.0.1;drop 53 {\n protocol UDP\n}\n',
    'virtual_server group nobody {\n protocol UDP\n}\n',
    'virtual_server 10.0.0.1 53 {\n protocol TCP\n}\n',
    'virtual_server 10.0.0.1 53 {\n protocol UDP\n lb_kind DR\n}\n',
    'virtual_server 10.0.0.1 53 {\n protocol UDP\n real_server fd00::1 53 {\n }\n}\n',
    'virtual_server 10.0.0.1 53 {\n protocol UDP\n real_server 10.0.0.2 53 {\n weight x\n }\n}\n',
  ])
    assert.throws(() => parseLvsFile(text), UnreadableConfiguration, text)
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}"#!\n virtual_server10.53'), maxLength: 60 }), (text) => {
      try {
        parseLvsFile(text)
      } catch (error) {
        assert.ok(error instanceof UnreadableConfiguration, String(error))
      }
    }),
    { numRuns: RUNS },
  )
})
