/** `ottavia loadbalancer ...`: it has all that `openstack loadbalancer ...` has, says the same, and works with an openrc. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { addLoadBalancerCommands } from '../../src/cli/loadbalancer/commander.ts'
import { LoadBalancing } from '../../src/client/index.ts'
import { exec } from '../../src/lib/exec.ts'
import { Controller } from '../support/controller.ts'
import { eventuallyAnswers } from './story.ts'

const program = fileURLToPath(new URL('../../bin/ottavia', import.meta.url))
const python = '/usr/bin/python3'
const openstack = '/usr/bin/openstack'
const skip = existsSync(openstack) ? false : `no ${openstack}`
const because = skip ? ` (skipped: ${skip})` : ''

const COMMAND_TIMEOUT_MS = 60_000

type Environment = Record<string, string | undefined>
type Row = Record<string, unknown>

/** Runs a command of a client as a user does; resolves whatever its status. */
async function run(client: string, environment: Environment, ...args: string[]) {
  const env = { PATH: process.env.PATH, HOME: '/nonexistent', LC_ALL: 'C.UTF-8', ...environment }
  const { code, stdout, stderr } = await exec(client, ['loadbalancer', ...args], { env, timeoutMs: COMMAND_TIMEOUT_MS, anyStatus: true })
  return { status: code, stdout, stderr }
}

/** What each command of the openstack client takes, asked of its own parsers. */
const askParsers = `
import importlib.metadata, json, types
commands = []
for entry in importlib.metadata.entry_points(group='openstack.load_balancer.v2'):
    command = entry.load()(types.SimpleNamespace(client_manager=None, NAME='x', command_options=None), None)
    actions = command.get_parser('x')._actions
    commands.append({
        'words': entry.name.split('_')[1:],
        'arguments': sum(1 for action in actions if not action.option_strings),
        'options': [option for action in actions for option in action.option_strings],
    })
print(json.dumps(commands))
`

/** Those of output formats that are not for scripts, or for terminals of a certain width. */
const notOurs = new Set(['--quote', '--noindent', '--max-width', '--fit-width', '--print-empty', '--prefix', '--variable'])
const isOurs = (option: string) => !notOurs.has(option) && !option.startsWith('--sort-')

test(`every command and option of the openstack client is there${because}`, { skip }, async () => {
  const { stdout } = await exec(python, ['-c', askParsers], { timeoutMs: COMMAND_TIMEOUT_MS })
  const theirs = JSON.parse(stdout) as { words: string[]; arguments: number; options: string[] }[]
  assert.ok(theirs.length > 80)
  const ours = new Command()
  addLoadBalancerCommands(ours)
  const missing: string[] = []
  for (const { words, options, arguments: count } of theirs) {
    const command = ['loadbalancer', ...words].reduce<Command | undefined>(
      (at, word) => at?.commands.find((one) => one.name() === word),
      ours,
    )
    if (command === undefined) {
      missing.push(words.join(' '))
      continue
    }
    const known = new Set(['-h', '--help', ...command.options.flatMap(({ short, long }) => [short, long])])
    for (const option of options.filter(isOurs)) if (!known.has(option)) missing.push(`${words.join(' ')} ${option}`)
    if (command.registeredArguments.length !== count) missing.push(`${words.join(' ')}: ${count} arguments`)
  }
  assert.deepEqual(missing, [])
})

test('without a place to ask it says what is missing, and with a wrong one that nobody answers', async () => {
  const nowhere = await run(program, {}, 'list')
  assert.equal(nowhere.status, 1)
  assert.match(nowhere.stderr, /^OS_AUTH_URL is not set: source an openrc/)
  const nobody = await run(program, { OS_AUTH_TYPE: 'none', OS_ENDPOINT: 'http://127.0.0.1:23199' }, 'list')
  assert.equal(nobody.status, 1)
  assert.match(nobody.stderr, /got no answer: .*ECONNREFUSED/)
})

