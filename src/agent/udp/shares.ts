/** Which member gets which part of the new connections: pure reckoning, the same on every amphora that is told the same. */
import type { Endpoint } from './lvs-file.ts'

export interface Candidate extends Endpoint {
  weight: number
}

/** More members than a quarter of these get four times as many. */
const FEWEST_BUCKETS = 256
const BUCKETS_PER_MEMBER = 4
/** Turns until the order begins anew; more would make the kernel's table large, and the weights hardly truer. */
const MOST_TURNS = 1024

export function keyOf({ address, port }: Endpoint): string {
  return `${address} ${port}`
}

/**
 * An order of turns in which each member comes as often as its weight says, and as evenly spread as it can be: two of weight 2 and 1 are A, B, A.
 * Those of weight 0 never come.
 */
export function turnsOf<C extends Candidate>(candidates: readonly C[]): C[] {
  const willing = candidates.filter(({ weight }) => weight > 0)
  if (willing.length === 0) return []
  const divisor = willing.reduce((divisor, { weight }) => commonDivisor(divisor, weight), 0)
  const sum = willing.reduce((sum, { weight }) => sum + weight / divisor, 0)
  const turns = sum <= MOST_TURNS ? sum : Math.max(MOST_TURNS, willing.length)
  const parts =
    sum <= MOST_TURNS
      ? willing.map(({ weight }) => weight / divisor)
      : partsOf(
          turns,
          willing.map(({ weight }) => weight),
        )
  // Who has waited longest for its part comes next.
  const credits = parts.map(() => 0)
  return Array.from({ length: turns }, () => {
    let next = 0
    for (const [index, part] of parts.entries()) {
      credits[index]! += part
      if (credits[index]! > credits[next]!) next = index
    }
    credits[next]! -= turns
    return willing[next]!
  })
}

/**
 * A member for each bucket of sources, as many as its weight says. Buckets stay with the member they were with as long as it is there and has
 * not too many; the rest go where a hash of bucket and member says.
 * `before`: the keys of the members that the buckets had.
 */
export function bucketsOf<C extends Candidate>(candidates: readonly C[], before: readonly string[]): C[] {
  const willing = candidates.filter(({ weight }) => weight > 0)
  if (willing.length === 0) return []
  const count = bucketCount(willing.length)
  const parts = partsOf(
    count,
    willing.map(({ weight }) => weight),
  )
  const left = new Map(willing.map((candidate, index) => [keyOf(candidate), { candidate, left: parts[index]! }]))
  const buckets: (C | undefined)[] = Array.from({ length: count }, (_, bucket) => {
    const kept = before.length === count ? left.get(before[bucket]!) : undefined
    if (kept === undefined || kept.left === 0) return undefined
    kept.left--
    return kept.candidate
  })
  return buckets.map((kept, bucket) => {
    if (kept !== undefined) return kept
    const open = [...left.values()].filter((each) => each.left > 0)
    const chosen = open.reduce((best, each) => (score(bucket, each.candidate) > score(bucket, best.candidate) ? each : best))
    chosen.left--
    return chosen.candidate
  })
}

/**
 * The same buckets while some members cannot take connections: theirs go to the others, each by a hash of its own, so no other bucket moves.
 * Empty when nobody is left.
 */
export function withoutAbsent<C extends Candidate>(buckets: readonly C[], present: readonly C[]): C[] {
  const willing = present.filter(({ weight }) => weight > 0)
  if (willing.length === 0) return []
  const here = new Set(willing.map(keyOf))
  const count = buckets.length || bucketCount(willing.length)
  return Array.from({ length: count }, (_, bucket) => {
    const own = buckets[bucket]
    if (own !== undefined && here.has(keyOf(own))) return own
    return willing.reduce((best, each) => (weightedScore(bucket, each) > weightedScore(bucket, best) ? each : best))
  })
}

/**
 * Weights by which the connections that are expected (`arrivals`) end where the fewest are, in proportion to the members' own weights: as
 * water fills vessels, the lowest first. `counts`: connections by member's key.
 */
export function fillingWeights<C extends Candidate>(candidates: readonly C[], counts: ReadonlyMap<string, number>, arrivals: number): C[] {
  const willing = candidates
    .filter(({ weight }) => weight > 0)
    .map((candidate) => ({ candidate, level: (counts.get(keyOf(candidate)) ?? 0) / candidate.weight }))
    .sort((a, b) => a.level - b.level)
  const water = Math.max(arrivals, willing.length)
  // The surface: as high as the water stands when it covers the lowest of the vessels.
  let surface = 0
  let width = 0
  let depth = 0
  for (const { candidate, level } of willing) {
    if (width > 0 && (water + depth) / width <= level) break
    width += candidate.weight
    depth += level * candidate.weight
    surface = (water + depth) / width
  }
  const most = FEWEST_BUCKETS
  return willing.map(({ candidate, level }) => ({
    ...candidate,
    weight: Math.round((Math.max(surface - level, 0) * candidate.weight * most) / water),
  }))
}

function bucketCount(members: number): number {
  let count = FEWEST_BUCKETS
  while (members * BUCKETS_PER_MEMBER > count) count *= 4
  return count
}

/** Whole parts in proportion to the weights that add up to the total; none gets nothing. */
function partsOf(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((sum, weight) => sum + weight, 0)
  const spare = total - weights.length
  const exact = weights.map((weight) => (weight / sum) * total)
  const parts = exact.map((share) => Math.max(Math.floor(share), 1))
  const order = exact.map((_, index) => index)
  for (let missing = total - parts.reduce((sum, part) => sum + part, 0); missing !== 0 && spare >= 0; ) {
    // Who is furthest from its due is corrected first, by one.
    const step = Math.sign(missing)
    const open = order.filter((index) => step > 0 || parts[index]! > 1)
    const worst = open.reduce((best, index) =>
      step * (exact[index]! - parts[index]!) > step * (exact[best]! - parts[best]!) ? index : best,
    )
    parts[worst]! += step
    missing -= step
  }
  return parts
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b)
}

/** Of 32 bits: FNV-1a over the member's name, mixed with the bucket (the last lines of MurmurHash3). */
function score(bucket: number, member: Endpoint): number {
  let hash = 0x811c9dc5
  for (const character of keyOf(member)) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193)
  hash ^= Math.imul(bucket + 1, 0x9e3779b1)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** Weighted rendezvous hashing: of two members with weights 2 and 1, the first wins two buckets of three. */
function weightedScore(bucket: number, member: Candidate): number {
  return -member.weight / Math.log((score(bucket, member) + 1) / (2 ** 32 + 1))
}
