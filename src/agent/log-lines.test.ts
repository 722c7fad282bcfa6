import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isTraffic, LineReader, parseLogLine, syslogMessage } from './log-lines.ts'

const traffic = '<134>1 2026-11-06T02:49:30.885508+00:00 - haproxy 19 - - demo lb f1 127.0.0.1 35382 "GET / HTTP/1.1" 200'
const down = '<129>1 2026-11-26T02:49:34.096180+00:00 - haproxy 66 - - Server b/m1 is DOWN.'

test("HAProxy's lines are forwarded as rsyslog does by default, in the facility that is configured", () => {
  const [line, worse] = [parseLogLine(traffic)!, parseLogLine(down)!]
  const sent = { hostname: 'amphora-1', program: 'haproxy' }
  assert.equal(
    syslogMessage(line, { facility: 0, ...sent }),
    '<134>Nov  6 02:49:30 amphora-1 haproxy[19]: demo lb f1 127.0.0.1 35382 "GET / HTTP/1.1" 200',
  )
  assert.equal(syslogMessage(worse, { facility: 3, ...sent }), '<153>Nov 26 02:49:34 amphora-1 haproxy[66]: Server b/m1 is DOWN.')
})

test('requests are about traffic, what is worse than information is for operators', () => {
  assert.ok(isTraffic(parseLogLine(traffic)!))
  assert.ok(!isTraffic(parseLogLine(down)!))
})

test('the rest of a line is none', () => {
  for (const text of ['', traffic.slice(5), 'nonsense', '<134>1 too short']) assert.equal(parseLogLine(text), null, text)
})

test('pieces cut anywhere are put together, but for a line of which the beginning is missing', () => {
  const text = 'first\nsecond\n\nthird\nfo'
  for (let size = 1; size <= text.length; size++) {
    for (const cut of [false, true]) {
      const reader = new LineReader(cut)
      const lines: string[] = []
      for (let from = 0; from < text.length; from += size) lines.push(...reader.push(text.slice(from, from + size)))
      assert.deepEqual(lines, [...(cut ? [] : ['first']), 'second', '', 'third'])
    }
  }
})
