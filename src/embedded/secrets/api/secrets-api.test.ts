import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { aConfig } from '../../../../test/support/builders.ts'
import { forEachDatabase } from '../../../../test/support/databases.ts'
import { type Answer, call, type EmbeddedServices, embeddedServices } from '../../../../test/support/embedded-services.ts'
import { anEmbeddedStore } from '../../../../test/support/stored-secrets.ts'
import { migrate } from '../../../db/migrate.ts'
import type { IdentityDriver } from '../../../drivers/identity/driver.ts'
import { createLog } from '../../../lib/log.ts'
import { startSecretsService } from './server.ts'

type Row = Record<string, unknown>

const text = { payload: 'a private key', payload_content_type: 'text/plain' }
const bytes = Buffer.from([0x30, 0x82, 0xff, 0x00])
const binary = { payload: bytes.toString('base64'), payload_content_type: 'application/octet-stream', payload_content_encoding: 'base64' }

describe('the secret store', () => {
  let cloud: EmbeddedServices
  let demo: string
  let admin: string
  let octavia: string

  before(async () => {
    cloud = await embeddedServices()
    demo = await cloud.token('demo')
    admin = await cloud.token('admin')
    octavia = await cloud.token('octavia')
  })
  after(() => cloud.close())

  const at = (path: string) => (path.startsWith('http') ? path : `${cloud.urls.secrets}${path}`)
  const ask = (method: string, path: string, body?: unknown, token = demo, headers: Record<string, string> = {}) =>
    call(method, at(path), token, body, headers)
  const store = async (body: object = text, token = demo): Promise<string> => {
    const { status, body: answer } = await ask('POST', '/v1/secrets', body, token)
    assert.equal(status, 201, JSON.stringify(answer))
    return String(answer.secret_ref)
  }
  const contain = async (type: string, refs: Record<string, string>, token = demo): Promise<Answer> =>
    ask(
      'POST',
      '/v1/containers',
      { name: type, type, secret_refs: Object.entries(refs).map(([name, secret_ref]) => ({ name, secret_ref })) },
      token,
    )
  const raw = async (method: string, path: string, body: string | Buffer | undefined, headers: Record<string, string>, token = demo) => {
    const answer = await fetch(at(path), { method, headers: { 'x-auth-token': token, ...headers }, body })
    return { status: answer.status, type: answer.headers.get('content-type'), bytes: Buffer.from(await answer.arrayBuffer()) }
  }
  const payload = (ref: string, accept?: string, token = demo) =>
    raw('GET', `${ref}/payload`, undefined, accept === undefined ? {} : { accept }, token)
  const refuses = async (answer: Promise<Answer>, status: number, words: string | RegExp) => {
    const { status: got, body } = await answer
    assert.equal(got, status, JSON.stringify(body))
    if (typeof words === 'string') assert.equal(body.description, words)
    else assert.match(String(body.description), words)
    assert.equal(body.code, status)
  }

  test('versions', async () => {
    const root = await fetch(cloud.urls.secrets)
    assert.equal(root.status, 300)
    const { versions } = (await root.json()) as { versions: { values: Row[] } }
    assert.deepEqual([versions.values[0]!.id, versions.values[0]!.status], ['v1', 'stable'])
    assert.equal(((await ask('GET', '/v1')).body.version as Row).id, 'v1')
    const latest = await ask('GET', '/v1', undefined, demo, { 'openstack-api-version': 'key-manager latest' })
    assert.equal((latest.body.version as Row).max_version, '1.1')
    assert.equal(latest.headers.get('openstack-api-version'), 'key-manager 1.1')
    await refuses(ask('GET', '/v1', undefined, demo, { 'openstack-api-version': 'key-manager 1.9' }), 406, /1\.9/)
    assert.equal((await ask('GET', '/v1/secrets', undefined, 'no token')).status, 401)
  })

  test('a secret in one step: what it is, and its payload in the types that it has', async () => {
    const ref = await store({ ...text, name: ' key ', algorithm: 'rsa', bit_length: 2048, mode: 'cbc', secret_type: 'private' })
    assert.match(ref, new RegExp(`^${cloud.urls.secrets}/v1/secrets/[0-9a-f-]{36}$`))
    const { created, updated, creator_id, ...shown } = (await ask('GET', ref)).body
    assert.deepEqual(shown, {
      status: 'ACTIVE',
      name: 'key',
      secret_type: 'private',
      expiration: null,
      algorithm: 'rsa',
      bit_length: 2048,
      mode: 'cbc',
      content_types: { default: 'text/plain' },
      secret_ref: ref,
    })
    assert.match(String(created), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/)
    assert.equal(updated, created)
    assert.equal(typeof creator_id, 'string')
    const got = await payload(ref, 'text/plain')
    assert.deepEqual([got.status, got.bytes.toString(), got.type], [200, text.payload, 'text/plain; charset=utf-8'])
    assert.equal((await payload(ref, '*/*')).type, 'text/plain; charset=utf-8')
    assert.equal((await payload(ref, 'application/octet-stream')).bytes.toString(), text.payload)
    assert.equal((await raw('GET', ref, undefined, { accept: 'text/plain' })).bytes.toString(), text.payload)

    const binaryRef = await store(binary)
    assert.deepEqual((await payload(binaryRef, 'application/octet-stream')).bytes, bytes)
    assert.equal((await payload(binaryRef, 'text/plain')).status, 406)
    assert.equal((await payload(binaryRef, 'image/png')).status, 406)
  })

  test('a secret in two steps, and a payload replaced under its reference', async () => {
    const ref = await store({ name: 'later' })
    assert.equal((await ask('GET', ref)).body.content_types, undefined)
    await refuses(ask('GET', `${ref}/payload`), 404, 'Not Found. Sorry but your secret has no payload.')
    const put = (path: string, body: string | Buffer, type: string, more = {}) => raw('PUT', path, body, { 'content-type': type, ...more })
    assert.equal((await put(ref, bytes, 'application/json')).status, 415)
    assert.equal((await put(ref, '', 'text/plain')).status, 400)
    assert.equal((await put(ref, bytes, 'application/octet-stream')).status, 204)
    assert.deepEqual((await payload(ref, '*/*')).bytes, bytes)
    assert.equal((await put(ref, 'again', 'text/plain')).status, 409)

    const before = (await ask('GET', ref)).body
    cloud.clock.advance(2_000)
    assert.equal((await put(`${ref}/payload`, 'renewed', 'text/plain; charset=utf-8')).status, 204)
    assert.equal((await payload(ref, '*/*')).bytes.toString(), 'renewed')
    const renewed = (await ask('GET', ref)).body
    assert.deepEqual([renewed.created, renewed.content_types], [before.created, { default: 'text/plain' }])
    assert.ok(String(renewed.updated) > String(before.updated))
    assert.equal(
      (await put(`${ref}/payload`, bytes.toString('base64'), 'application/octet-stream', { 'content-encoding': 'base64' })).status,
      204,
    )
    assert.deepEqual((await payload(ref, '*/*')).bytes, bytes)
    assert.equal((await put(`${ref}/payload`, 'x'.repeat(20_001), 'text/plain')).status, 413)
    assert.equal((await put(`${ref}/payload`, 'x'.repeat(30_000), 'text/plain')).status, 413)
    assert.deepEqual((await payload(ref, '*/*')).bytes, bytes)
  })

  test('what cannot be stored is told in Barbican’s words, without the payload', async () => {
    const about = (reason: string, property: string) =>
      `Provided object does not match schema 'Secret': ${reason}. Invalid property: '${property}'`
    const post = (body: unknown) => ask('POST', '/v1/secrets', body)
    await refuses(post({ ...text, payload: 7 }), 400, about("The value is not of type 'string'", 'payload'))
    await refuses(post({ ...text, name: 'x'.repeat(256) }), 400, /is too long\. Invalid property: 'name'$/)
    await refuses(post({ ...text, bit_length: 0 }), 400, about('0 is less than the minimum of 1', 'bit_length'))
    await refuses(post({ secret_type: 'odd' }), 400, /'odd' is not one of \['symmetric', /)
    await refuses(
      post({ payload: 'x' }),
      400,
      about("If 'payload' is supplied, 'payload_content_type' must also be supplied.", 'payload_content_type'),
    )
    await refuses(
      post({ payload_content_type: 'text/plain' }),
      400,
      about('payload must be provided when payload_content_type is specified', 'payload'),
    )
    await refuses(post({ ...text, payload: ' ' }), 400, about("If 'payload' specified, must be non empty", 'payload'))
    await refuses(
      post({ ...text, payload_content_type: 'image/png' }),
      400,
      /^Provided object .* payload_content_type is not one of \['text\/plain', /,
    )
    await refuses(
      post({ ...binary, payload_content_encoding: undefined }),
      400,
      /payload_content_encoding is not one of \['base64', 'binary'\]/,
    )
    await refuses(
      post({ ...text, payload_content_encoding: 'base64' }),
      400,
      about('payload_content_encoding is not one of None', 'payload_content_encoding'),
    )
    await refuses(post({ ...binary, payload: 'abcde' }), 400, about('Invalid payload for payload_content_encoding', 'payload'))
    await refuses(post({ ...text, payload: 'x'.repeat(20_001) }), 413, 'Provided information too large to process')
    await refuses(post({ ...text, expiration: 'tomorrow' }), 400, about("Invalid date for 'expiration'", 'expiration'))
    await refuses(post({ ...text, expiration: '2001-01-01T00:00:00' }), 400, about("'expiration' is before current time", 'expiration'))
    const odd = await raw('POST', '/v1/secrets', '{', { 'content-type': 'application/json' })
    assert.deepEqual([odd.status, JSON.parse(String(odd.bytes)).description], [400, 'Malformed JSON'])
    assert.equal((await raw('POST', '/v1/secrets', '{}', { 'content-type': 'text/plain' })).status, 415)
  })

  test('lists are the project’s own, filtered, sorted and paged', async () => {
    const token = admin
    for (const name of ['list-b', 'list-a', 'list-c']) await store({ ...text, name, bit_length: name === 'list-c' ? 512 : 256 }, token)
    await store({ name: 'list-elsewhere' })
    const list = async (query: string): Promise<Row & { names: unknown[] }> => {
      const { body } = await ask('GET', `/v1/secrets?${query}`, undefined, token)
      return { names: (body.secrets as Row[]).map(({ name }) => name), ...body }
    }
    assert.deepEqual((await list('limit=100')).names, ['list-b', 'list-a', 'list-c'])
    assert.deepEqual((await list('sort=name:desc')).names, ['list-c', 'list-b', 'list-a'])
    assert.deepEqual((await list('name=list-a')).names, ['list-a'])
    assert.deepEqual((await list('bits=512&secret_type=opaque')).names, ['list-c'])
    assert.deepEqual((await list('created=gte:2020-01-01T00:00:00,lt:2020-01-02')).names, [])
    assert.deepEqual((await list('created=gte:2020-01-01T00:00:00')).total, 3)
    const page = await list('limit=1&offset=1')
    assert.deepEqual(page.names, ['list-a'])
    assert.deepEqual(
      [page.previous, page.next, page.total],
      [`${cloud.urls.secrets}/v1/secrets?limit=1&offset=0`, `${cloud.urls.secrets}/v1/secrets?limit=1&offset=2`, 3],
    )
    assert.equal((await list('limit=0')).names.length, 1)
    await refuses(ask('GET', '/v1/secrets?sort=payload'), 400, 'URI provided invalid query string parameters.')
    await refuses(ask('GET', '/v1/secrets?created=odd'), 400, 'URI provided invalid query string parameters.')
  })

  test('what is deleted or has expired is gone', async () => {
    const ref = await store()
    assert.equal((await ask('DELETE', ref)).status, 204)
    await refuses(ask('GET', ref), 404, 'Secret not found.')
    await refuses(ask('GET', '/v1/secrets/x'), 404, 'Not Found. Provided secret id is invalid.')
    const expiring = await store({ ...text, name: 'expiring', expiration: new Date(cloud.clock.now() + 60_000).toISOString() })
    assert.match(String((await ask('GET', expiring)).body.expiration), /^\d{4}-/)
    cloud.clock.advance(61_000)
    await refuses(ask('GET', expiring), 404, 'Secret not found.')
    assert.equal((await ask('GET', '/v1/secrets?name=expiring')).body.total, 0)
  })

  test('containers hold the secrets of their project, under the names of their type', async () => {
    const [certificate, private_key, other] = [await store(), await store(), await store()]
    const made = await contain('certificate', { certificate, private_key })
    assert.equal(made.status, 201)
    const ref = String(made.body.container_ref)
    const { created: _, updated: __, creator_id: ___, ...shown } = (await ask('GET', ref)).body
    assert.deepEqual(shown, {
      status: 'ACTIVE',
      name: 'certificate',
      type: 'certificate',
      secret_refs: [
        { secret_ref: certificate, name: 'certificate' },
        { secret_ref: private_key, name: 'private_key' },
      ],
      consumers: [],
      container_ref: ref,
    })
    const about = /^Provided object does not match schema 'Container': /
    await refuses(contain('certificate', { private_key }), 400, /The minimum required reference name is 'certificate' for Certificate type/)
    await refuses(contain('certificate', { certificate, odd: other }), 400, /reference names are allowed for Certificate type/)
    await refuses(contain('rsa', { private_key }), 400, /The minimum required reference names are 'public_key' and'private_key'/)
    await refuses(contain('generic', { a: other, b: other }), 400, /Duplicate secret ids are not allowed/)
    await refuses(contain('odd', {}), 400, about)
    await refuses(ask('POST', '/v1/containers', { name: 'x' }), 400, /'type' is a required property/)
    const nowhere = `${cloud.urls.secrets}/v1/secrets/${randomUUID()}`
    await refuses(contain('generic', { a: nowhere }), 404, "Secret provided for 'a' doesn't exist.")
    await refuses(contain('generic', { a: await store(text, admin) }), 404, "Secret provided for 'a' doesn't exist.")

    await refuses(ask('POST', `${ref}/secrets`, { name: 'a', secret_ref: other }), 400, "Only 'generic' containers can be modified.")
    const generic = String((await contain('generic', {})).body.container_ref)
    const change = (method: string, secret_ref: string) => ask(method, `${generic}/secrets`, { name: 'a', secret_ref })
    assert.equal((await change('POST', other)).status, 201)
    await refuses(change('POST', other), 409, /^Conflict\. A secret with that name and ID is already stored in this container/)
    assert.deepEqual((await ask('GET', generic)).body.secret_refs, [{ secret_ref: other, name: 'a' }])
    assert.equal((await change('DELETE', other)).status, 204)
    await refuses(change('DELETE', other), 404, 'Secret provided is not in the container')

    // A secret that goes leaves its containers.
    assert.equal((await ask('DELETE', private_key)).status, 204)
    assert.equal(((await ask('GET', ref)).body.secret_refs as Row[]).length, 1)
    const list = (await ask('GET', '/v1/containers?type=generic')).body
    assert.deepEqual([(list.containers as Row[]).map(({ container_ref }) => container_ref), list.total], [[generic], 1])
    assert.equal((await ask('DELETE', ref)).status, 204)
    await refuses(ask('GET', ref), 404, 'Secrets container not found.')
    assert.equal((await ask('GET', certificate)).status, 200)
  })

  test('who may read: the project, whom the list names, and nobody else', async () => {
    const ref = await store()
    await refuses(
      ask('GET', ref, undefined, admin),
      403,
      'Secret retrieval attempt not allowed - please review your user/project privileges',
    )
    await refuses(ask('GET', `${ref}/payload`, undefined, octavia), 403, /^Secret payload retrieval attempt not allowed/)
    await refuses(ask('DELETE', ref, undefined, octavia), 403, /^Secret deletion attempt not allowed/)
    assert.deepEqual((await ask('GET', `${ref}/acl`)).body, { read: { 'project-access': true } })

    const { serviceUserId } = cloud.secrets
    const acl = { read: { users: [serviceUserId] } }
    await refuses(ask('PUT', `${ref}/acl`, acl, octavia), 403, /^SecretACL\(s\) Update attempt not allowed/)
    assert.deepEqual((await ask('PUT', `${ref}/acl`, acl)).body, { acl_ref: `${ref}/acl` })
    assert.equal((await payload(ref, '*/*', octavia)).bytes.toString(), text.payload)
    await refuses(ask('GET', ref, undefined, admin), 403, /not allowed/)
    await refuses(ask('DELETE', ref, undefined, octavia), 403, /not allowed/)
    const listed = (await ask('GET', '/v1/secrets?acl_only=true', undefined, octavia)).body
    assert.deepEqual(
      (listed.secrets as Row[]).map(({ secret_ref }) => secret_ref),
      [ref],
    )
    const shownAcl = (await ask('GET', `${ref}/acl`)).body.read as Row
    assert.deepEqual([shownAcl['project-access'], shownAcl.users], [true, [serviceUserId]])

    await ask('PATCH', `${ref}/acl`, { read: { 'project-access': false } })
    const patched = (await ask('GET', `${ref}/acl`)).body.read as Row
    assert.deepEqual([patched['project-access'], patched.users], [false, [serviceUserId]])
    // Whoever stored it keeps it.
    assert.equal((await ask('GET', ref)).status, 200)
    await refuses(ask('PUT', `${ref}/acl`, { read: { odd: 1 } }), 400, /Additional properties are not allowed \('odd' was unexpected\)/)
    assert.equal((await ask('DELETE', `${ref}/acl`)).status, 200)
    await refuses(ask('GET', ref, undefined, octavia), 403, /not allowed/)

    const container = String((await contain('generic', { a: ref })).body.container_ref)
    await refuses(ask('GET', container, undefined, octavia), 403, /^Container retrieval attempt not allowed/)
    await ask('PUT', `${container}/acl`, acl)
    assert.equal((await ask('GET', container, undefined, octavia)).status, 200)
    await refuses(ask('GET', ref, undefined, octavia), 403, /not allowed/)
  })

  test('consumers of secrets and of containers', async () => {
    const ref = await store()
    const consumer = { service: 'load-balancer', resource_type: 'listener', resource_id: '1' }
    assert.deepEqual((await ask('POST', `${ref}/consumers`, consumer)).body.consumers, [consumer])
    await ask('POST', `${ref}/consumers`, consumer)
    const list = (await ask('GET', `${ref}/consumers`)).body
    assert.equal(list.total, 1)
    assert.equal((await ask('GET', ref)).body.consumers, undefined)
    const at11 = await ask('GET', ref, undefined, demo, { 'openstack-api-version': 'key-manager 1.1' })
    assert.deepEqual(at11.body.consumers, [consumer])
    await refuses(
      ask('POST', `${ref}/consumers`, { service: 'x' }),
      400,
      /schema 'Secret Consumer': 'resource_type' is a required property/,
    )
    assert.deepEqual((await ask('DELETE', `${ref}/consumers`, consumer)).body.consumers, [])
    await refuses(ask('DELETE', `${ref}/consumers`, consumer), 404, 'Consumer not found.')

    const container = String((await contain('generic', { a: ref })).body.container_ref)
    const user = { name: 'Octavia', URL: 'http://load-balancer/1' }
    await refuses(ask('POST', `${container}/consumers`, user, octavia), 403, /^ContainerConsumer creation attempt not allowed/)
    assert.deepEqual((await ask('POST', `${container}/consumers`, user)).body.consumers, [user])
    assert.deepEqual((await ask('GET', container)).body.consumers, [user])
    assert.deepEqual((await ask('DELETE', `${container}/consumers`, user)).body.consumers, [])
  })

  test('pairs of the user’s own', async () => {
    const metadata = `${await store()}/metadata`
    assert.deepEqual((await ask('GET', metadata)).body, { metadata: {} })
    assert.equal((await ask('PUT', metadata, { metadata: { Color: 'red' } })).status, 201)
    assert.equal((await ask('POST', metadata, { key: 'size', value: '7' })).status, 201)
    await refuses(ask('POST', metadata, { key: 'size', value: '8' }), 409, 'Conflict. Key in request is already in the secret metadata')
    assert.deepEqual((await ask('GET', metadata)).body, { metadata: { color: 'red', size: '7' } })
    assert.deepEqual((await ask('PUT', `${metadata}/size`, { key: 'size', value: '8' })).body, { key: 'size', value: '8' })
    assert.deepEqual((await ask('GET', `${metadata}/size`)).body, { key: 'size', value: '8' })
    assert.equal((await ask('DELETE', `${metadata}/size`)).status, 204)
    await refuses(ask('GET', `${metadata}/size`), 404, 'Secret metadata not found.')
    await refuses(ask('PUT', metadata, { metadata: { 'a/b': 'x' } }), 400, 'Invalid Key. Key must be URL safe.')
    await refuses(ask('PUT', metadata, { metadata: { a: 1 } }), 400, 'Invalid Metadata. Keys and Values must be Strings.')
  })

  test('nothing is ordered, and nothing limited', async () => {
    assert.deepEqual((await ask('GET', '/v1/orders')).body, { orders: [], total: 0 })
    assert.equal(((await ask('GET', '/v1/quotas')).body.quotas as Row).secrets, -1)
  })
})

forEachDatabase('the secret store on either database', async (open) => {
  const db = await open()
  await migrate(db)
  const secrets = await anEmbeddedStore(db)
  const identity: IdentityDriver = {
    validate: async (user_id) => ({
      user_id,
      user_name: user_id,
      project_id: 'project-1',
      project_name: '',
      roles: ['member'],
      expires_at: '',
    }),
  }
  const service = await startSecretsService({ secrets, identity, config: aConfig(), log: createLog('silent'), host: '127.0.0.1', port: 0 })
  const ask = (method: string, path: string, body?: unknown) =>
    call(method, path.startsWith('http') ? path : service.url + path, 'user-1', body)
  for (const name of ['b', 'a', 'c']) await ask('POST', '/v1/secrets', { ...text, name, bit_length: 256 })
  const page = (await ask('GET', '/v1/secrets?sort=name:desc&limit=2&bits=256&created=gt:2020-01-01T00:00:00')).body
  assert.deepEqual([(page.secrets as Row[]).map(({ name }) => name), page.total], [['c', 'b'], 3])
  const ref = String((page.secrets as Row[])[0]!.secret_ref)
  await ask('PUT', `${ref}/acl`, { read: { users: ['user-2'], 'project-access': false } })
  const acl = (await ask('GET', `${ref}/acl`)).body.read as Row
  assert.deepEqual([acl.users, acl['project-access']], [['user-2'], false])
  await ask('POST', `${ref}/consumers`, { service: 's', resource_type: 't', resource_id: '1' })
  const { container_ref } = (await ask('POST', '/v1/containers', { type: 'generic', secret_refs: [{ secret_ref: ref }] })).body
  assert.equal(((await ask('GET', String(container_ref))).body.secret_refs as Row[]).length, 1)
  assert.equal((await ask('GET', '/v1/containers')).body.total, 1)
  assert.equal((await ask('DELETE', ref)).status, 204)
  assert.equal((await ask('DELETE', String(container_ref))).status, 204)
  await service.close()
})