describe('on a controller whose machines are not there', () => {
  const controller = new Controller({
    portBase: 23_100,
    config: '[controller_worker]\ncompute_driver = compute_noop_driver\namphora_driver = amphora_noop_driver\n',
  })
  let environment: Environment

  /** One JSON document of what a command printed. */
  async function ottavia<T = Row>(...args: string[]): Promise<T> {
    const { status, stdout, stderr } = await run(program, environment, ...args, '-f', 'json')
    assert.equal(stderr, '')
    assert.equal(status, 0)
    return JSON.parse(stdout) as T
  }
  /** A command that prints nothing. */
  async function silently(...args: string[]): Promise<void> {
    assert.deepEqual(await run(program, environment, ...args), { status: 0, stdout: '', stderr: '' })
  }

  before(async () => {
    await controller.start()
    environment = controller.credentials()
  })
  after(() => controller.down())

  test('a whole load balancer, from its creation by names to its end', async () => {
    const lb = await ottavia('create', '--name', 'lb1', '--vip-subnet-id', 'private-subnet', '--tag', 'a', '--tag', 'b', '--wait')
    assert.deepEqual([lb.name, lb.provisioning_status, lb.tags], ['lb1', 'ACTIVE', 'a\nb'])
    const listener = await ottavia('listener', 'create', 'lb1', '--name', 'l1', '--protocol', 'http', '--protocol-port', '80', '--wait')
    assert.deepEqual([listener.protocol, listener.loadbalancers], ['HTTP', lb.id])
    const persistence = ['--session-persistence', 'type=APP_COOKIE,cookie_name=c']
    const pool = await ottavia(
      'pool',
      'create',
      '--name',
      'p1',
      '--protocol',
      'HTTP',
      '--listener',
      'l1',
      '--lb-algorithm',
      'ROUND_ROBIN',
      ...persistence,
      '--wait',
    )
    assert.match(String(pool.session_persistence), /^type=APP_COOKIE\ncookie_name=c/)
    const member = await ottavia(
      'member',
      'create',
      'p1',
      '--name',
      'm1',
      '--address',
      '198.51.100.9',
      '--protocol-port',
      '80',
      '--weight',
      '7',
      '--wait',
    )
    assert.deepEqual([member.weight, member.operating_status, member.backup], [7, 'NO_MONITOR', false])
    const monitor = await ottavia(
      'healthmonitor',
      'create',
      'p1',
      '--type',
      'http',
      '--delay',
      '5',
      '--timeout',
      '3',
      '--max-retries',
      '2',
      '--name',
      'hm1',
      '--http-version',
      '1.1',
      '--wait',
    )
    assert.deepEqual([monitor.http_version, monitor.pools, monitor.url_path], [1.1, pool.id, '/'])
    const policy = await ottavia(
      'l7policy',
      'create',
      'l1',
      '--name',
      'l7',
      '--action',
      'redirect_to_url',
      '--redirect-url',
      'http://example.org/',
      '--redirect-http-code',
      '307',
      '--wait',
    )
    assert.deepEqual([policy.redirect_http_code, policy.position], [307, 1])
    const rule = await ottavia(
      'l7rule',
      'create',
      'l7',
      '--type',
      'path',
      '--compare-type',
      'starts_with',
      '--value',
      '/x',
      '--invert',
      '--wait',
    )
    assert.deepEqual([rule.invert, rule.value], [true, '/x'])

    await silently('set', 'lb1', '--description', 'first', '--tag', 'c', '--disable', '--wait')
    await silently('unset', 'lb1', '--tag', 'a', '--wait')
    const changed = await ottavia('show', 'lb1')
    assert.deepEqual([changed.description, changed.admin_state_up, changed.tags], ['first', false, 'b\nc'])
    await silently('set', 'lb1', '--no-tag', '--tag', 'z', '--enable', '--wait')
    await silently('unset', 'lb1', '--description', '--wait')
    const again = await ottavia('show', String(lb.id))
    assert.deepEqual([again.description, again.admin_state_up, again.tags], ['', true, 'z'])
    await silently(
      'listener',
      'set',
      'l1',
      '--connection-limit',
      '9',
      '--insert-headers',
      'X-Forwarded-For=true,X-Forwarded-Port=true',
      '--allowed-cidr',
      '198.51.100.0/24',
      '--allowed-cidr',
      '203.0.113.0/24',
      '--wait',
    )
    const limited = await ottavia('listener', 'show', 'l1')
    assert.deepEqual(
      [limited.connection_limit, limited.insert_headers, limited.allowed_cidrs],
      [9, 'X-Forwarded-For=true\nX-Forwarded-Port=true', '198.51.100.0/24\n203.0.113.0/24'],
    )
    await silently('listener', 'unset', 'l1', '--connection-limit', '--allowed-cidrs', '--wait')
    assert.equal((await ottavia('listener', 'show', 'l1')).connection_limit, -1)
    await silently('member', 'set', 'p1', 'm1', '--weight', '0', '--enable-backup', '--wait')
    await silently('member', 'unset', 'p1', 'm1', '--backup', '--wait')
    const drained = await ottavia('member', 'show', 'p1', 'm1')
    assert.deepEqual([drained.weight, drained.backup], [0, false])
    await silently('l7rule', 'set', 'l7', String(rule.id), '--type', 'header', '--key', 'X-A', '--wait')
    assert.equal((await ottavia('l7rule', 'show', 'l7', String(rule.id))).key, 'X-A')

    assert.deepEqual(
      (await ottavia<Row[]>('list', '--tags', 'z', '--provisioning-status', 'active')).map(({ id }) => id),
      [lb.id],
    )
    assert.deepEqual(await ottavia<Row[]>('list', '--not-tags', 'z'), [])
    assert.deepEqual(
      (await ottavia<Row[]>('amphora', 'list', '--loadbalancer', 'lb1', '--role', 'standalone')).map(({ status }) => status),
      ['ALLOCATED'],
    )
    assert.deepEqual(Object.keys(await ottavia('stats', 'show', 'lb1')), [
      'active_connections',
      'bytes_in',
      'bytes_out',
      'request_errors',
      'total_connections',
    ])
    const events = await ottavia<Row[]>('event', 'list', 'lb1')
    assert.ok(events.some(({ event, object_name, outcome }) => event === 'create' && object_name === 'lb1' && outcome === 'success'))
    const tree = await run(program, environment, 'status', 'show', 'lb1')
    assert.equal((JSON.parse(tree.stdout) as { loadbalancer: Row }).loadbalancer.id, lb.id)

    await silently('l7rule', 'delete', 'l7', String(rule.id), '--wait')
    await silently('l7policy', 'delete', 'l7', '--wait')
    await silently('healthmonitor', 'delete', 'hm1', '--wait')
    await silently('member', 'delete', 'p1', 'm1', '--wait')
    await silently('delete', 'lb1', '--cascade', '--wait')
    assert.deepEqual(await ottavia<Row[]>('list'), [])
  })

  test('what operators keep: flavors, availability zones, quotas', async () => {
    await ottavia(
      'flavorprofile',
      'create',
      '--name',
      'fp',
      '--provider',
      'amphora',
      '--flavor-data',
      '{"loadbalancer_topology": "SINGLE"}',
    )
    const flavor = await ottavia('flavor', 'create', '--name', 'f1', '--flavorprofile', 'fp', '--description', 'first', '--enable')
    assert.deepEqual([flavor.enabled, flavor.description], [true, 'first'])
    await silently('flavor', 'set', 'f1', '--disable')
    await silently('flavor', 'unset', 'f1', '--description')
    const [listed] = await ottavia<Row[]>('flavor', 'list', '--flavorprofile', 'fp', '--disable')
    assert.equal(listed!.id, flavor.id)
    await silently('flavor', 'delete', 'f1')
    await silently('flavorprofile', 'delete', 'fp')

    await ottavia(
      'availabilityzoneprofile',
      'create',
      '--name',
      'ap',
      '--provider',
      'amphora',
      '--availability-zone-data',
      '{"compute_zone": "nova"}',
    )
    await ottavia('availabilityzone', 'create', '--name', 'az1', '--availabilityzoneprofile', 'ap')
    await silently('availabilityzone', 'set', 'az1', '--description', 'first')
    assert.equal((await ottavia('availabilityzone', 'show', 'az1')).description, 'first')
    await silently('availabilityzone', 'delete', 'az1')
    await silently('availabilityzoneprofile', 'delete', 'ap')
    const capabilities = await ottavia<Row[]>('provider', 'capability', 'list', 'amphora', '--flavor')
    assert.ok(capabilities.some(({ type, name }) => type === 'flavor' && name === 'loadbalancer_topology'))

    assert.equal((await ottavia('quota', 'set', '--pool', '5', '--loadbalancer', '2', 'demo')).pool, 5)
    await silently('quota', 'unset', '--pool', 'demo')
    const quota = await ottavia('quota', 'show', 'demo')
    assert.deepEqual([quota.load_balancer, quota.pool], [2, -1])
    assert.equal((await ottavia<Row[]>('quota', 'list', '--project', 'demo')).length, 1)
    await silently('quota', 'reset', 'demo')
    assert.equal((await ottavia('quota', 'defaults', 'show')).load_balancer, -1)
  })

  test('what is wrong is told in one line, with the status of a failure', async () => {
    const told = async (...args: string[]) => {
      const { status, stdout, stderr } = await run(program, environment, ...args)
      assert.deepEqual([status, stdout], [1, ''])
      return stderr.trimEnd()
    }
    assert.equal(await told('show', 'nobody'), 'Unable to locate nobody in loadbalancers')
    assert.equal(await told('create', '--vip-subnet-id', 'nowhere'), 'Unable to locate nowhere in subnets')
    assert.match(
      await told('create', '--name', 'x'.repeat(256), '--vip-subnet-id', 'private-subnet'),
      /requirement of 255 \(HTTP 400\) \(Request-ID: req-/,
    )
    assert.equal(
      await told('list', '-c', 'none'),
      'No recognized column names in none. Recognized columns are id, name, project_id, vip_address, provisioning_status, operating_status, provider.',
    )
    assert.match(await told('list', '--provisioning-status', 'well'), /^--provisioning-status: 'well' should be one of: ACTIVE, /)
    assert.match(await told('quota', 'set', 'demo'), /^Missing required argument/)
    assert.match(await told('set', 'lb1', '--enable', '--disable'), /cannot be used with option '--disable'/)
    for (const name of ['twin', 'twin']) await ottavia('create', '--name', name, '--vip-subnet-id', 'private-subnet')
    assert.match(await told('delete', 'twin'), /^2 loadbalancers found with name or ID of twin\. Please try again with UUID$/)
  })

  test('a tenant sees his own, and not what is for admins', async () => {
    const demo = controller.credentials('openrc-demo')
    assert.equal((await run(program, demo, 'list', '-f', 'value', '-c', 'id')).stdout.trim(), '')
    const { status, stderr } = await run(program, demo, 'amphora', 'list')
    assert.deepEqual([status, /^Policy does not allow this request to be performed\. \(HTTP 403\)/.test(stderr)], [1, true])
    const wrong = await run(program, { ...demo, OS_PASSWORD: 'wrong' }, 'list')
    assert.match(wrong.stderr, /requires authentication\. \(HTTP 401\)/)
  })

  test('a token, and an endpoint with a token, do as well', async () => {
    const token = await controller.token()
    const { OS_AUTH_URL, OS_PROJECT_NAME, OS_PROJECT_DOMAIN_ID } = environment
    const byToken = await run(
      program,
      { OS_AUTH_TYPE: 'token', OS_TOKEN: token, OS_AUTH_URL, OS_PROJECT_NAME, OS_PROJECT_DOMAIN_ID },
      'list',
    )
    assert.deepEqual([byToken.status, byToken.stderr], [0, ''])
    const byEndpoint = await run(program, { OS_TOKEN: token, OS_ENDPOINT: controller.api }, 'provider', 'list', '-f', 'value', '-c', 'name')
    assert.equal(byEndpoint.stdout, 'amphora\noctavia\n')
  })

  test(`the openstack client prints the same${because}`, { skip }, async () => {
    await run(program, environment, 'create', '--name', 'same', '--vip-subnet-id', 'private-subnet', '--tag', 'a', '--tag', 'b', '--wait')
    await run(
      program,
      environment,
      'listener',
      'create',
      'same',
      '--name',
      'same',
      '--protocol',
      'HTTP',
      '--protocol-port',
      '80',
      '--insert-headers',
      'X-Forwarded-For=true',
      '--wait',
    )
    const both = async (...args: string[]) => {
      const theirs = await run(openstack, environment, ...args)
      const ours = await run(program, environment, ...args)
      return { ours, theirs }
    }
    for (const args of [
      ['list', '--name', 'same'],
      ['listener', 'list', '--loadbalancer', 'same'],
      ['listener', 'list', '--loadbalancer', 'same', '-f', 'json'],
      ['show', 'same', '-c', 'tags', '-c', 'admin_state_up', '-c', 'flavor_id', '-c', 'additional_vips'],
      ['listener', 'show', 'same', '-f', 'value', '-c', 'insert_headers', '-c', 'tls_versions', '-c', 'sni_container_refs'],
    ]) {
      const { ours, theirs } = await both(...args)
      assert.equal(ours.stdout.trimEnd(), theirs.stdout.trimEnd(), args.join(' '))
    }
    const { ours, theirs } = await both('delete', 'same')
    const withoutId = (text: string) => text.trim().replace(/req-[0-9a-f-]+/, 'req-')
    assert.deepEqual([ours.status, withoutId(ours.stderr)], [theirs.status, withoutId(theirs.stderr)])
  })
})

test('on the embedded cloud: traffic goes through what the command line and the client made', async () => {
  const controller = await new Controller({ portBase: 23_110 }).start()
  try {
    const environment = controller.credentials()
    const server = "require('node:http').createServer((q, r) => r.end('web-a')).listen(80, '0.0.0.0')"
    const address = (
      await controller.ottavia('lab', 'host', 'create', 'web-a', '--subnet', 'private-subnet', '--', process.execPath, '-e', server)
    ).trim()
    const ottavia = async (...args: string[]) => {
      const { status, stdout, stderr } = await run(program, environment, ...args)
      assert.deepEqual([status, stderr], [0, ''])
      return stdout.trim()
    }
    const vip = await ottavia('create', '--name', 'lb1', '--vip-subnet-id', 'private-subnet', '--wait', '-f', 'value', '-c', 'vip_address')
    await ottavia('listener', 'create', 'lb1', '--name', 'l1', '--protocol', 'HTTP', '--protocol-port', '80', '--wait')
    await ottavia('pool', 'create', '--name', 'p1', '--listener', 'l1', '--protocol', 'HTTP', '--lb-algorithm', 'ROUND_ROBIN', '--wait')
    await ottavia('member', 'create', 'p1', '--address', address, '--subnet-id', 'private-subnet', '--protocol-port', '80', '--wait')
    await eventuallyAnswers(vip, 'web-a')

    const client = new LoadBalancing({ endpoint: controller.api, token: () => controller.token() })
    const { items } = await client.listLoadBalancers({ name: 'lb1' })
    assert.equal(items[0]!.vip_address, vip)
    await ottavia('delete', 'lb1', '--cascade', '--wait')
    assert.deepEqual((await client.listAmphorae()).items, [])
  } finally {
    await controller.down()
  }
})
