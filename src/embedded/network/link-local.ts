import { formatIp } from '../../lib/ip.ts'

/** The link-local address that the kernel makes of a MAC address (modified EUI-64, RFC 4291 appendix A). */
export function linkLocalOf(mac: string): string {
  const bytes = BigInt(`0x${mac.replaceAll(':', '')}`)
  const flipped = bytes ^ (2n << 40n) // the universal/local bit
  const interfaceId = ((flipped >> 24n) << 40n) | (0xfffen << 24n) | (flipped & 0xff_ffffn)
  return formatIp({ version: 6, value: (0xfe80n << 112n) | interfaceId })
}
