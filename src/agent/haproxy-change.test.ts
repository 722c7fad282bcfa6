import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isSureToBeValid, planChange, removedServers } from './haproxy-change.ts'
import { hardStopAfterMs, sectionsOf, wordsOf } from './haproxy-file.ts'
import { parseServer } from './haproxy-servers.ts'
import type { NamedFile, Snapshot } from './haproxy-snapshot.ts'
import { renderServersState } from './haproxy-states.ts'

/** A configuration with these lines in its backend `p:l`. */
function configurationWith(lines: string[], defaults = '    retries 3'): string {
  return `# Configuration for loadbalancer 1
global
    daemon
    hard-stop-after 2m

defaults
${defaults}

frontend l
    bind 10.0.0.1:80
    default_backend p:l

backend p:l
    mode http
${lines.map((line) => `    ${line}\n`).join('')}`
}

const one = 'server one 10.0.0.2:80 weight 1 check inter 5s fall 3 rise 2'
const two = 'server two 10.0.0.3:80 weight 1 check inter 5s fall 3 rise 2'
const tls = 'ssl crt /c/p.pem ca-file /c/ca.pem verify required sni ssl_fc_sni'

function snapshot(configuration: string, files: Record<string, NamedFile> = {}): Snapshot {
  return { configuration, files }
}

function plan(before: string[], after: string[], defaults?: string, draining: 'no' | 'same' | 'changed' = 'no') {
  return planChange(snapshot(configurationWith(before, defaults)), snapshot(configurationWith(after, defaults)), () => draining)
}

/** What is planned, in words. */
function told(result: ReturnType<typeof planChange>): string {
  if (result.how !== 'runtime') return 'reason' in result ? `reload: ${result.reason}` : result.how
  return result.change.servers.map(({ kind, server }) => `${kind} ${server.name}`).join(', ')
}

describe('what a change takes', () => {
  const cases: [string, string[], string[], string][] = [
    ['nothing', [one], [one], 'unchanged'],
    ['a new member', [one], [one, two], 'add two'],
    ['a member less', [one, two], [two], 'remove one'],
    ['an exchange', [one], [two], 'add two, remove one'],
    ['another order alone', [one, two], [two, one], 'unchanged'],
    ['the first member', [], [one], 'add one'],
    ['a weight', [one], [one.replace('weight 1', 'weight 0')], 'weight one'],
    ['switched off', [one], [`${one} disabled`], 'state one'],
    ['both', [`${one} disabled`], [one.replace('weight 1', 'weight 9')], 'weight one, state one'],
    ['another check', [one], [one.replace('inter 5s', 'inter 6s')], 'reload: servers'],
    ['another address under the same name', [one], [one.replace('0.2:', '0.4:')], 'reload: servers'],
    ['another algorithm', [one, 'balance leastconn'], [one, 'balance roundrobin'], 'reload: configuration'],
    ['a word that nobody knows', [one], [one, `${two} track p/one`], 'reload: servers'],
    ['a name that stands there twice', [one], [one, two, two], 'reload: servers'],
    [
      'a member with a cookie',
      ['cookie SRV insert', `${one} cookie one`],
      ['cookie SRV insert', `${one} cookie one`, `${two} cookie two`],
      'reload: cookies',
    ],
    ['the weight of one with a cookie', [`${one} cookie one`], [`${one.replace('weight 1', 'weight 2')} cookie one`], 'weight one'],
    ['one with a cookie goes', [`${one} cookie one`, `${two} cookie two`], [`${one} cookie one`], 'remove two'],
    ['a member of a static algorithm', ['balance source', one], ['balance source', one, two], 'reload: servers'],
    ['a weight of a static algorithm', ['balance source', one], ['balance source', one.replace('weight 1', 'weight 2')], 'reload: servers'],
    [
      'a member of consistent hashing',
      ['balance source', 'hash-type consistent', one],
      ['balance source', 'hash-type consistent', one, two],
      'add two',
    ],
    ['a member that is pinged', ['option external-check', one], ['option external-check', one, two], 'reload: servers'],
    ['files that HAProxy has not read', [one], [one, `${two} ${tls}`], 'reload: servers'],
  ]
  for (const [what, before, after, expected] of cases) test(`${what}: ${expected}`, () => assert.equal(told(plan(before, after)), expected))

  test('an algorithm, ping or default for servers may stand in the defaults', () => {
    assert.equal(told(plan([one], [one, two], '    balance source')), 'reload: servers')
    assert.equal(told(plan([one], [one, two], '    default-server inter 1s')), 'reload: servers')
    assert.equal(told(plan([one], [one, two], '    option external-check')), 'reload: servers')
    assert.equal(told(plan(['balance roundrobin', one], ['balance roundrobin', one, two], '    balance source')), 'add two')
  })

  test('members with TLS come without a reload when HAProxy has their files, but not by HTTP/2', () => {
    const files: Snapshot['files'] = { '/c/p.pem': { kind: 'crt', md5: 'p' }, '/c/ca.pem': { kind: 'ca-file', md5: 'ca' } }
    const planned = (before: string[], after: string[]) =>
      told(planChange(snapshot(configurationWith(before), files), snapshot(configurationWith(after), files), () => 'no'))
    assert.equal(planned([`${one} ${tls}`], [`${one} ${tls}`, `${two} ${tls}`]), 'add two')
    assert.equal(planned([`${one} ${tls} alpn h2`], [`${one} ${tls} alpn h2`, `${two} ${tls} alpn h2`]), 'reload: servers')
  })

  test('a member that comes back while it drains is the old one again, or takes a reload', () => {
    assert.equal(told(plan([one], [one, two], undefined, 'same')), 'add two')
    assert.equal(told(plan([one], [one, two], undefined, 'changed')), 'reload: draining')
  })
})

