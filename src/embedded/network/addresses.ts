/** Which addresses of a subnet may be given out, and which one is next. Pure; the caller holds the network's lock. */
import { randomBytes } from 'node:crypto'
import { type Cidr, cidrContains, formatIp, type Ip, parseCidr, parseIp } from '../../lib/ip.ts'
import { addressNotInSubnet, gatewayInPool, invalidPool, overlappingPools, poolOutOfBounds } from './errors.ts'
import { octets } from './names.ts'
import type { AllocationPool, SubnetRow } from './tables.ts'

/** Everything between the network's and the broadcast address but the gateway, as one or two pools. */
export function defaultPools(cidr: Cidr, gateway: Ip | null): AllocationPool[] {
  const [first, last] = usable(cidr)
  const pools: AllocationPool[] = []
  const add = (start: bigint, end: bigint) => {
    if (start <= end) pools.push({ start: format(cidr, start), end: format(cidr, end) })
  }
  if (gateway === null || gateway.value < first || gateway.value > last) add(first, last)
  else {
    add(first, gateway.value - 1n)
    add(gateway.value + 1n, last)
  }
  return pools
}

/** Throws what Neutron throws on pools that leave the range, overlap, or hold the gateway. */
export function checkPools(pools: AllocationPool[], cidr: Cidr, gateway: Ip | null): void {
  const ranges = pools.map((pool) => {
    const start = parseIp(pool.start)
    const end = parseIp(pool.end)
    if (start === null || end === null || start.version !== cidr.version || end.version !== cidr.version || end.value < start.value) {
      throw invalidPool(pool)
    }
    const [first, last] = usable(cidr)
    if (start.value < first || end.value > last) throw poolOutOfBounds(pool, formatCidr(cidr))
    if (gateway !== null && start.value <= gateway.value && gateway.value <= end.value) throw gatewayInPool(formatIp(gateway), pool)
    return { start: start.value, end: end.value }
  })
  ranges.sort((a, b) => (a.start < b.start ? -1 : 1))
  for (const [i, range] of ranges.entries()) {
    const next = ranges[i + 1]
    if (next !== undefined && next.start <= range.end) throw overlappingPools(formatCidr(cidr))
  }
}

/** The canonical spelling of an address that may be asked for in this subnet; throws if it lies outside or cannot be a host's. */
export function checkAddress(text: string, subnet: Pick<SubnetRow, 'cidr'>): string {
  const cidr = parseCidr(subnet.cidr)!
  const ip = parseIp(text)
  if (ip === null || !cidrContains(cidr, ip)) throw addressNotInSubnet(text)
  const [first, last] = usable(cidr)
  if (ip.value < first || ip.value > last) throw addressNotInSubnet(text)
  return formatIp(ip)
}

/**
 * An address that nobody has, or null. Found from a random place on, so that an address just given back is rarely given out again while
 * neighbours still remember its last owner's MAC address.
 */
export function chooseAddress(subnet: Pick<SubnetRow, 'ip_version' | 'allocation_pools'>, used: ReadonlySet<string>): string | null {
  const pools = poolsOf(subnet)
  const total = sizeOf(pools)
  if (total === 0n) return null
  const offset = BigInt(`0x${randomBytes(16).toString('hex')}`) % total
  // Each step that finds nothing has met a used address, so there are at most as many steps as used addresses, plus one.
  for (let step = 0n; step < total && step <= BigInt(used.size); step++) {
    const address = formatIp({ version: subnet.ip_version, value: nth(pools, (offset + step) % total) })
    if (!used.has(address)) return address
  }
  return null
}

/** How many addresses can still be given out without being asked for. */
export function countFree(subnet: Pick<SubnetRow, 'ip_version' | 'allocation_pools'>, used: ReadonlySet<string>): number {
  const pools = poolsOf(subnet)
  let taken = 0n
  for (const text of used) {
    const { value } = parseIp(text)!
    if (pools.some(({ start, end }) => start <= value && value <= end)) taken++
  }
  const free = sizeOf(pools) - taken
  return free > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(free)
}

/** The prefix OpenStack's deployments use, and three random octets. */
export const randomMac = (): string => `fa:16:3e:${octets(randomBytes(3).toString('hex'))}`

export const formatCidr = (cidr: Cidr): string => `${format(cidr, cidr.first)}/${cidr.prefix}`

export const cidrsOverlap = (a: Cidr, b: Cidr): boolean => a.version === b.version && a.first <= b.last && b.first <= a.last

/** The first and last address a host may have. IPv6 has no broadcast address; /31, /32, /127 and /128 have neither (RFC 3021, RFC 6164). */
function usable({ version, first, last, prefix }: Cidr): [bigint, bigint] {
  if (prefix >= (version === 4 ? 31 : 127)) return [first, last]
  return [first + 1n, version === 4 ? last - 1n : last]
}

type Range = { start: bigint; end: bigint }

function poolsOf(subnet: Pick<SubnetRow, 'allocation_pools'>): Range[] {
  return subnet.allocation_pools.map((pool) => ({ start: parseIp(pool.start)!.value, end: parseIp(pool.end)!.value }))
}

const sizeOf = (pools: Range[]) => pools.reduce((sum, { start, end }) => sum + end - start + 1n, 0n)

function nth(pools: Range[], index: bigint): bigint {
  let rest = index
  for (const { start, end } of pools) {
    const size = end - start + 1n
    if (rest < size) return start + rest
    rest -= size
  }
  throw new RangeError('beyond the last address')
}

const format = ({ version }: Cidr, value: bigint) => formatIp({ version, value })
