import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bucketsOf, type Candidate, fillingWeights, keyOf, turnsOf, withoutAbsent } from './shares.ts'

const RUNS = Number(process.env.OTTAVIA_PROPERTY_RUNS ?? 100)

const of = (...weights: number[]): Candidate[] => weights.map((weight, i) => ({ address: `10.0.0.${i + 1}`, port: 53, weight }))
const names = (list: readonly Candidate[]) => list.map(({ address }) => address.split('.')[3]).join('')
function tally(list: readonly Candidate[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const member of list) counts[keyOf(member)] = (counts[keyOf(member)] ?? 0) + 1
  return counts
}
const someMembers = fc.array(fc.integer({ min: 0, max: 256 }), { maxLength: 40 }).map((weights) => of(...weights))

test('turns come as often as weights say, evenly spread', () => {
  assert.equal(names(turnsOf(of(1, 1, 1))), '123')
  assert.equal(names(turnsOf(of(2, 1))), '121')
  assert.equal(names(turnsOf(of(4, 2, 2))), '1231')
  assert.equal(names(turnsOf(of(5, 0, 1))), '111311')
  assert.deepEqual(turnsOf(of(0, 0)), [])
  fc.assert(
    fc.property(someMembers, (members) => {
      const turns = turnsOf(members)
      const counts = tally(turns)
      const sum = members.reduce((sum, { weight }) => sum + weight, 0)
      for (const member of members) {
        const due = sum === 0 ? 0 : (member.weight / sum) * turns.length
        assert.ok(Math.abs((counts[keyOf(member)] ?? 0) - due) <= 1.5, `${keyOf(member)}: ${counts[keyOf(member)]} of ${due}`)
      }
    }),
    { numRuns: RUNS },
  )
})

test('buckets are shared by weight, to the last', () => {
  assert.deepEqual(Object.values(tally(bucketsOf(of(1, 1, 2), []))).sort(), [128, 64, 64])
  assert.equal(bucketsOf(of(...Array<number>(100).fill(1)), []).length, 1024)
  assert.equal(Object.keys(tally(bucketsOf(of(256, 256, 1), []))).length, 3, 'a small weight is not none')
})

test('who comes or goes moves only the buckets it takes or leaves', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 20 }), fc.nat(), (count, which) => {
      const all = of(...Array<number>(count).fill(1))
      const gone = all[which % count]!
      const before = bucketsOf(all, [])
      const after = bucketsOf(
        all.filter((member) => member !== gone),
        before.map(keyOf),
      )
      for (const [i, member] of before.entries()) if (member !== gone) assert.equal(after[i], member)
      const back = bucketsOf(all, after.map(keyOf))
      for (const [i, member] of back.entries()) if (member !== gone) assert.equal(after[i], member)
    }),
    { numRuns: RUNS },
  )
})

test('who is away for a while gets exactly its own buckets back, whoever else was away meanwhile', () => {
  const all = of(1, 2, 3, 4)
  const [first, second] = all as [Candidate, Candidate]
  const buckets = bucketsOf(all, [])
  const withoutFirst = withoutAbsent(buckets, all.slice(1))
  for (const [i, member] of buckets.entries()) if (member !== first) assert.equal(withoutFirst[i], member)
  assert.ok(!withoutFirst.includes(first))
  const withoutBoth = withoutAbsent(buckets, all.slice(2))
  for (const [i, member] of withoutFirst.entries()) if (member !== second) assert.equal(withoutBoth[i], member)
  assert.deepEqual(withoutAbsent(buckets, all), buckets)
  assert.deepEqual(withoutAbsent(buckets, []), [])
})

test('the fewest are filled first, then all as their weights say', () => {
  const weights = (members: Candidate[], counts: number[], arrivals: number) => {
    const byKey = new Map(members.map((member, i) => [keyOf(member), counts[i]!]))
    return fillingWeights(members, byKey, arrivals)
      .toSorted((a, b) => (a.address < b.address ? -1 : 1))
      .map(({ weight }) => weight)
  }
  assert.deepEqual(weights(of(1, 1), [20, 0], 5), [0, 256])
  assert.deepEqual(weights(of(1, 1), [7, 7], 100), [128, 128])
  assert.deepEqual(weights(of(3, 1), [0, 0], 8), [192, 64])
  assert.deepEqual(weights(of(1, 1), [0, 10], 30), [171, 85], '20 and 10 make both 20')
  assert.deepEqual(weights(of(1, 0), [9, 0], 1), [256], 'who drains gets nothing')
})
