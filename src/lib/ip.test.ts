import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cidrContains, formatIp, parseCidr, parseIp } from './ip.ts'

test('addresses are written in their canonical spelling', () => {
  for (const [given, canonical] of [
    ['10.0.0.1', '10.0.0.1'],
    ['2001:DB8:0:0:1::1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['::1', '::1'],
    ['fe80:0:0:0:0:0:0:1', 'fe80::1'],
    ['1:0:2:0:3:0:4:5', '1:0:2:0:3:0:4:5'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
  ] as const) {
    assert.equal(formatIp(parseIp(given)!), canonical)
  }
})

test('what is no address is null', () => {
  for (const text of ['', '1.2.3', '1.2.3.4.5', 'fe80::1%eth0', 'example.org', '1.2.3.4/24']) assert.equal(parseIp(text), null)
})

test('a range holds its addresses and no others', () => {
  const range = parseCidr('10.1.2.77/24')!
  assert.equal(formatIp({ version: 4, value: range.first }), '10.1.2.0')
  assert.ok(cidrContains(range, parseIp('10.1.2.255')!))
  assert.ok(!cidrContains(range, parseIp('10.1.3.0')!))
  assert.ok(!cidrContains(range, parseIp('::a01:24d')!))
  for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/x', '::/129', '10.0.0.0/8/8']) assert.equal(parseCidr(text), null)
})
