/**
 * Texts encrypted at rest with AES-256-GCM. Passphrases come as a list, newest first: the first one seals, any of them opens, so that
 * an operator can add a new one and drop the old one when nothing is sealed with it any more.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const VERSION = 'v1'
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_BYTES = 32
const KEY_ID_BYTES = 4

/** Key and the id under which it is found again; both derived, so neither tells the passphrase. */
function keyOf(passphrase: string): { id: string; key: Buffer } {
  const derived = Buffer.from(hkdfSync('sha256', passphrase, '', 'ottavia secret box v1', KEY_BYTES + KEY_ID_BYTES))
  return { key: derived.subarray(0, KEY_BYTES), id: derived.subarray(KEY_BYTES).toString('hex') }
}

/** `v1.<key id>.<nonce, ciphertext and tag>`. Throws when there is no passphrase. */
export function sealSecret(passphrases: readonly string[], text: string): string {
  const [newest] = passphrases
  if (newest === undefined) throw new Error('[certificates] server_certs_key_passphrase is not set')
  const { id, key } = keyOf(newest)
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return [VERSION, id, sealed.toString('base64url')].join('.')
}

/** Throws when none of the passphrases sealed it or it was changed since. */
export function openSecret(passphrases: readonly string[], sealed: string): string {
  const [version, id, body] = sealed.split('.')
  const key = passphrases.map(keyOf).find((candidate) => candidate.id === id)?.key
  if (version !== VERSION || body === undefined) throw new Error('not a sealed secret')
  if (key === undefined) throw new Error('sealed with a passphrase that [certificates] server_certs_key_passphrase does not have')
  const bytes = Buffer.from(body, 'base64url')
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8')
}
