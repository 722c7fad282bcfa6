import { invalidOption } from '../../api/faults.ts'
import type { Config } from '../../config/config.ts'
import { type Ip, parseIp } from '../../lib/ip.ts'

/** Refuses `[networking] reserved_ips`, such as the metadata service's address, however they are spelt. */
export function checkAddressNotReserved(address: string, { networking }: Config): void {
  const ip = embeddedIpv4(parseIp(address))
  if (ip === null) return
  const reserved = networking.reserved_ips.some((text) => {
    const other = parseIp(text)
    return other?.version === ip.version && other.value === ip.value
  })
  if (reserved) throw invalidOption(exploded(address), 'member address')
}

/** `::ffff:169.254.169.254` reaches the same host as `169.254.169.254`. */
function embeddedIpv4(ip: Ip | null): Ip | null {
  const mapped = ip?.version === 6 && ip.value >> 32n === 0xffffn
  return mapped ? { version: 4, value: ip.value & 0xffffffffn } : ip
}

/** As upstream shows a reserved address: every group of an IPv6 address with four digits, in capitals. */
function exploded(address: string): string {
  const ip = parseIp(address)
  if (ip?.version !== 6) return address
  const digits = ip.value.toString(16).toUpperCase().padStart(32, '0')
  return digits.match(/.{4}/g)!.join(':')
}
