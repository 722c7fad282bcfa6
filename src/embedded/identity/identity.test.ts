import assert from 'node:assert/strict'
import { readFile, rm, stat } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { call, type EmbeddedServices, embeddedServices, passwordLogin } from '../../../test/support/embedded-services.ts'
import { hostIsOurs } from '../../lib/host-is-ours.ts'

type Role = { id: string; name: string }
type Token = {
  user: { id: string; name: string }
  project?: { id: string; name: string }
  domain?: { id: string }
  roles?: Role[]
  catalog?: { type: string; name: string; endpoints: { url: string; interface: string }[] }[]
  methods: string[]
  audit_ids: string[]
  expires_at: string
}

describe('the embedded identity', () => {
  let cloud: EmbeddedServices
  let tokens: string

  before(async () => {
    cloud = await embeddedServices()
    tokens = `${cloud.urls.identity}/v3/auth/tokens`
  })
  after(() => cloud.close())

  const onProject = (name: string) => ({ project: { name, domain: { name: 'Default' } } })
  const login = (name: string, password: string, scope?: object | 'unscoped') =>
    call('POST', tokens, undefined, passwordLogin(name, password, scope))
  const isValid = async (token: string) => (await call('GET', `${cloud.urls.identity}/v3/auth/projects`, token)).status === 200

  /** A user with the role `member` on a project, both new. */
  async function aUser(name: string): Promise<{ user_id: string; project_id: string; admin: string }> {
    const admin = await cloud.token('admin')
    const v3 = `${cloud.urls.identity}/v3`
    const project = (await call('POST', `${v3}/projects`, admin, { project: { name } })).body.project as { id: string }
    const user = (await call('POST', `${v3}/users`, admin, { user: { name, password: 'first' } })).body.user as { id: string }
    const roles = (await call('GET', `${v3}/roles?name=member`, admin)).body.roles as Role[]
    const put = await call('PUT', `${v3}/projects/${project.id}/users/${user.id}/roles/${roles[0]!.id}`, admin)
    assert.equal(put.status, 204)
    return { user_id: user.id, project_id: project.id, admin }
  }

  test('a password gives a token on a project, with implied roles and the catalog', async () => {
    const { status, headers, body } = await login('admin', cloud.passwords.admin, onProject('admin'))
    assert.equal(status, 201)
    assert.ok(headers.get('x-subject-token')!.length < 255)
    const token = body.token as Token
    assert.deepEqual(token.roles!.map((role) => role.name).sort(), ['admin', 'member', 'reader'])
    assert.deepEqual(
      token.catalog!.map(({ type, name }) => `${name}:${type}`),
      ['octavia:load-balancer', 'keystone:identity', 'neutron:network', 'nova:compute', 'barbican:key-manager', 'glance:image'],
    )
    assert.equal(token.catalog![2]!.endpoints[0]!.url, cloud.urls.network)
    assert.match(token.expires_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000Z$/)
  })

  test('without a scope the default project is taken; unscoped on demand; a domain where there is a role', async () => {
    const byDefault = (await login('demo', cloud.passwords.demo)).body.token as Token
    assert.equal(byDefault.project!.name, 'demo')
    const unscoped = (await login('demo', cloud.passwords.demo, 'unscoped')).body.token as Token
    assert.deepEqual([unscoped.project, unscoped.roles, unscoped.catalog], [undefined, undefined, undefined])
    const onDomain = (await login('admin', cloud.passwords.admin, { domain: { id: 'default' } })).body.token as Token
    assert.equal(onDomain.domain!.id, 'default')
    assert.equal((await login('demo', cloud.passwords.demo, { domain: { id: 'default' } })).status, 401)
  })

  test("a wrong password, an unknown user and another's project are refused alike", async () => {
    for (const answer of [
      await login('admin', 'wrong', onProject('admin')),
      await login('nobody', 'wrong', onProject('admin')),
      await login('demo', cloud.passwords.demo, onProject('admin')),
      await login('demo', cloud.passwords.demo, onProject('no-such-project')),
      await login('demo', cloud.passwords.demo, { system: { all: true } }),
    ]) {
      assert.equal(answer.status, 401)
      assert.deepEqual(answer.body, {
        error: { code: 401, message: 'The request you have made requires authentication.', title: 'Unauthorized' },
      })
      assert.match(answer.headers.get('www-authenticate')!, /^Keystone uri="http:/)
    }
  })

  test('malformed logins are refused with 400', async () => {
    for (const body of [
      {},
      { auth: { identity: {} } },
      { auth: { identity: { methods: ['password'], password: { user: { password: 'x' } } } } },
    ]) {
      assert.equal((await call('POST', tokens, undefined, body)).status, 400)
    }
    const response = await fetch(tokens, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"auth":' })
    assert.equal(response.status, 400)
    const large = await call('POST', tokens, undefined, passwordLogin('admin', 'x'.repeat(2 ** 21)))
    assert.equal(large.status, 413)
  })

  test('a token is exchanged for another scope and ends with the one it came from', async () => {
    const first = await login('demo', cloud.passwords.demo, 'unscoped')
    cloud.clock.advance(60_000)
    const identity = { methods: ['token'], token: { id: first.headers.get('x-subject-token') } }
    const second = await call('POST', tokens, undefined, { auth: { identity, scope: onProject('demo') } })
    assert.equal(second.status, 201)
    const [before, now] = [first.body.token as Token, second.body.token as Token]
    assert.equal(now.expires_at, before.expires_at)
    assert.deepEqual(now.methods, ['token', 'password'])
    assert.equal(now.audit_ids[1], before.audit_ids[0])
  })

  test('a token shows itself, is revoked by DELETE, and ends with its lifetime', async () => {
    const token = await cloud.token('demo')
    const shown = await call('GET', tokens, token, undefined, { 'x-subject-token': token })
    assert.equal((shown.body.token as Token).user.name, 'demo')
    assert.equal((await fetch(tokens, { method: 'HEAD', headers: { 'x-auth-token': token, 'x-subject-token': token } })).status, 200)
    assert.equal((await call('DELETE', tokens, token, undefined, { 'x-subject-token': token })).status, 204)
    assert.equal(await isValid(token), false)

    const other = await cloud.token('demo')
    // The clock goes on by itself, too, and on a busy machine seconds pass between two lines.
    cloud.clock.advance(3_540_000)
    assert.equal(await isValid(other), true)
    cloud.clock.advance(60_000)
    assert.equal(await isValid(other), false)
  })

  test("nobody but an admin or a service sees another's token", async () => {
    const [admin, demo, octavia] = await Promise.all([cloud.token('admin'), cloud.token('demo'), cloud.token('octavia')])
    const status = async (asking: string, subject: string) =>
      (await call('GET', tokens, asking, undefined, { 'x-subject-token': subject })).status
    assert.equal(await status(demo, admin), 403)
    assert.equal(await status(octavia, demo), 200)
    assert.equal(await status(admin, 'nonsense'), 404)
  })

  test('a forged or altered token is none', async () => {
    const token = await cloud.token('demo')
    const [content, signature] = token.split('.') as [string, string]
    const altered = Buffer.from(Buffer.from(content, 'base64url').toString().replace('password', 'Password')).toString('base64url')
    for (const forged of ['', 'x', `${altered}.${signature}`, `${content}.`, `${content}.${Buffer.alloc(32).toString('base64url')}`]) {
      assert.equal((await call('GET', `${cloud.urls.identity}/v3/auth/projects`, forged)).status, 401)
    }
  })

  test('tokens are void at once when the user or project is disabled, the role removed, or the password changed', async () => {
    const { user_id, project_id, admin } = await aUser('fickle')
    const v3 = `${cloud.urls.identity}/v3`
    const fresh = async (password: string) => {
      const token = (await login('fickle', password, { project: { id: project_id } })).headers.get('x-subject-token')
      assert.ok(token !== null && (await isValid(token)))
      return token
    }
    let token = await fresh('first')
    await call('PATCH', `${v3}/projects/${project_id}`, admin, { project: { enabled: false } })
    assert.equal(await isValid(token), false)
    await call('PATCH', `${v3}/projects/${project_id}`, admin, { project: { enabled: true } })

    token = await fresh('first')
    await call('PATCH', `${v3}/users/${user_id}`, admin, { user: { enabled: false } })
    await call('PATCH', `${v3}/users/${user_id}`, admin, { user: { enabled: true } })
    assert.equal(await isValid(token), false, 'also after the user is enabled again')

    token = await fresh('first')
    const change = { user: { password: 'second', original_password: 'first' } }
    assert.equal((await call('POST', `${v3}/users/${user_id}/password`, admin, change)).status, 403)
    assert.equal((await call('POST', `${v3}/users/${user_id}/password`, token, change)).status, 204)
    assert.equal(await isValid(token), false)
    assert.equal((await login('fickle', 'first')).status, 401)

    token = await fresh('second')
    const roles = (await call('GET', `${v3}/projects/${project_id}/users/${user_id}/roles`, admin)).body.roles as Role[]
    await call('DELETE', `${v3}/projects/${project_id}/users/${user_id}/roles/${roles[0]!.id}`, admin)
    assert.equal(await isValid(token), false)
  })

  test('who is no admin sees himself and his project, and changes nothing', async () => {
    const demo = await cloud.token('demo')
    const v3 = `${cloud.urls.identity}/v3`
    const { user } = ((await call('GET', tokens, demo, undefined, { 'x-subject-token': demo })).body as { token: Token }).token
    for (const path of [
      `users/${user.id}`,
      `users/${user.id}/projects`,
      `projects/${cloud.projects.demo}`,
      'auth/projects',
      'auth/catalog',
      'regions',
    ]) {
      assert.equal((await call('GET', `${v3}/${path}`, demo)).status, 200, path)
    }
    for (const path of [
      'users',
      'projects',
      'roles',
      'domains',
      'services',
      'endpoints',
      'role_assignments',
      `projects/${cloud.projects.admin}`,
    ]) {
      assert.equal((await call('GET', `${v3}/${path}`, demo)).status, 403, path)
    }
    assert.equal((await call('POST', `${v3}/projects`, demo, { project: { name: 'mine' } })).status, 403)
    assert.equal((await call('DELETE', `${v3}/projects/${cloud.projects.admin}`, demo)).status, 403)
  })

  test('a name is given once in a domain, and unknown fields are refused', async () => {
    const admin = await cloud.token('admin')
    const v3 = `${cloud.urls.identity}/v3`
    const again = await call('POST', `${v3}/projects`, admin, { project: { name: 'demo' } })
    assert.equal(again.status, 409)
    assert.equal((again.body.error as { title: string }).title, 'Conflict')
    assert.equal((await call('POST', `${v3}/users`, admin, { user: { name: 'u', colour: 'red' } })).status, 400)
    const domain = (await call('POST', `${v3}/domains`, admin, { domain: { name: 'other' } })).body.domain as { id: string }
    assert.equal((await call('POST', `${v3}/projects`, admin, { project: { name: 'demo', domain_id: domain.id } })).status, 201)
    assert.equal((await call('DELETE', `${v3}/domains/${domain.id}`, admin)).status, 403)
    await call('PATCH', `${v3}/domains/${domain.id}`, admin, { domain: { enabled: false } })
    assert.equal((await call('DELETE', `${v3}/domains/${domain.id}`, admin)).status, 204)
  })

  test('neither passwords nor tokens are in the database', async () => {
    await aUser('secretive')
    const token = await cloud.token('admin')
    const rows = JSON.stringify([
      await cloud.db.selectFrom('embedded_user').selectAll().execute(),
      await cloud.db.selectFrom('setting').selectAll().execute(),
    ])
    for (const secret of [...Object.values(cloud.passwords), token, 'first']) assert.ok(!rows.includes(`"${secret}"`))
    assert.match(rows, /scrypt\$1024\$8\$1\$/)
  })

  test('files with secrets are for their owner alone', async () => {
    for (const name of ['openrc', 'openrc-demo', 'clouds.yaml', 'identity-passwords.json', 'identity-token.key']) {
      assert.equal((await stat(join(cloud.config.stateDirectory, name))).mode & 0o777, 0o600, name)
    }
  })

  test('passwords survive a restart; new ones are made when their file is lost', async () => {
    assert.deepEqual(await cloud.identity.prepare(), cloud.passwords)
    const token = await cloud.token('admin')
    const path = join(cloud.config.stateDirectory, 'identity-passwords.json')
    const kept = await readFile(path, 'utf8')
    await rm(path)
    const renewed = await cloud.identity.prepare()
    assert.notEqual(renewed.admin, (JSON.parse(kept) as { admin: string }).admin)
    assert.equal((await login('admin', cloud.passwords.admin)).status, 401)
    Object.assign(cloud.passwords, renewed)
    assert.equal(await isValid(token), false)
    assert.ok(await isValid(await cloud.token('admin')))
  })

  test('a request to a foreign host is refused', async () => {
    const { port } = new URL(cloud.urls.identity)
    const status = (host: string) =>
      new Promise((resolve, reject) => {
        const sent = httpRequest({ port, path: '/v3', headers: { host } }, (response) => resolve(response.resume().statusCode))
        sent.on('error', reject).end()
      })
    assert.equal(await status('evil.example'), 400)
    assert.equal(await status(`localhost:${port}`), 200)
  })
})

test('which Host headers are ours', () => {
  assert.equal(hostIsOurs('127.0.0.1:5000', '127.0.0.1', []), true)
  assert.equal(hostIsOurs('[::1]:5000', '::1', []), true)
  assert.equal(hostIsOurs('localhost', '127.0.0.1', []), true)
  assert.equal(hostIsOurs('cloud.example:5000', '127.0.0.1', ['cloud.example']), true)
  assert.equal(hostIsOurs('192.0.2.1', '127.0.0.1', []), false)
  assert.equal(hostIsOurs('192.0.2.1', '0.0.0.0', []), true)
  assert.equal(hostIsOurs('rebound.example', '0.0.0.0', []), false)
  assert.equal(hostIsOurs(undefined, '127.0.0.1', []), false)
})
