import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { inspect } from 'node:util'
import { pino } from 'pino'
import { embeddedServices } from '../../../test/support/embedded-services.ts'
import { FakeKeystone, type FakeToken } from '../../../test/support/fake-keystone.ts'
import { KeystoneAdmin } from '../../../test/support/keystone-admin.ts'
import { loadConfig } from '../../config/config.ts'
import type { Options } from '../../config/options.ts'
import { createLog } from '../../lib/log.ts'
import { IdentityUnavailable } from '../errors.ts'
import { identityContract } from './contract.ts'
import { embeddedIdentityDriver } from './embedded.ts'
import { identityDriverOf } from './index.ts'
import { keystoneIdentityDriver } from './keystone.ts'

const MINUTE_MS = 60_000

identityContract('embedded', { hasSystemScope: false }, async () => {
  const cloud = await embeddedServices()
  return {
    driver: embeddedIdentityDriver(cloud.identity, cloud.clock),
    admin: new KeystoneAdmin(`${cloud.urls.identity}/v3`, cloud.passwords.admin),
    aMinuteLater: () => cloud.clock.advance(MINUTE_MS),
    untilExpired: async () => cloud.clock.advance(cloud.config.identity.token_lifetime * 1_000),
    close: () => cloud.close(),
  }
})

identityContract("keystone, asking the embedded cloud's", { hasSystemScope: false }, async () => {
  const cloud = await embeddedServices()
  const { driver, config } = aDriver(cloud.urls.identity, cloud.clock, {
    username: 'octavia',
    password: cloud.passwords.octavia,
    project_name: 'service',
    interface: 'public',
  })
  assert.equal(identityDriverOf(config), 'keystone')
  return {
    driver,
    admin: new KeystoneAdmin(`${cloud.urls.identity}/v3`, cloud.passwords.admin),
    aMinuteLater: () => cloud.clock.advance(MINUTE_MS),
    untilExpired: async () => cloud.clock.advance(cloud.config.identity.token_lifetime * 1_000),
    async close() {
      driver.close()
      await cloud.close()
    },
  }
})

function aDriver(
  auth_url: string,
  clock: { now(): number; monotonic(): number },
  given: Partial<Options['keystone_authtoken']>,
  log = createLog('silent'),
) {
  const config = loadConfig({ stateDirectory: '/nonexistent', overrides: { keystone_authtoken: { auth_url, ...given } } })
  return { driver: keystoneIdentityDriver({ config, clock, log }), config }
}

const stages: { close(): Promise<void> }[] = []
after(async () => {
  for (const stage of stages) await stage.close()
})

/** A driver and the Keystone it asks, with a clock that stands still until it is moved. */
async function aStage(given: Partial<Options['keystone_authtoken']> = {}) {
  let nowMs = Date.parse('2026-01-01T00:00:00Z')
  const clock = { now: () => nowMs, monotonic: () => nowMs }
  const keystone = new FakeKeystone(clock.now)
  const url = await keystone.start()
  const lines: string[] = []
  const log = pino({ base: null, level: 'debug' }, { write: (line: string) => lines.push(line) })
  const { driver } = aDriver(
    url,
    clock,
    { username: 'octavia', password: 'secret', project_name: 'service', http_request_max_retries: 1, ...given },
    log,
  )
  stages.push({
    async close() {
      driver.close()
      await keystone.stop()
    },
  })
  let issued = 0
  return {
    url,
    keystone,
    driver,
    lines,
    pass: (ms: number) => (nowMs += ms),
    /** A token that lives an hour. */
    issue(more: Partial<FakeToken> = {}): string {
      const token = `gAAAA-token-${++issued}`
      const expires_at = new Date(nowMs + 3_600_000).toISOString()
      const project = { id: 'p', name: 'p', domain: { id: 'default' } }
      keystone.tokens.set(token, {
        user: { id: 'u', name: 'u', domain: { id: 'default' } },
        project,
        roles: [{ name: 'member' }],
        expires_at,
        ...more,
      })
      return token
    },
  }
}

