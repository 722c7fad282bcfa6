import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { createRouter, frameworkError, HttpError, MAX_BODY_BYTES } from './router.ts'

describe("the agent's router", () => {
  let server: Server
  let base: string
  const errors: string[] = []
  before(async () => {
    const router = createRouter(
      {
        'GET /': () => ({ status: 200, body: { root: true } }),
        'PUT /1.0/things/:id/file': ({ params, body }) => ({ status: 202, body: { ...params, length: body.length }, etag: 'abc' }),
        'GET /1.0/things/:id/file': () => ({ status: 200, body: 'as it is\n' }),
        'GET /1.0/refused': () => {
          throw new HttpError(409, { message: 'no' })
        },
        'GET /1.0/broken': () => {
          throw new Error('a defect')
        },
      },
      {
        admit: ({ headers }) => {
          if (headers['x-stranger']) throw frameworkError(400, 'a stranger')
        },
        onError: (_, error) => errors.push(error.message),
      },
    )
    server = createServer((request, response) => void router.handle(request, response))
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => server.close())

  const ask = async (method: string, path: string, options: RequestInit = {}) => {
    const response = await fetch(`${base}${path}`, { method, ...options })
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      etag: response.headers.get('etag'),
      text: await response.text(),
    }
  }

  test('finds a handler, its variables and its body', async () => {
    const { status, etag, text } = await ask('PUT', '/1.0/things/a-1/file', { body: 'four' })
    assert.deepEqual([status, etag, JSON.parse(text)], [202, 'abc', { id: 'a-1', length: 4 }])
    assert.deepEqual(await ask('GET', '/1.0/things/a-1/file'), {
      status: 200,
      type: 'text/plain; charset=UTF-8',
      etag: null,
      text: 'as it is\n',
    })
  })

  test("takes several slashes for one, as Octavia's driver asks for the version", async () => {
    assert.deepEqual(JSON.parse((await ask('GET', '//')).text), { root: true })
  })

  test('answers what it does not know in JSON', async () => {
    for (const path of ['/nothing', '/1.0/things/a%2Fb/file', '/1.0/things/%2e%2e/file', '/1x0/refused']) {
      const { status, type, text } = await ask('GET', path)
      assert.deepEqual([status, type, JSON.parse(text).http_code], [404, 'application/json', 404], path)
    }
    const { status, text } = await ask('DELETE', '/')
    assert.deepEqual(
      [status, JSON.parse(text)],
      [405, { error: '405 Method Not Allowed: The method is not allowed for the requested URL.', http_code: 405 }],
    )
  })

  test('answers refusals as handlers word them, and tells of defects', async () => {
    assert.deepEqual(JSON.parse((await ask('GET', '/1.0/refused')).text), { message: 'no' })
    const { status, text } = await ask('GET', '/1.0/broken')
    assert.deepEqual([status, JSON.parse(text).http_code], [500, 500])
    assert.deepEqual(errors, ['a defect'])
  })

  test('refuses whom it does not admit, and bodies without end', async () => {
    assert.equal((await ask('GET', '/', { headers: { 'x-stranger': '1' } })).status, 400)
    assert.equal((await ask('PUT', '/1.0/things/a/file', { body: 'x'.repeat(MAX_BODY_BYTES) })).status, 202)
    assert.equal((await ask('PUT', '/1.0/things/a/file', { body: 'x'.repeat(MAX_BODY_BYTES + 1) })).status, 413)
  })
})
