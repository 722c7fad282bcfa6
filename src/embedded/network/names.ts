/**
 * What the links and tables of one state are called in the kernel: all of it begins with a hash of the state directory, so that several
 * states run side by side and everything is found again without the database.
 */
import { createHash } from 'node:crypto'

export interface NetworkNames {
  bridge(network_id: string): string
  /** The host's side of a port's veth pair. */
  port(port_id: string): string
  isBridge(link: string): boolean
  isPort(link: string): boolean
  /** A number for links that are to be deleted together, which costs the kernel as much as deleting one. */
  readonly doomedGroup: number
  /**
   * Of the blackholes under this state's ranges. All of the highest 2^24 metrics are as bad as the worst, and one that carries the state's
   * hash tells whose the route is, since routes have no names.
   */
  readonly blackholeMetric: number
  /** nft tables, one in family `inet` and one in `bridge`. */
  readonly table: string
}

export function networkNames(stateHash: string): NetworkNames {
  // The kernel allows 15 characters: two for the kind, six for the state, seven for the object (36 bits).
  const named = (kind: string, id: string) => `${kind}${stateHash}${shortOf(id)}`
  const isNamed = (kind: string, link: string) => link.length === 15 && link.startsWith(`${kind}${stateHash}`)
  return {
    bridge: (id) => named('ob', id),
    port: (id) => named('op', id),
    isBridge: (link) => isNamed('ob', link),
    isPort: (link) => isNamed('op', link),
    doomedGroup: 0x0700_0000 + Number.parseInt(stateHash, 16),
    blackholeMetric: 0xff00_0000 + Number.parseInt(stateHash, 16),
    table: `ottavia_${stateHash}`,
  }
}

function shortOf(id: string): string {
  const number = BigInt(`0x${createHash('sha256').update(id).digest('hex').slice(0, 16)}`)
  return number.toString(36).slice(-7).padStart(7, '0')
}

/** A bridge's own address: fixed, because a bridge without one takes a port's and changes it as ports come and go. */
export function bridgeMac(network_id: string): string {
  return `02:${octets(createHash('sha256').update(network_id).digest('hex').slice(0, 10))}`
}

export const octets = (hex: string): string => hex.match(/../g)!.join(':')
