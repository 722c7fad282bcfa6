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

export class SecretBox {
  readonly #option: string
  readonly #keys: { id: string; key: Buffer }[]

  /** `option` is where the operator sets the passphrases, for messages. Throws when there are none. */
  constructor(option: string, passphrases: readonly string[]) {
    if (passphrases.length === 0) throw new Error(`${option} is not set`)
    this.#option = option
    this.#keys = passphrases.map(keyOf)
  }

  /** What begins so is sealed with the newest passphrase. */
  get newest(): string {
    return `${VERSION}.${this.#keys[0]!.id}.`
  }

  /** `v1.<key id>.<nonce, ciphertext and tag>`. It opens only where the same is said of what it is `about`: such as the row's id. */
  seal(text: string, about = ''): string {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#keys[0]!.key, nonce).setAAD(Buffer.from(about))
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return this.newest + sealed.toString('base64url')
  }

  /** Throws when none of the passphrases sealed it, when it was changed since, or is not about that. */
  open(sealed: string, about = ''): string {
    const [version, id, body] = sealed.split('.')
    const key = this.#keys.find((candidate) => candidate.id === id)?.key
    if (version !== VERSION || body === undefined) throw new Error('not a sealed secret')
    if (key === undefined) throw new Error(`sealed with a passphrase that ${this.#option} does not have`)
    const bytes = Buffer.from(body, 'base64url')
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(about)).setAuthTag(bytes.subarray(-TAG_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8')
  }
}

/** Key and the id under which it is found again; both derived, so neither tells the passphrase. */
function keyOf(passphrase: string): { id: string; key: Buffer } {
  const derived = Buffer.from(hkdfSync('sha256', passphrase, '', 'ottavia secret box v1', KEY_BYTES + KEY_ID_BYTES))
  return { key: derived.subarray(0, KEY_BYTES), id: derived.subarray(KEY_BYTES).toString('hex') }
}