test('a burst of requests with one token is one question, after one login', async () => {
  const { keystone, driver, issue } = await aStage()
  const token = issue()
  const answers = await Promise.all(Array.from({ length: 50 }, () => driver.validate(token)))
  assert.ok(answers.every((identity) => identity?.user_id === 'u'))
  assert.deepEqual(keystone.asked, ['POST /v3/auth/tokens', 'GET /v3/auth/tokens?nocatalog=1'])
  await driver.validate(token)
  assert.equal(keystone.count('GET'), 1)
})

test('an answer counts for a minute from the question on, however long token_cache_time is, and less where that is less', async () => {
  for (const [token_cache_time, lastsMs] of [
    [300, 60_000],
    [20, 20_000],
  ] as const) {
    const { keystone, driver, issue, pass } = await aStage({ token_cache_time })
    const token = issue()
    await driver.validate(token)
    keystone.tokens.delete(token)
    pass(lastsMs - 1)
    assert.notEqual(await driver.validate(token), null)
    pass(1)
    assert.equal(await driver.validate(token), null)
  }
})

test('with token_cache_time = -1 nothing is remembered; refusals never are', async () => {
  const { keystone, driver, issue } = await aStage({ token_cache_time: -1 })
  const token = issue()
  await driver.validate(token)
  await driver.validate(token)
  assert.equal(keystone.count('GET'), 2)
  assert.equal(await driver.validate('later'), null)
  keystone.tokens.set('later', keystone.tokens.get(token)!)
  assert.notEqual(await driver.validate('later'), null)
})

test('a remembered token ends with its own life', async () => {
  const { driver, issue, pass } = await aStage()
  const token = issue({ expires_at: '2026-01-01T00:00:10.000000Z' })
  assert.notEqual(await driver.validate(token), null)
  pass(10_000)
  assert.equal(await driver.validate(token), null)
})

test("the service user's token is renewed before it ends", async () => {
  const { keystone, driver, issue, pass } = await aStage()
  await driver.validate(issue())
  pass(3_600_000 - 30_001)
  await driver.validate(issue())
  assert.equal(keystone.count('POST'), 1)
  pass(1)
  await driver.validate(issue())
  assert.equal(keystone.count('POST'), 2)
})

test('it is renewed once when Keystone does not take it any more, by whoever notices first', async () => {
  const { keystone, driver, issue } = await aStage()
  await driver.validate(issue())
  keystone.forgetLogins()
  const answers = await Promise.all(Array.from({ length: 10 }, () => driver.validate(issue())))
  assert.ok(answers.every((identity) => identity !== null))
  assert.equal(keystone.count('POST'), 2)
})

test('Keystone failing for a moment is not noticed', async () => {
  for (const fault of ['reset', 500, 503, 429] as const) {
    const { keystone, driver, issue } = await aStage()
    keystone.faults.push(fault)
    assert.notEqual(await driver.validate(issue()), null, String(fault))
    await driver.validate(issue())
    keystone.faults.push(fault)
    assert.notEqual(await driver.validate(issue()), null, String(fault))
  }
})

test('where Keystone cannot be asked nobody is anybody, after a bounded number of attempts', async () => {
  for (const fault of ['reset', 'silent', 'nonsense', 401, 403, 500, 503] as const) {
    const { keystone, driver, issue } = await aStage({ http_connect_timeout: 0.05 })
    const seen = issue()
    await driver.validate(seen)
    const before = keystone.asked.length
    keystone.down = fault
    await assert.rejects(driver.validate(issue()), IdentityUnavailable, String(fault))
    assert.ok(keystone.asked.length - before <= 4, `${fault}: ${keystone.asked.length - before} requests`)
    // What was seen a moment ago goes on, and when Keystone is back so does everything.
    assert.notEqual(await driver.validate(seen), null)
    keystone.down = undefined
    assert.notEqual(await driver.validate(issue()), null, String(fault))
  }
})

test('a service user whom Keystone refuses is an error in the log, and no way in', async () => {
  const { keystone, driver, issue, lines } = await aStage({ password: 'wrong password' })
  await assert.rejects(driver.validate(issue()), IdentityUnavailable)
  assert.match(lines.join(''), /refuses the service user with 401/)
  assert.equal(keystone.count('GET'), 0)
})

test('neither tokens nor passwords are in logs, errors or the memory of what was seen', async () => {
  const { keystone, driver, issue, lines } = await aStage()
  const token = issue()
  await driver.validate(token)
  keystone.down = 500
  const error = await driver.validate(issue()).catch((thrown: Error) => thrown)
  const told = lines.join('') + inspect(error, { depth: null }) + inspect(driver, { depth: null, showHidden: true })
  for (const secret of [token, 'gAAAA', 'own-', 'secret']) assert.ok(!told.includes(secret), `${secret} in ${told}`)
})

