import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'
import { after, test } from 'node:test'
import type { Check } from './lvs-file.ts'
import { probe } from './probes.ts'

/** The port of a TCP server that does this with each connection. */
async function serverThat(does: (socket: Socket) => void): Promise<number> {
  const server = createServer(does)
  await new Promise<void>((listens) => server.listen(0, '127.0.0.1', listens))
  after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

const at = (port: number) => ({ address: '127.0.0.1', port, timeoutMs: 300 })
const http = (port: number, codes: [number, number][] = [[200, 204]]): Check => ({
  kind: 'http',
  ...at(port),
  method: 'GET',
  path: '/well',
  version: '1.1',
  host: 'www.example.com',
  codes,
})

test('HTTP checks ask as they were told and look at the status alone', async () => {
  let request = ''
  const port = await serverThat((socket) => {
    socket.on('data', (data) => {
      request = data.toString()
      socket.write('HTTP/1.1 20')
      socket.write('4 No Content\r\n')
    })
  })
  assert.equal(await probe(http(port)), null)
  assert.match(request, /^GET \/well HTTP\/1\.1\r\nHost: www\.example\.com\r\n/)
  assert.match((await probe(http(port, [[301, 301]])))!, /204/)
})

test('whoever does not speak HTTP, says too much, says nothing or hangs up is not well', async () => {
  const answering = (text: string) => serverThat((socket) => void socket.on('error', () => {}).on('data', () => socket.write(text)))
  assert.match((await probe(http(await answering('220 mail\r\n'))))!, /220 mail/)
  assert.match((await probe(http(await answering('x'.repeat(10_000)))))!, /not HTTP/)
  assert.match((await probe(http(await answering(''))))!, /no answer within 300 ms/)
  assert.match((await probe(http(await serverThat((socket) => socket.end()))))!, /closed/)
})

test('TCP checks are content with a connection, UDP checks with silence; a refusal is what is wrong', async () => {
  const port = await serverThat((socket) => socket.on('error', () => {}))
  assert.equal(await probe({ kind: 'tcp', ...at(port) }), null)
  const silent = createSocket('udp4')
  await new Promise<void>((bound) => silent.bind(0, '127.0.0.1', bound))
  assert.equal(await probe({ kind: 'udp', ...at(silent.address().port) }), null)
  const { port: free } = silent.address()
  await new Promise<void>((closed) => silent.close(closed))
  assert.match((await probe({ kind: 'udp', ...at(free) }))!, /ECONNREFUSED/)
  assert.match((await probe({ kind: 'tcp', ...at(free) }))!, /ECONNREFUSED/)
})
