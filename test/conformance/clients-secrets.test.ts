/** Debian's `openstack secret ...` and `openstack acl ...`, unmodified (python3-barbicanclient 5.4), against the embedded secret store. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ClientSession } from '../support/client-session.ts'
import { type EmbeddedServices, embeddedServices } from '../support/embedded-services.ts'

const skip = existsSync('/usr/lib/python3/dist-packages/barbicanclient') ? false : 'python3-barbicanclient is not installed'

type Row = Record<string, unknown>

describe(`openstack secret and the embedded secret store${skip ? ` (skipped: ${skip})` : ''}`, { skip }, () => {
  let cloud: EmbeddedServices
  let demo: ClientSession
  let admin: ClientSession

  before(async () => {
    cloud = await embeddedServices()
    demo = new ClientSession('openstack', cloud.credentials('openrc-demo'))
    admin = new ClientSession('openstack', cloud.credentials('openrc'))
  })
  after(async () => {
    demo.close()
    admin.close()
    await cloud.close()
  })

  const store = async (...options: string[]): Promise<string> => {
    const shown = await demo.json('secret', 'store', '-n', 'test', ...options)
    assert.match(String(shown['Secret href']), /\/v1\/secrets\/[0-9a-f-]{36}$/)
    return String(shown['Secret href'])
  }
  const payload = async (ref: string, ...options: string[]): Promise<unknown> =>
    (await demo.json('secret', 'get', ref, '--payload', ...options)).Payload

  test('text and binary payloads, stored in one step or in two', async () => {
    const text = await store('--payload', 'hello', '-t', 'text/plain', '-s', 'passphrase')
    assert.equal(await payload(text), 'hello')
    const shown = await demo.json('secret', 'get', text)
    assert.deepEqual(
      ['Name', 'Status', 'Algorithm', 'Bit length', 'Secret type', 'Mode', 'Expiration', 'Content types'].map((name) => shown[name]),
      ['test', 'ACTIVE', 'aes', 256, 'passphrase', 'cbc', null, { default: 'text/plain' }],
    )
    const binary = await store('-t', 'application/octet-stream', '-e', 'base64', '--payload', Buffer.from([1, 2, 0xff]).toString('base64'))
    const file = join(cloud.config.stateDirectory, 'payload')
    await demo.run('secret', 'get', binary, '--file', file, '-t', 'application/octet-stream')
    assert.deepEqual(readFileSync(file), Buffer.from([1, 2, 0xff]))
    const fromFile = await store('--file', file)
    assert.deepEqual(((await demo.json('secret', 'get', fromFile))['Content types'] as Row).default, 'application/octet-stream')

    const later = await store()
    await demo.run('secret', 'update', later, 'now')
    assert.equal(await payload(later), 'now')
    assert.match(await demo.refused('secret', 'update', later, 'again'), /Secret already has data, cannot modify it/)
    assert.match(await demo.refused('secret', 'store', '--payload', 'x', '-t', 'image/png'), /payload_content_type is not one of/)
  })

  test('lists and deletion', async () => {
    const ref = await store('--payload', 'x', '-t', 'text/plain', '-b', '512', '-x', '2100-01-01T00:00:00')
    const listed = await demo.list('secret', 'list', '-b', '512', '-l', '5')
    assert.deepEqual(
      listed.map((row) => [row['Secret href'], row.Expiration]),
      [[ref, '2100-01-01T00:00:00+00:00']],
    )
    await demo.run('secret', 'delete', ref)
    assert.match(await demo.refused('secret', 'get', ref), /Secret not found/)
    assert.deepEqual(await demo.list('secret', 'list', '-b', '512'), [])
  })

  test('certificate, rsa and generic containers', async () => {
    const certificate = await store('--payload', 'certificate', '-t', 'text/plain')
    const key = await store('--payload', 'key', '-t', 'text/plain')
    // The client cannot print a container's times as JSON.
    const values = async (command: string[], ...columns: string[]): Promise<string[]> =>
      (await demo.run('secret', 'container', ...command, '-f', 'value', ...columns.flatMap((column) => ['-c', column]))).split('\n')
    const create = async (...options: string[]) => (await values(['create', ...options], 'Container href'))[0]!
    const ref = await create('-n', 'c1', '--type', 'certificate', '-s', `certificate=${certificate}`, '-s', `private_key=${key}`)
    assert.deepEqual(await values(['get', ref], 'Name', 'Type', 'Certificate', 'Private Key'), ['c1', 'certificate', certificate, key])
    await create('--type', 'rsa', '-s', `public_key=${certificate}`, '-s', `private_key=${key}`)
    await create('-s', `anything=${key}`)
    assert.deepEqual(await values(['list'], 'Type'), ['certificate', 'rsa', 'generic'])
    assert.deepEqual(await values(['list', '-t', 'certificate'], 'Container href'), [ref])
    await demo.run('secret', 'container', 'delete', ref)
    assert.match(await demo.refused('secret', 'container', 'get', ref), /Secrets container not found/)
  })

  test('who may read is said by acl commands', async () => {
    const ref = await store('--payload', 'shared', '-t', 'text/plain')
    const { user_id } = (await admin.json('token', 'issue')) as { user_id: string }
    assert.match(await admin.refused('secret', 'get', ref), /Secret retrieval attempt not allowed/)
    const acl = async () => (await demo.list('acl', 'get', ref))[0]!
    assert.deepEqual([(await acl())['Project Access'], (await acl()).Users], [true, []])
    await demo.run('acl', 'user', 'add', '-u', user_id, ref)
    assert.deepEqual([(await acl())['Project Access'], (await acl()).Users], [true, [user_id]])
    assert.equal((await admin.json('secret', 'get', ref, '--payload')).Payload, 'shared')
    await demo.run('acl', 'user', 'remove', '-u', user_id, ref)
    assert.match(await admin.refused('secret', 'get', ref), /Secret retrieval attempt not allowed/)
    await demo.run('acl', 'submit', '-u', user_id, '--no-project-access', ref)
    assert.deepEqual([(await acl())['Project Access'], (await acl()).Users], [false, [user_id]])
    await demo.run('acl', 'delete', ref)
    assert.equal((await acl())['Project Access'], true)
  })
})
