import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { eventually } from '../../../test/support/eventually.ts'
import type { MonitoredCheck } from './lvs-file.ts'
import { MemberChecks } from './member-checks.ts'
import type { Verdict } from './prober.ts'

const monitor: MonitoredCheck = {
  check: { kind: 'tcp', address: '10.0.0.1', port: 53, timeoutMs: 100 },
  delayMs: 1,
  fall: 2,
  rise: 3,
}

/** Checks whose verdicts a test gives, one after the other; the last is repeated. */
function checksWith(verdicts: Verdict[]) {
  const seen = { changes: [] as { member: string; why: string | null; after: number }[], asked: 0, idle: 0 }
  const checks = new MemberChecks({
    check: async () => verdicts[Math.min(seen.asked++, verdicts.length - 1)]!,
    onChange: (_, member, why) => seen.changes.push({ member, why, after: seen.asked }),
    onIdle: () => seen.idle++,
  })
  after(() => checks.stop())
  return { checks, seen }
}

const bad: Verdict = { failure: 'refused' }

test('a member falls and rises after so many checks in a row', async () => {
  const { checks, seen } = checksWith([bad, 'well', bad, bad, 'well', bad, 'well', 'well', 'unknown', 'well', 'well'])
  checks.watch('listener', new Map([['m', monitor]]), new Set())
  assert.equal(checks.isUp('listener', 'm'), true)
  await eventually(() => seen.changes.length === 2)
  assert.deepEqual(seen.changes, [
    { member: 'm', why: 'refused', after: 4 },
    // Of three good ones in a row, with one between them that nobody could do.
    { member: 'm', why: null, after: 10 },
  ])
})

test('what is known stays when a configuration is given again, and is let go with the member', async () => {
  const { checks, seen } = checksWith([bad])
  const members = new Map([['m', monitor]])
  checks.watch('listener', members, new Set())
  await eventually(() => seen.changes.length === 1)
  checks.watch('listener', members, new Set())
  assert.equal(checks.isUp('listener', 'm'), false)
  checks.watch('listener', new Map([['m', { ...monitor, rise: 1 }]]), new Set())
  assert.equal(checks.isUp('listener', 'm'), false, 'another monitor makes nobody well')
  checks.unwatch('listener')
  assert.equal(checks.isUp('listener', 'm'), true)
  assert.equal(seen.idle, 1)
  checks.watch('listener', members, new Set(['m']))
  assert.equal(checks.isUp('listener', 'm'), false, 'as an earlier agent knew')
})
