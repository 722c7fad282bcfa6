import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, test } from 'node:test'
import { eventually } from '../../test/support/eventually.ts'
import { type SyslogOptions, SyslogSender } from './syslog-sender.ts'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

interface Receiver {
  port: number
  lines: string[]
  /** Ends the server and all connections to it. */
  die(): Promise<void>
}

async function receiver(port = 0): Promise<Receiver> {
  const lines: string[] = []
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    let text = ''
    socket.on('data', (data) => {
      text += data
      const complete = text.split('\n')
      text = complete.pop()!
      lines.push(...complete)
    })
    socket.on('error', () => {})
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const die = async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    if (server.listening) await once(server, 'close')
  }
  ends.push(() => void die())
  return { port: (server.address() as AddressInfo).port, lines, die }
}

function sender(ports: number[], options: Partial<SyslogOptions> = {}) {
  const reports: string[] = []
  const targets = ports.map((port) => ({ host: '127.0.0.1', port }))
  const made = new SyslogSender(
    { targets, protocol: 'TCP', retryCount: 5, retryIntervalMs: 30, queueSize: 1_000, ...options },
    (text) => void reports.push(text),
  )
  ends.push(() => made.stop())
  return { send: (...lines: string[]) => made.send(lines), dropped: () => made.dropped, reports }
}

test('all lines arrive over TCP, in their order, each ended by a newline', async () => {
  const { port, lines } = await receiver()
  const { send } = sender([port])
  const sent = Array.from({ length: 900 }, (_, i) => `line ${i}`)
  for (const line of sent) send(line)
  await eventually(() => lines.length === sent.length)
  assert.deepEqual(lines, sent)
})

test('the second target stands in for the first until that is back', async () => {
  const [first, second] = [await receiver(), await receiver()]
  const { send, reports } = sender([first.port, second.port])
  send('to the first')
  await eventually(() => first.lines.length === 1)
  await first.die()
  await eventually(() => {
    send('probe')
    return second.lines.length > 0
  })
  assert.match(reports[0]!, /cannot be sent to 127\.0\.0\.1/)
  const back = await receiver(first.port)
  await eventually(() => {
    send('probe')
    return back.lines.length > 0
  })
  assert.equal(reports.length, 2, 'one loss and one return are told once each')
})

test('what no receiver takes waits, the oldest lines go first, and how many is told', async () => {
  const { port, die } = await receiver()
  await die()
  const { send, reports } = sender([port], { queueSize: 3, retryCount: -1 })
  for (let i = 0; i < 10; i++) send(`line ${i}`)
  await eventually(() => reports.length > 0)
  const { lines } = await receiver(port)
  await eventually(() => lines.length === 3)
  assert.deepEqual(lines, ['line 7', 'line 8', 'line 9'])
  assert.match(reports.at(-1)!, /again; 7 lines have been dropped/)
})

test('after the configured attempts what waits is dropped', async () => {
  const { port, die } = await receiver()
  await die()
  const { send, dropped } = sender([port], { retryCount: 1, retryIntervalMs: 20 })
  send('too early')
  await eventually(() => dropped() === 1)
  const { lines } = await receiver(port)
  await eventually(() => {
    send('in time')
    return lines.length > 0
  })
  assert.ok(!lines.includes('too early'))
})

test('over UDP each line is a datagram', async () => {
  const socket = createSocket('udp4')
  const got: string[] = []
  socket.on('message', (data) => void got.push(data.toString()))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  ends.push(() => socket.close())
  const { send } = sender([socket.address().port], { protocol: 'UDP' })
  const sent = Array.from({ length: 100 }, (_, i) => `line ${i}`)
  send(...sent)
  await eventually(() => got.length === sent.length)
  assert.deepEqual(got.sort(), sent.sort())
})
