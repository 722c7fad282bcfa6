import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SecretBox } from './secret-box.ts'

const box = (...passphrases: string[]) => new SecretBox('[section] option', passphrases)

test('what was sealed opens again, also after a newer passphrase was added', () => {
  const sealed = box('first').seal('a private key')
  assert.ok(!sealed.includes('private'))
  const later = box('second', 'first')
  assert.equal(later.open(sealed), 'a private key')
  assert.ok(!sealed.startsWith(later.newest))
  assert.ok(later.seal('a private key').startsWith(later.newest))
})

test('without its passphrase it stays closed, and the fault names the option', () => {
  assert.throws(() => box('second').open(box('first').seal('a private key')), /\[section\] option/)
  assert.throws(() => box(), /\[section\] option is not set/)
})

test('a changed box does not open, nor one that is put elsewhere', () => {
  const sealed = box('first').seal('a private key', 'row 1')
  const changed = `${sealed.slice(0, -2)}${sealed.endsWith('AA') ? 'BB' : 'AA'}`
  assert.throws(() => box('first').open(changed, 'row 1'))
  assert.throws(() => box('first').open(sealed, 'row 2'))
  assert.equal(box('first').open(sealed, 'row 1'), 'a private key')
})
