/** The driver over the wire: against the embedded secret store, which answers as Barbican does, and against one that fails. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { barbicanCases, openBarbican } from '../../../test/support/barbican-cases.ts'
import { embeddedServices } from '../../../test/support/embedded-services.ts'
import { FakeKeystone } from '../../../test/support/fake-keystone.ts'
import { KeystoneAdmin } from '../../../test/support/keystone-admin.ts'
import { ServiceError } from '../errors.ts'

const ID = '22222222-2222-4222-8222-222222222222'

barbicanCases('the embedded store over its API', async () => {
  const { urls, passwords, close } = await embeddedServices()
  const admin = new KeystoneAdmin(`${urls.identity}/v3`, passwords.admin)
  return { admin, url: urls.secrets, password: passwords.octavia, close }
})

describe('a Barbican that fails', () => {
  let keystone: FakeKeystone
  let service: Server
  let opened: ReturnType<typeof openBarbican>
  let asked: string[]
  let answers: (number | 'reset')[]

  beforeEach(async () => {
    asked = []
    answers = []
    service = createServer(answer)
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
    keystone = new FakeKeystone(Date.now)
    const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
    keystone.catalog = [{ type: 'key-manager', name: 'barbican', endpoints: [{ interface: 'public', url }] }]
    opened = openBarbican(await keystone.start(), 'secret')
  })
  afterEach(async () => {
    opened.session.close()
    await keystone.stop()
    service.closeAllConnections()
    await new Promise((resolve) => service.close(resolve))
  })

  /** With a body it answers every path; at first with what is planned. */
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for await (const _ of request);
    asked.push(`${request.method} ${request.url}`)
    const next = answers.shift() ?? 200
    if (next === 'reset') return void request.socket.destroy()
    response
      .writeHead(next, { 'content-type': 'application/octet-stream' })
      .end(next === 200 ? 'text' : '{"description":"Barbican is tired"}')
  }

  const asService = { project_id: 'project-1', service: true } as const

  test('what may pass is asked again, a few times; then it is its own words, and not "not found"', async () => {
    const { driver } = opened
    answers = [503]
    assert.equal(await driver.getSecret(ID, asService), 'text')
    assert.deepEqual(asked, [`GET /v1/secrets/${ID}/payload`, `GET /v1/secrets/${ID}/payload`])
    answers = [500, 500, 500, 500, 500, 500]
    await assert.rejects(
      driver.getSecret(ID, asService),
      (error) => error instanceof ServiceError && error.service === 'Barbican' && /Barbican is tired/.test(error.message),
    )
    assert.ok(asked.length < 8, asked.join('\n'))
    answers = Array(10).fill('reset')
    await assert.rejects(driver.getCertificate(ID, asService), ServiceError)
    answers = Array(10).fill(503)
    await assert.rejects(driver.addConsumer(ID, 'lb'), ServiceError)
  })

  test('a Barbican that keeps no list of consumers, or lets the service not write in it, is as good', async () => {
    const { driver } = opened
    for (const status of [403, 404, 405, 406]) {
      answers = [status, status]
      await driver.addConsumer(ID, 'lb')
      answers = [status, status]
      await driver.removeConsumer(ID, 'lb')
    }
    assert.deepEqual(asked.slice(0, 2), [`POST /v1/secrets/${ID}/consumers`, `POST /v1/containers/${ID}/consumers`])
  })

  test('that the service itself is refused is no answer about a secret', async () => {
    answers = Array(10).fill(401)
    await assert.rejects(opened.driver.getSecret(ID, asService), ServiceError)
  })
})
