/**
 * Plays all amphorae, as a process of its own: our agents' packets, made before anything is sent, at a steady rate, each amphora in its turn.
 * On standard output `ready`, then how many were sent; it begins with a line on standard input.
 */
import { createHmac } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { deflateSync } from 'node:zlib'
import { heartbeatKeyOf } from '../../src/lib/heartbeat-key.ts'
import { HEARTBEAT_KEY, idsOf } from './fleet.ts'

const TICK_MS = 2
/** Making packets costs more than sending them; how well they are packed is no matter. */
const FAST = 1

const [port, amphorae, perSecond, seconds] = process.argv.slice(2).map(Number) as [number, number, number, number]
const to = `127.0.0.1:${port}`
const started = Date.now()
const keys = Array.from({ length: amphorae }, (_, number) => heartbeatKeyOf(idsOf(number).amphora, HEARTBEAT_KEY))

function packetOf(number: number, seq: number): Buffer {
  const { amphora, listener, pool, members } = idsOf(number)
  const stats = { tx: 1_000, rx: 100, conns: 1, totconns: 1, ereq: 0 }
  const message = {
    ...{ id: amphora, seq, ver: 3, to },
    listeners: { [listener]: { status: 'OPEN', stats } },
    pools: { [`${pool}:${listener}`]: { status: 'UP', members: Object.fromEntries(members.map((id) => [id, 'UP'])) } },
    member_stats: { [members[seq % members.length]!]: [100, 1_000, 1, 1, 0] },
  }
  const signed = Buffer.concat([Buffer.from(`${amphora}\n`), deflateSync(JSON.stringify(message), { level: FAST })])
  return Buffer.concat([signed, Buffer.from(createHmac('sha256', keys[number]!).update(signed).digest('hex'))])
}

const packets = Array.from({ length: Math.round(perSecond * seconds) }, (_, n) =>
  packetOf(n % amphorae, started + Math.floor(n / amphorae)),
)
const socket = createSocket('udp4')
socket.bind(0, '127.0.0.1')
await once(socket, 'listening')
socket.setSendBufferSize(4 * 1024 * 1024)
socket.connect(port, '127.0.0.1')
await once(socket, 'connect')
console.log('ready')
await once(process.stdin, 'data')
const began = performance.now()
let sent = 0
while (sent < packets.length) {
  const due = Math.min(packets.length, ((performance.now() - began) / 1_000) * perSecond)
  while (sent < due) socket.send(packets[sent++]!, () => {})
  await sleep(TICK_MS)
}
console.log(String(sent))
socket.close()
process.stdin.destroy()
