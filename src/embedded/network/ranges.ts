/** Which address ranges the first start takes: never one that this host already uses. */
import { randomBytes } from 'node:crypto'
import { ConfigError } from '../../config/config.ts'
import { type Cidr, formatIp, parseCidr, parseIp } from '../../lib/ip.ts'
import { cidrsOverlap, formatCidr } from './addresses.ts'
import { type AddressOfLink, type Route, readAddresses, readRoutes } from './kernel.ts'
import type { NetworkNames } from './names.ts'

/** Set aside for tests between networks (RFC 2544), so that hardly any site routes it. */
const POOL = parseCidr('198.18.0.0/15')!
const IPV4_PREFIX = 24
const IPV6_PREFIX = 64
/** A default route, or one of the halves that some VPNs set in its place, is no claim on a range. */
const DEFAULT_ROUTE_PREFIX = 1
const MAX_ULA_ATTEMPTS = 16

export interface WantedRanges {
  private_cidr: string | null
  private_ipv6_cidr: string | null
  management_cidr: string | null
}

export interface Ranges {
  private: string
  privateIpv6: string
  management: string
}

/** Throws ConfigError when a given range is none or is in use, or when no range is left. */
export async function chooseRanges(wanted: WantedRanges, used: UsedRange[]): Promise<Ranges> {
  const taken = [...used]
  const take = (name: keyof WantedRanges, version: 4 | 6, choose: () => Cidr): string => {
    const given = wanted[name]
    const cidr = given === null ? choose() : checkedRange(name, given, version)
    if (given !== null) refuseOverlap(`[embedded] ${name}`, cidr, taken)
    taken.push({ cidr, what: `[embedded] ${name}` })
    return formatCidr(cidr)
  }
  // What is given is taken first, so that a chosen range never stands in its way.
  const order = (['private_cidr', 'management_cidr'] as const).toSorted((a, b) => Number(wanted[b] !== null) - Number(wanted[a] !== null))
  const chosen = Object.fromEntries(order.map((name) => [name, take(name, 4, () => firstFree(taken))])) as Record<
    (typeof order)[number],
    string
  >
  const privateIpv6 = take('private_ipv6_cidr', 6, () => randomUla(taken))
  return { private: chosen.private_cidr, management: chosen.management_cidr, privateIpv6 }
}

export type UsedRange = { cidr: Cidr; what: string }

/** Addresses and routes of this host, but for those that this state has laid itself. */
export async function usedRanges(names: NetworkNames): Promise<UsedRange[]> {
  const [addresses, routes] = await Promise.all([readAddresses(), readRoutes()])
  return claimsOf(addresses, routes, names)
}

export function claimsOf(addresses: AddressOfLink[], routes: Route[], names: NetworkNames): UsedRange[] {
  const isOurs = (link: string) => names.isBridge(link) || names.isPort(link)
  const ofAddresses = addresses
    .filter(({ ifname }) => !isOurs(ifname))
    .flatMap(({ ifname, addr_info }) => addr_info.map((info) => ({ cidr: cidrOfAddress(info), what: `an address of ${ifname}` })))
  const ofRoutes = routes.flatMap(({ dst, dev, type, metric }) => {
    if ((dev !== undefined && isOurs(dev)) || (type === 'blackhole' && metric === names.blackholeMetric)) return []
    const ip = parseIp(dst)
    const cidr = ip === null ? parseCidr(dst) : parseCidr(`${dst}/${ip.version === 4 ? 32 : 128}`)
    if (cidr === null || cidr.prefix <= DEFAULT_ROUTE_PREFIX || type === 'multicast') return []
    return [{ cidr, what: `the route to ${dst}` }]
  })
  return [...ofAddresses, ...ofRoutes]
}

/** Throws ConfigError that names both sides. */
export function refuseOverlap(name: string, cidr: Cidr, used: UsedRange[]): void {
  const other = used.find((range) => cidrsOverlap(range.cidr, cidr))
  if (other !== undefined) throw new ConfigError(`${name}: ${formatCidr(cidr)} overlaps ${other.what} (${formatCidr(other.cidr)})`)
}

function checkedRange(name: string, text: string, version: 4 | 6): Cidr {
  const cidr = parseCidr(text)
  const longest = version === 4 ? 29 : 124
  if (cidr === null || cidr.version !== version) throw new ConfigError(`[embedded] ${name}: '${text}' is not an IPv${version} range`)
  if (cidr.prefix > longest) throw new ConfigError(`[embedded] ${name}: '${text}' is too small, give /${longest} or larger`)
  return cidr
}

function firstFree(used: UsedRange[]): Cidr {
  const size = 1n << BigInt(32 - IPV4_PREFIX)
  for (let first = POOL.first; first < POOL.last; first += size) {
    const cidr: Cidr = { version: 4, first, last: first + size - 1n, prefix: IPV4_PREFIX }
    if (!used.some((range) => cidrsOverlap(range.cidr, cidr))) return cidr
  }
  throw new ConfigError(`no /${IPV4_PREFIX} of ${formatCidr(POOL)} is free on this host: set [embedded] private_cidr and management_cidr`)
}

/** RFC 4193: fd, forty random bits, subnet 0. */
function randomUla(used: UsedRange[]): Cidr {
  for (let attempt = 0; attempt < MAX_ULA_ATTEMPTS; attempt++) {
    const value = (0xfdn << 120n) | (BigInt(`0x${randomBytes(5).toString('hex')}`) << 80n)
    const cidr = parseCidr(`${formatIp({ version: 6, value })}/${IPV6_PREFIX}`)!
    if (!used.some((range) => cidrsOverlap(range.cidr, cidr))) return cidr
  }
  throw new ConfigError('this host routes nearly all of fd00::/8: set [embedded] private_ipv6_cidr')
}

const cidrOfAddress = ({ local, prefixlen }: { local: string; prefixlen: number }): Cidr => parseCidr(`${local}/${prefixlen}`)!
