import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { StatRow } from './haproxy-socket.ts'
import { Counters } from './heartbeat.ts'
import { MemberCounters } from './member-counters.ts'

const directory = mkdtempSync(join(tmpdir(), 'member-counters-'))
after(() => rmSync(directory, { recursive: true }))
let files = 0

function some() {
  const counters = new Counters(join(directory, String(++files)))
  return { counters, members: new MemberCounters(counters) }
}

function row(proxy: string, server: string, total: number, current = 0): StatRow {
  const counts = { totalSessions: total, bytesIn: 10 * total, bytesOut: 100 * total, requestErrors: 0, currentSessions: current }
  return { proxy, server, status: 'UP', weight: 1, ...counts }
}

/** What a heartbeat would say, which is then sent. */
function told(members: MemberCounters, rows: StatRow[], limit = 100) {
  members.add(rows)
  const stats = members.waiting(limit)
  members.sent(stats)
  return stats
}

test('a member is told when there is something new, and at first', () => {
  const { members } = some()
  assert.deepEqual(told(members, [row('p:l', 'm1', 2, 1), row('p:l', 'm2', 0), row('p:l', 'BACKEND', 2), row('l', 'FRONTEND', 2)]), {
    m1: [20, 200, 1, 2, 0],
    m2: [0, 0, 0, 0, 0],
  })
  assert.deepEqual(told(members, [row('p:l', 'm1', 2, 1), row('p:l', 'm2', 0)]), {})
  assert.deepEqual(told(members, [row('p:l', 'm1', 3, 0), row('p:l', 'm2', 0)]), { m1: [10, 100, 0, 1, 0] })
})

test('a member of two listeners is told once, with the sum', () => {
  const { members } = some()
  assert.deepEqual(told(members, [row('p:l1', 'm1', 2, 1), row('p:l2', 'm1', 3, 1)]), { m1: [50, 500, 2, 5, 0] })
  assert.deepEqual(told(members, [row('p:l1', 'm1', 2, 0), row('p:l2', 'm1', 4, 1)]), { m1: [10, 100, 1, 1, 0] })
})

test('who has no room in a heartbeat is told later, with what grew meanwhile, and nobody waits for ever', () => {
  const { members } = some()
  const rows = (total: number) => Array.from({ length: 10 }, (_, i) => row('p:l', `m${i}`, total))
  const sums = new Map<string, number>()
  for (let total = 1; total <= 20; total++) {
    const stats = told(members, rows(total), 3)
    assert.equal(Object.keys(stats).length, 3)
    for (const [id, [, , , connections]] of Object.entries(stats)) sums.set(id, (sums.get(id) ?? 0) + connections)
  }
  for (const [id, [, , , connections]] of Object.entries(told(members, rows(20)))) sums.set(id, (sums.get(id) ?? 0) + connections)
  assert.deepEqual([...sums.values()], Array(10).fill(20))
})

test('counters go on over a reload and a restart of the agent', () => {
  const { counters, members } = some()
  told(members, [row('p:l', 'm1', 5)])
  counters.keep([row('p:l', 'm1', 7)])
  counters.startOver(new Set())
  assert.deepEqual(told(members, [row('p:l', 'm1', 1)]), { m1: [30, 300, 0, 3, 0] })
  counters.save()
  const later = new MemberCounters(new Counters(join(directory, String(files))))
  assert.deepEqual(told(later, [row('p:l', 'm1', 4)]), { m1: [30, 300, 0, 3, 0] })
})

test('counters of members that come and go are forgotten at last', () => {
  const { counters, members } = some()
  for (let i = 0; i < 3_000; i++) {
    told(members, [row('p:l', `m${i}`, 1)])
    counters.forgetUnseen([row('p:l', `m${i}`, 1)])
  }
  counters.save()
  const kept = Object.keys(JSON.parse(readFileSync(join(directory, String(files)), 'utf8')))
  assert.ok(kept.length < 1_100, `${kept.length} are kept`)
  assert.ok(kept.includes('p:l/m2999'))
})
