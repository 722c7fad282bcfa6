/** Heartbeats as agents write them, by the protocol's own words and not by our agent's code. */
import { createHmac } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import type { Heartbeat } from '../../src/health-manager/packet.ts'
import { heartbeatKeyOf } from '../../src/lib/heartbeat-key.ts'

/** A packet of upstream's agents: `hex` as they sign since Train, `raw` as before. */
export function upstreamPacket(message: unknown, key: string, signature: 'hex' | 'raw' = 'hex'): Buffer {
  return sign(deflateSync(JSON.stringify(message), { level: 9 }), key, signature)
}

type OwnMessage = { id: string; seq?: number; to?: string }

/** A short packet of our agents: `key` is the controller's, from which the amphora's own is derived. */
export function ownPacket(message: OwnMessage, key: string, named = message.id): Buffer {
  return sign(Buffer.from(`${named}\n${JSON.stringify(message)}`), heartbeatKeyOf(named, key), 'hex')
}

/** A long one. */
export function ownCompressedPacket(message: OwnMessage, key: string): Buffer {
  return sign(Buffer.concat([Buffer.from(`${message.id}\n`), deflateSync(JSON.stringify(message))]), heartbeatKeyOf(message.id, key), 'hex')
}

export function sign(signed: Buffer, key: string, signature: 'hex' | 'raw'): Buffer {
  const digest = createHmac('sha256', key).update(signed).digest()
  return Buffer.concat([signed, signature === 'hex' ? Buffer.from(digest.toString('hex')) : digest])
}

/** As read from a packet. */
export function aHeartbeat(given: Partial<Heartbeat> = {}): Heartbeat {
  return { amphora_id: 'a0', seq: 1, controller: null, deltas: true, listeners: new Map(), pools: [], members: new Map(), ...given }
}
