import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSecret, sealSecret } from './secret-box.ts'

test('what was sealed opens again, also after a newer passphrase was added', () => {
  const sealed = sealSecret(['first'], 'a private key')
  assert.ok(!sealed.includes('private'))
  assert.equal(openSecret(['second', 'first'], sealed), 'a private key')
})

test('without its passphrase it stays closed, and the fault names the option', () => {
  assert.throws(() => openSecret(['second'], sealSecret(['first'], 'a private key')), /server_certs_key_passphrase/)
})

test('a changed box does not open', () => {
  const sealed = sealSecret(['first'], 'a private key')
  const changed = `${sealed.slice(0, -2)}${sealed.endsWith('AA') ? 'BB' : 'AA'}`
  assert.throws(() => openSecret(['first'], changed))
})