describe('certificate files', () => {
  const configuration = configurationWith([one])
  const file = (md5: string | null, kind: NamedFile['kind'] = 'crt'): NamedFile => ({ kind, md5 })
  const list = (...lines: string[]): NamedFile => ({ kind: 'crt-list', md5: lines.join(), lines })
  const planned = (before: Snapshot['files'], after: Snapshot['files']) =>
    planChange(snapshot(configuration, before), snapshot(configuration, after), () => 'no')

  test('other contents are read while HAProxy runs', () => {
    const result = planned(
      { a: file('1'), ca: file('1', 'ca-file'), crl: file('1', 'crl-file') },
      { a: file('2'), ca: file('2', 'ca-file'), crl: file('1', 'crl-file') },
    )
    assert.ok(result.how === 'runtime')
    assert.deepEqual(result.change.files, ['a', 'ca'])
  })
  test('what cannot be read is left to a reload', () => {
    assert.equal(told(planned({ a: file('1') }, { a: file(null) })), 'reload: certificates')
  })
  test('lines of a crt-list come and go, with their certificates', () => {
    const result = planned(
      { l: list('a', 'b [alpn h2]', 'c'), a: file('1'), b: file('1'), c: file('1') },
      { l: list('a', 'c', 'd x.org'), a: file('1'), c: file('1'), d: file('1') },
    )
    assert.ok(result.how === 'runtime')
    assert.deepEqual(result.change, {
      servers: [],
      files: [],
      newFiles: ['d'],
      goneFiles: ['b'],
      crtLists: [{ path: 'l', added: ['d x.org'], removed: ['b [alpn h2]'] }],
    })
  })
  test('another default, another order or other options of a line take a reload', () => {
    const files = { a: file('1'), b: file('1'), c: file('1') }
    for (const lines of [
      ['b', 'a', 'c'],
      ['a', 'c', 'b'],
      ['a', 'b x.org', 'c'],
    ])
      assert.equal(told(planned({ l: list('a', 'b', 'c'), ...files }, { l: list(...lines), ...files })), 'reload: certificates')
  })
})

