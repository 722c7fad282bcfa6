import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { FakeKeystone } from '../../../test/support/fake-keystone.ts'
import { loadConfig } from '../../config/config.ts'
import { systemClock } from '../../lib/clock.ts'
import { createLog } from '../../lib/log.ts'
import { NotFoundError } from '../errors.ts'
import { openStackSession } from '../openstack/session.ts'
import { GlanceImages } from './glance.ts'

test('Glance is asked for the newest active image with the tag and, where there is one, of the owner; several are told of', async () => {
  const asked: string[] = []
  let images: object[] = [{ id: 'newest' }, { id: 'older' }]
  const glance = createServer((request, response) => {
    asked.push(request.url!)
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ images }))
  })
  await new Promise<void>((resolve) => glance.listen(0, '127.0.0.1', resolve))
  const keystone = new FakeKeystone(Date.now)
  const url = `http://127.0.0.1:${(glance.address() as AddressInfo).port}`
  keystone.catalog = [{ type: 'image', name: 'glance', endpoints: [{ interface: 'public', url }] }]
  const service_auth = { auth_url: await keystone.start(), username: 'octavia', password: 'secret' }
  const warnings: unknown[] = []
  const imagesOf = (amp_image_owner_id: string) => {
    const config = loadConfig({ stateDirectory: '/nonexistent', overrides: { service_auth, controller_worker: { amp_image_owner_id } } })
    const session = openStackSession({ config, clock: systemClock, log: createLog('silent') })
    return { session, driver: new GlanceImages({ config, session, log: { warn: (about: object) => void warnings.push(about) } }) }
  }
  const [anybodys, ours] = [imagesOf(''), imagesOf('operators')]
  try {
    assert.equal(await anybodys.driver.findImage('amphora'), 'newest')
    assert.deepEqual(warnings, [{ tag: 'amphora', image_id: 'newest' }])
    images = [{ id: 'only' }]
    assert.equal(await ours.driver.findImage('a & b'), 'only')
    assert.deepEqual(asked, [
      '/v2/images?tag=amphora&status=active&sort=created_at%3Adesc&limit=2',
      '/v2/images?tag=a+%26+b&status=active&owner=operators&sort=created_at%3Adesc&limit=2',
    ])
    images = []
    await assert.rejects(ours.driver.findImage('old'), new NotFoundError('Image with tag', 'old'))
    assert.equal(warnings.length, 1)
  } finally {
    for (const { session } of [anybodys, ours]) session.close()
    await keystone.stop()
    await new Promise((resolve) => glance.close(resolve))
  }
})
