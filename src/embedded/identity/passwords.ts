import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

/** Of scrypt (RFC 7914), whose N is two to the power of `[identity] password_hash_rounds`; 128 * N * r bytes are needed for each guess. */
const blockSize = 8
const parallelism = 1
const keyBytes = 32
const saltBytes = 16

/** `scrypt$N$r$p$salt$key`, salt and key in base64url. */
export async function hashPassword(password: string, rounds: number): Promise<string> {
  const salt = randomBytes(saltBytes)
  const cost = costOf(rounds)
  const key = await derive(password, salt, cost)
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), key.toString('base64url')].join('$')
}

/**
 * Whether the hash was made of this password. A null hash (no such user, or a user without password) takes as long as a wrong password,
 * so that names can't be told apart by time. `rounds`: of those that are hashed today.
 */
export async function checkPassword(password: string, hash: string | null, rounds: number): Promise<boolean> {
  if (hash === null) {
    await derive(password, Buffer.alloc(saltBytes), costOf(rounds))
    return false
  }
  const [kind, n, r, p, salt, key] = hash.split('$')
  if (kind !== 'scrypt' || salt === undefined || key === undefined) throw new Error('a stored password hash is not of a known form')
  const expected = Buffer.from(key, 'base64url')
  const actual = await derive(password, Buffer.from(salt, 'base64url'), { N: Number(n), r: Number(r), p: Number(p) })
  return actual.length === expected.length && timingSafeEqual(actual, expected)
}

/** 144 random bits, without characters that a shell or YAML would read. */
export function randomPassword(): string {
  return randomBytes(18).toString('base64url').replaceAll('-', 'x').replaceAll('_', 'y')
}

const costOf = (rounds: number) => ({ N: 2 ** rounds, r: blockSize, p: parallelism })

function derive(password: string, salt: Buffer, options: { N: number; r: number; p: number }): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  // Node's own limit; what is needed beside N blocks is far less than as much again.
  const maxmem = 2 * 128 * options.N * options.r
  scrypt(password, salt, keyBytes, { ...options, maxmem }, (error, key) => (error === null ? resolve(key) : reject(error)))
  return promise
}