describe('what needs no check beforehand', () => {
  const isSure = (before: string[], after: string[]) => isSureToBeValid(configurationWith(before), configurationWith(after))
  test('members that say nothing but what is right in itself', () => {
    assert.ok(isSure([], [one]))
    assert.ok(
      isSure(
        [one],
        [
          one,
          'server v6 [fd00::1]:443 weight 256 check check-ssl verify none inter 5s fall 3 rise 2 addr fd00::2 port 8080 backup disabled send-proxy',
        ],
      ),
    )
    assert.ok(isSure([one, two], [one.replace('weight 1', 'weight 0')]))
  })
  test('members that say what another member of the pool says too', () => {
    assert.ok(isSure([`${one} ${tls}`], [`${one} ${tls}`, `${two} ${tls}`]))
    assert.ok(!isSure([one], [one, `${two} ${tls}`]))
    assert.ok(!isSure([`${one} ${tls}`], [`${one} ${tls}`, `${two} ssl verify required`]))
  })
  test('members with a number that no other has', () => {
    const numbered = (line: string, number: string) => line.replace(' weight', ` id ${number} weight`)
    assert.ok(isSure([numbered(one, '7')], [numbered(one, '7'), numbered(two, '8')]))
    assert.ok(isSure([`${numbered(one, '7')} ${tls}`], [`${numbered(one, '7')} ${tls}`, `${numbered(two, '8')} ${tls}`]))
    assert.ok(!isSure([numbered(one, '7')], [numbered(one, '7'), numbered(two, '7')]))
    assert.ok(!isSure([numbered(one, '7')], [numbered(one, '7'), numbered(two, '2147483648')]))
  })
  test('anything else needs one', () => {
    for (const wrong of [
      'server two 10.0.0.3:80 weight 257',
      'server two 10.0.0.3:70000 weight 1',
      'server two 10.0.0.300:80 weight 1',
      'server two example.org:80 weight 1',
      'server two 10.0.0.3:80 weight 1 check inter 0',
      'server two 10.0.0.3:80 weight 1 addr nowhere',
      'server two 10.0.0.3:80 weight 1 port 65536',
      'server two 10.0.0.3:80 weight',
      'server two 10.0.0.3:80 nonsense',
      'server two 10.0.0.3:80 weight 1; server',
      'server two',
      one.replace('10.0.0.2', '10.0.0.9'),
    ])
      assert.ok(!isSure([one], [one, wrong]), wrong)
    assert.ok(!isSure([one], [one, two, 'balance nonsense']))
    assert.ok(!isSure([one, two, 'use-server two if TRUE'], [one, 'use-server two if TRUE']))
  })
})

test('lines are split into words as by HAProxy', () => {
  assert.deepEqual(wordsOf(' server  a\t10.0.0.1:80 # a comment'), ['server', 'a', '10.0.0.1:80'])
  assert.deepEqual(wordsOf(`a 'b "c" \\d' "e 'f'" g\\ h ''`), ['a', 'b "c" \\d', "e 'f'", 'g h', ''])
  for (const unclear of ['a "$HOME"', 'a \\n', "a 'b", 'a \\x41']) assert.equal(wordsOf(unclear), null)
})

test('sections are found however they are indented', () => {
  const sections = sectionsOf('# comment\n  global\ndaemon\n\n\tdefaults\n  retries 3\n backend x # y\n    server a b\n')
  assert.deepEqual(
    sections.map(({ head, lines }) => [head, lines]),
    [
      ['global', ['daemon']],
      ['defaults', ['retries 3']],
      ['backend x # y', ['server a b']],
    ],
  )
  assert.equal(hardStopAfterMs(configurationWith([])), 120_000)
  assert.equal(hardStopAfterMs('global\n    hard-stop-after 500\n'), 500)
  assert.equal(hardStopAfterMs('defaults\n    hard-stop-after 5s\n'), null)
})

test('a line too long for HAProxy is nothing that is understood', () => {
  assert.equal(parseServer(`server a 10.0.0.1:80 ciphers ${'A'.repeat(2_000)}`), null)
})

test('removed are also the servers of a backend that is gone', () => {
  const before = `${configurationWith([one])}backend q:l\n    ${two}\n`
  assert.deepEqual(
    removedServers(before, configurationWith([two])).map(({ backend, server }) => `${backend}/${server}`),
    ['p:l/one', 'q:l/two'],
  )
})

test('of the states of servers a new worker is told who was down, and nothing that the configuration says', () => {
  const header =
    '# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change ...'
  const row = (name: string, address: string, operation: number, administration: number) =>
    `3 p:l 7 ${name} ${address} ${operation} ${administration} 5 1 9 8 2 0 6 0 0 0 - 80 - 1 8080 10.9.9.9 - 0`
  const shown = [
    '1',
    header,
    row('one', '10.0.0.2', 0, 0),
    row('two', '10.0.0.3', 2, 1),
    row('gone', '10.0.0.4', 0, 0),
    row('moved', '10.0.0.5', 0, 0),
    row('unchecked', '10.0.0.6', 0, 0),
  ]
  const configuration = configurationWith([one, two, 'server moved 10.0.0.99:80 check', 'server unchecked 10.0.0.6:80'])
  assert.equal(
    renderServersState(`${shown.join('\n')}\n\n`, configuration),
    `1\n${header}\n3 p:l 7 one 10.0.0.2 0 0 1 1 9 8 2 0 6 0 0 0 - 80 -\n`,
  )
  assert.equal(renderServersState('Unknown command', configuration), null)
})
