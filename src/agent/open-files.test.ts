import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mostConnections } from './open-files.ts'

const limits =
  'Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 20000                files\n'

test('a process that may not raise its limit of open files gives HAProxy as many connections as fit', () => {
  assert.equal(mostConnections(limits, 'CapEff:\t000001fffeffffff\n'), 7_800)
})

test('a process that may raise it leaves HAProxy to its configuration', () => {
  assert.equal(mostConnections(limits, 'CapEff:\t000001ffffffffff\n'), null)
  assert.equal(mostConnections('Max open files            unlimited            unlimited            files\n', 'CapEff:\t0\n'), null)
})
