import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { KeystoneAdmin } from '../../../test/support/keystone-admin.ts'
import type { IdentityDriver, TokenUse } from './driver.ts'

export interface IdentityUnderTest {
  driver: IdentityDriver
  /** Of the Keystone whose tokens these are. */
  admin: KeystoneAdmin
  /** As long as an answer may be remembered; as the driver sees it. */
  aMinuteLater(): void
  /** Resolves when the token has ended by itself, a short while ago. */
  untilExpired(token: string): Promise<void>
  close(): Promise<void>
}

const nobodyElse: TokenUse = { service_token: null, method: 'GET', path: '/v2/lbaas/loadbalancers' }

/** The promises of IdentityDriver, as tests. Not every Keystone has tokens for the system. */
export function identityContract(
  name: string,
  { hasSystemScope }: { hasSystemScope: boolean },
  open: () => Promise<IdentityUnderTest>,
): void {
  describe(`identity driver: ${name}`, () => {
    let it: IdentityUnderTest
    before(async () => {
      it = await open()
    })
    after(() => it?.close())

    const validate = (token: string, service_token: string | null = null) => it.driver.validate(token, { ...nobodyElse, service_token })
    const aMember = async (...roles: string[]) => {
      const project = await it.admin.createProject()
      return { project, ...(await it.admin.person({ project }, ['member', ...roles])) }
    }

    test('a token on a project says whose it is, where, and with which roles, implied ones included', async () => {
      const { project, user, token } = await aMember()
      const found = await validate(token)
      const { user_id, user_name, user_domain_id, project_id, project_name, project_domain_id, domain_id, system_scope } = found!
      assert.deepEqual(
        { user_id, user_name, user_domain_id, project_id, project_name, project_domain_id, domain_id, system_scope },
        {
          user_id: user.id,
          user_name: user.name,
          user_domain_id: 'default',
          project_id: project.id,
          project_name: project.name,
          project_domain_id: 'default',
          domain_id: null,
          system_scope: null,
        },
      )
      assert.deepEqual(found!.roles.toSorted(), ['member', 'reader'])
      assert.ok(Date.parse(found!.expires_at) > 0)
      assert.deepEqual(await validate(` ${token} `), found)
    })

    test('a token on a domain, or on nothing, is for no project', async () => {
      const domain = await it.admin.createDomain()
      const { user, token } = await it.admin.person({ domain }, ['reader'])
      const onDomain = await validate(token)
      assert.deepEqual([onDomain!.project_id, onDomain!.domain_id, onDomain!.roles], [null, domain.id, ['reader']])
      const unscoped = await validate(await it.admin.login(user, 'unscoped'))
      assert.deepEqual([unscoped!.project_id, unscoped!.domain_id, unscoped!.roles], [null, null, []])
    })

    const testOnSystem = hasSystemScope ? test : () => undefined
    testOnSystem('a token on the system says so', async () => {
      const { token } = await it.admin.person({ system: { all: true } }, ['reader'])
      const found = await validate(token)
      assert.deepEqual([found!.project_id, found!.system_scope, found!.roles], [null, 'all', ['reader']])
    })

    test('what is no token is nobody', async () => {
      const { token } = await aMember()
      for (const wrong of ['', 'x', 'x y', 'x\r\nX-Auth-Token: y', 'ü', '../../users', 'x'.repeat(5_000), `${token}x`, token.slice(1)]) {
        assert.equal(await validate(wrong), null, wrong.slice(0, 40))
      }
    })

    test('a revoked token is refused within a minute, also one that was seen before', async () => {
      const { token } = await aMember()
      assert.notEqual(await validate(token), null)
      await it.admin.revoke(token)
      it.aMinuteLater()
      assert.equal(await validate(token), null)
    })

    test('so is that of a user who was disabled', async () => {
      const { user, token } = await aMember()
      assert.notEqual(await validate(token), null)
      await it.admin.disable(user)
      it.aMinuteLater()
      assert.equal(await validate(token), null)
    })

    test('an expired token is refused, also one that was seen before, unless a service passes it on', async () => {
      const { project, user, token } = await aMember()
      assert.equal((await validate(token))!.user_id, user.id)
      await it.untilExpired(token)
      assert.equal(await validate(token), null)

      const service = await it.admin.person({ project }, ['service'])
      const passedOn = await validate(token, service.token)
      assert.equal(passedOn!.user_id, user.id)
      assert.deepEqual(passedOn!.service, { user_id: service.user.id, project_id: project.id, roles: ['service'] })
      // Alone it stays refused, though its content was just seen.
      assert.equal(await validate(token), null)
    })

    test('only a service with the role of one passes tokens on', async () => {
      const { project, user, token } = await aMember()
      const service = await it.admin.person({ project }, ['service'])
      assert.equal((await validate(token, service.token))!.user_id, user.id)
      const noService = await it.admin.person({ project }, ['admin'])
      assert.equal(await validate(token, noService.token), null)
      assert.equal(await validate(token, 'no token'), null)
      await it.admin.revoke(service.token)
      it.aMinuteLater()
      assert.equal(await validate(token, service.token), null)
    })
  })
}
