/** Addresses and ranges of both families, as numbers to reckon with. Nothing here resolves names. */
import { isIPv4, isIPv6 } from 'node:net'

export type Ip = { version: 4 | 6; value: bigint }
export type Cidr = { version: 4 | 6; first: bigint; last: bigint; prefix: number }

const bits = { 4: 32, 6: 128 } as const

/** Null for what is no address (a zone such as `%eth0` counts as none). */
export function parseIp(text: string): Ip | null {
  if (isIPv4(text)) return { version: 4, value: BigInt(`0x${hexOfIpv4(text)}`) }
  if (!isIPv6(text) || text.includes('%')) return null
  const dotted = text.lastIndexOf('.') > 0 ? text.slice(text.lastIndexOf(':') + 1) : null
  const hex = dotted === null ? null : hexOfIpv4(dotted)
  const plain = hex === null ? text : `${text.slice(0, -dotted!.length)}${hex.slice(0, 4)}:${hex.slice(4)}`
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return { version: 6, value: BigInt(`0x${groups.map((group) => group.padStart(4, '0')).join('')}`) }
}

function hexOfIpv4(text: string): string {
  return text
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('')
}

/** The canonical spelling (RFC 5952 for IPv6). */
export function formatIp({ version, value }: Ip): string {
  if (version === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.')
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn))
  let best = { start: -1, length: 1 } // a single zero group is not shortened
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const hex = groups.map((group) => group.toString(16))
  if (best.start < 0) return hex.join(':')
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`
}

/** Null for what is no range. Host bits are dropped: `10.0.0.7/24` is 10.0.0.0/24. */
export function parseCidr(text: string): Cidr | null {
  const [address = '', length = ''] = text.split('/')
  const ip = parseIp(address)
  if (ip === null || text.split('/').length !== 2 || !/^\d{1,3}$/.test(length)) return null
  const prefix = Number(length)
  if (prefix > bits[ip.version]) return null
  const size = 1n << BigInt(bits[ip.version] - prefix)
  const first = (ip.value / size) * size
  return { version: ip.version, first, last: first + size - 1n, prefix }
}

export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  return cidr.version === ip.version && cidr.first <= ip.value && ip.value <= cidr.last
}
