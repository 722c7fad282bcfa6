import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pythonRepr, pythonText } from './python-text.ts'

test('values look as Python prints them', () => {
  assert.equal(pythonText("it's"), "it's")
  assert.equal(pythonRepr("it's"), '"it\'s"')
  assert.equal(pythonRepr('it\'s "so"'), "'it\\'s \"so\"'")
  assert.equal(pythonRepr('a\nb\\\u0001'), "'a\\nb\\\\\\x01'")
  assert.equal(pythonRepr({ a: [1, 'x', null, true, false, 1.5], b: {} }), "{'a': [1, 'x', None, True, False, 1.5], 'b': {}}")
})
