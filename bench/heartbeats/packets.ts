/** What all amphorae send, made before anything is sent: our agents' packets, each amphora in its turn, into a file, each with its length before it. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { encodeHeartbeat, type Heartbeat } from '../../src/agent/heartbeat.ts'
import { heartbeatKeyOf } from '../../src/lib/heartbeat-key.ts'
import { HEARTBEAT_KEY, idsOf } from './fleet.ts'

/** In one write. */
const CHUNK = 1_000

/** `count` packets of so many amphorae, to the manager at that port. */
export function writePackets(path: string, { count, amphorae, port }: { count: number; amphorae: number; port: number }): void {
  const started = Date.now()
  const keys = Array.from({ length: amphorae }, (_, number) => heartbeatKeyOf(idsOf(number).amphora, HEARTBEAT_KEY))
  const file = openSync(path, 'w')
  for (let first = 0; first < count; first += CHUNK) {
    const packets = Array.from({ length: Math.min(CHUNK, count - first) }, (_, n) => {
      const number = (first + n) % amphorae
      return packetOf(number, { seq: started + Math.floor((first + n) / amphorae), key: keys[number]!, to: `127.0.0.1:${port}` })
    })
    writeSync(file, Buffer.concat(packets.flatMap((packet) => [lengthOf(packet), packet])))
  }
  closeSync(file)
}

function packetOf(number: number, { seq, key, to }: { seq: number; key: string; to: string }): Buffer {
  const { amphora, listener, pool, members } = idsOf(number)
  const stats = { tx: 1_000, rx: 100, conns: 1, totconns: 1, ereq: 0 }
  const heartbeat: Heartbeat = {
    ...{ id: amphora, seq, ver: 3, to },
    listeners: { [listener]: { status: 'OPEN', stats } },
    pools: { [`${pool}:${listener}`]: { status: 'UP', members: Object.fromEntries(members.map((id) => [id, 'UP'])) } },
    member_stats: { [members[seq % members.length]!]: [100, 1_000, 1, 1, 0] },
  }
  return encodeHeartbeat(heartbeat, { key, isOwn: true })
}

function lengthOf(packet: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(packet.length)
  return length
}