test('an application credential is good for what its rules allow', async () => {
  const rule = (method: string, path: string, service = 'load-balancer') => ({ method, path, service })
  const { driver, issue } = await aStage({ service_type: 'load-balancer' })
  const may = async (rules: object[] | undefined, method: string, path: string) =>
    (await driver.validate(issue({ application_credential: { access_rules: rules } }), { service_token: null, method, path })) !== null
  assert.equal(await may(undefined, 'DELETE', '/v2/lbaas/pools/1'), true)
  assert.equal(await may([], 'GET', '/v2/lbaas/pools'), false)
  assert.equal(await may([rule('GET', '/v2/lbaas/pools')], 'GET', '/v2/lbaas/pools'), true)
  assert.equal(await may([rule('GET', '/v2/lbaas/pools')], 'POST', '/v2/lbaas/pools'), false)
  assert.equal(await may([rule('GET', '/v2/lbaas/pools', 'network')], 'GET', '/v2/lbaas/pools'), false)
  assert.equal(await may([rule('GET', '/v2/lbaas/pools/*')], 'GET', '/v2/lbaas/pools/1'), true)
  assert.equal(await may([rule('GET', '/v2/lbaas/pools/{id}/members')], 'GET', '/v2/lbaas/pools/1/members'), true)
  assert.equal(await may([rule('GET', '/v2/lbaas/pools/*')], 'GET', '/v2/lbaas/pools/1/members'), false)
  assert.equal(await may([rule('GET', '/v2/lbaas/pools/*')], 'GET', '/v2/lbaas/pools/'), false)
  assert.equal(await may([rule('GET', '/v2/**')], 'GET', '/v2/lbaas/pools/1/members'), true)
  assert.equal(await may([rule('GET', '/v2/p.ols')], 'GET', '/v2/pools'), false)
  assert.equal(await may([rule('GET', `/${'**a'.repeat(40)}`)], 'GET', `/${'a'.repeat(4_000)}b`), false)

  const nameless = await aStage()
  const token = nameless.issue({ application_credential: { access_rules: [rule('GET', '/**')] } })
  assert.equal(await nameless.driver.validate(token, { service_token: null, method: 'GET', path: '/v2/lbaas/pools' }), null)
})

test("Keystone is asked at the endpoint that its catalog has for this service's interface and region", async () => {
  const there = await aStage()
  const { keystone, driver } = await aStage({ region_name: 'two', interface: 'internal' })
  const endpoint = (region: string, kind: string, url: string) => ({ region_id: region, region, interface: kind, url })
  keystone.catalog = [
    { type: 'load-balancer', endpoints: [endpoint('two', 'internal', 'http://127.0.0.1:1')] },
    {
      type: 'identity',
      endpoints: [
        endpoint('one', 'internal', 'http://127.0.0.1:1'),
        endpoint('two', 'public', 'http://127.0.0.1:1'),
        endpoint('two', 'internal', `${there.url}/v3/`),
      ],
    },
  ]
  assert.equal(await driver.validate('unknown').catch(() => 'asked'), 'asked')
  assert.deepEqual([keystone.count('GET'), there.keystone.count('GET')], [0, 2])
})

test('a configuration that could not work is refused at once', () => {
  const open = (given: Partial<Options['keystone_authtoken']>) => () =>
    aDriver('http://keystone.example', { now: () => 0, monotonic: () => 0 }, { username: 'u', password: 'p', ...given }).driver.close()
  assert.doesNotThrow(open({}))
  assert.throws(open({ auth_url: null, www_authenticate_uri: 'http://keystone.example' }), /\[keystone_authtoken\] auth_url: missing/)
  assert.throws(open({ auth_url: 'keystone:5000' }), /auth_url: the value 'keystone:5000' should be/)
  assert.throws(open({ username: null }), /username or user_id: missing/)
  assert.throws(open({ password: null }), /password: missing/)
  assert.throws(open({ cafile: '/nonexistent.pem' }), /\[keystone_authtoken\] cafile: ENOENT/)
})
