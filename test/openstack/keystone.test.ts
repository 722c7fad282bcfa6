/** The Keystone driver beside a real Keystone: its promises, and a whole API whose users are that Keystone's. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { loadConfig } from '../../src/config/config.ts'
import { identityContract } from '../../src/drivers/identity/contract.ts'
import { keystoneIdentityDriver } from '../../src/drivers/identity/keystone.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { aCloud } from '../support/cloud.ts'
import { Controller } from '../support/controller.ts'
import { call } from '../support/embedded-services.ts'
import { eventually } from '../support/eventually.ts'
import { KeystoneAdmin } from '../support/keystone-admin.ts'
import { noKeystone, type RealKeystone, startKeystone } from '../support/real-keystone.ts'

/** Short enough to wait for the end of one, long enough to use one on a busy machine. */
const TOKEN_SECONDS = 15
const MINUTE_MS = 60_000
const PORT_BASE = 23_300

/** A driver whose service user has the role `service` only, and a clock that can be put forward for what it remembers. */
async function aDriver({ v3, adminPassword }: RealKeystone) {
  const admin = new KeystoneAdmin(v3, adminPassword)
  const project = await admin.createProject()
  const service = await admin.createUser()
  await admin.assign(service, { project }, ['service'])
  let ahead = 0
  const clock = { now: systemClock.now, monotonic: () => systemClock.monotonic() + ahead }
  const text = [
    '[keystone_authtoken]',
    `www_authenticate_uri = ${v3}`,
    `auth_url = ${v3.replace('/v3', '')}`,
    'auth_type = password',
    `username = ${service.name}`,
    `password = ${service.password}`,
    'user_domain_name = Default',
    `project_name = ${project.name}`,
    'project_domain_name = Default',
    'region_name = RegionOne',
    'service_type = load-balancer',
  ].join('\n')
  const config = loadConfig({ stateDirectory: '/nonexistent', file: { name: '/nonexistent/octavia.conf', text } })
  const driver = keystoneIdentityDriver({ config, clock, log: createLog('silent') })
  return { admin, driver, text, aMinuteLater: () => (ahead += MINUTE_MS) }
}

describe('a real Keystone', { skip: noKeystone ?? false }, () => {
  let keystone: RealKeystone
  before(async () => {
    keystone = await startKeystone({ tokenSeconds: TOKEN_SECONDS })
  })
  after(() => keystone?.stop())

  identityContract('keystone, asking a real one', { hasSystemScope: true }, async () => {
    const { admin, driver, aMinuteLater } = await aDriver(keystone)
    return {
      driver,
      admin,
      aMinuteLater,
      untilExpired: async (token) => {
        await eventually(async () => !(await admin.isValid(token)), TOKEN_SECONDS * 2_000)
      },
      close: async () => driver.close(),
    }
  })

  test('an application credential is good for what its access rules allow', async () => {
    const { admin, driver } = await aDriver(keystone)
    const project = await admin.createProject()
    const { user, token } = await admin.person({ project }, ['member'])
    const rule = { method: 'GET', path: '/v2/lbaas/loadbalancers', service: 'load-balancer' }
    const made = await call('POST', `${keystone.v3}/users/${user.id}/application_credentials`, token, {
      application_credential: { name: 'readonly', access_rules: [rule], roles: [{ name: 'member' }] },
    })
    assert.equal(made.status, 201, JSON.stringify(made.body))
    const { id, secret } = made.body.application_credential as { id: string; secret: string }
    const identity = { methods: ['application_credential'], application_credential: { id, secret } }
    const login = await call('POST', `${keystone.v3}/auth/tokens`, undefined, { auth: { identity } })
    const restricted = login.headers.get('x-subject-token')!
    const may = async (method: string, path: string) => (await driver.validate(restricted, { service_token: null, method, path })) !== null
    assert.equal(await may('GET', '/v2/lbaas/loadbalancers'), true)
    assert.equal(await may('POST', '/v2/lbaas/loadbalancers'), false)
    assert.equal(await may('GET', '/v2/lbaas/pools'), false)
    driver.close()
  })

  test("the API serves that Keystone's users by their roles", async () => {
    const { admin, driver } = await aDriver(keystone)
    const { cloud } = await aCloud({ identity: driver, config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
    const [own, other] = [await admin.createProject(), await admin.createProject()]
    const apiOf = async (project: { id: string }, role: string) =>
      cloud.api.as({ 'x-auth-token': (await admin.person({ project }, [role])).token })
    const made = await (await apiOf(own, 'member')).createLoadBalancer(cloud.aBody({ name: 'from Keystone' }))
    assert.equal(made.project_id, own.id)
    const path = `/v2/lbaas/loadbalancers/${made.id}`
    const status = async (project: { id: string }, role: string, method: string, where: string) =>
      (await (await apiOf(project, role)).request(method, where)).status
    assert.equal(await status(own, 'reader', 'GET', path), 200)
    assert.equal(await status(own, 'reader', 'DELETE', path), 403)
    assert.equal(await status(other, 'member', 'GET', path), 403)
    assert.equal(await status(other, 'admin', 'GET', path), 200)
    assert.equal((await cloud.api.as({ 'x-auth-token': 'made up' }).request('GET', path)).status, 401)
    driver.close()
  })

  test('a controller whose octavia.conf names that Keystone serves its users, and no identity of its own', async () => {
    const { admin, driver, text } = await aDriver(keystone)
    driver.close()
    const drivers = ['compute_driver = compute_noop_driver', 'network_driver = network_noop_driver', 'amphora_driver = amphora_noop_driver']
    const controller = new Controller({ config: ['[controller_worker]', ...drivers, text].join('\n'), portBase: PORT_BASE })
    await controller.start()
    try {
      const url = `${controller.api}/v2/lbaas/loadbalancers`
      const refused = await call('GET', url)
      assert.deepEqual([refused.status, refused.headers.get('www-authenticate')], [401, `Keystone uri="${keystone.v3}"`])
      const project = await admin.createProject()
      const [member, reader] = [await admin.person({ project }, ['member']), await admin.person({ project }, ['reader'])]
      const body = { loadbalancer: { vip_subnet_id: 'c0000000-0000-4000-8000-000000000001' } }
      assert.equal((await call('POST', url, member.token, body)).status, 201)
      assert.equal((await call('POST', url, reader.token, body)).status, 403)
      const seen = (await call('GET', url, reader.token)).body.loadbalancers as { project_id: string }[]
      assert.deepEqual(
        seen.map(({ project_id }) => project_id),
        [project.id],
      )
      await assert.rejects(fetch(`http://127.0.0.1:${PORT_BASE + 1}/v3`))
      assert.equal(existsSync(join(controller.stateDirectory, 'openrc')), false)
      for (const secret of [member.token, reader.token]) assert.ok(!controller.output.includes(secret))
    } finally {
      await controller.down()
    }
  })
})
