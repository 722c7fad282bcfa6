/**
 * Opens PKCS#12 files (RFC 7292) that need no pass phrase. node-forge reads their ASN.1, which is BER and not always DER, and has the one cipher
 * that OpenSSL 3 has put away (RC2); keys are derived and everything else is decrypted by Node's own crypto: that is fast, knows keys of every
 * kind, and hands on certificates byte for byte.
 */
import {
  createDecipheriv,
  createHmac,
  createPrivateKey,
  hash as digestOf,
  type KeyObject,
  pbkdf2,
  timingSafeEqual,
  X509Certificate,
} from 'node:crypto'
import { promisify } from 'node:util'
import type forge from 'node-forge'

type Forge = typeof forge
type Node = forge.asn1.Asn1
/** The published types lack the options. */
type FromBer = (bytes: string, options: { parseAllBytes: boolean; decodeBitStrings: boolean }) => Node

/** PEM, all of it. The private key is PKCS#8; intermediates are in the order in which each has signed the one before. */
export type KeyPair = { certificate: string; private_key: string; intermediates: string[] }

/** Why a file can't be opened; the message goes on from "it" and is fit for its owner. */
export class Pkcs12Error extends Error {}

const notOne = () => new Pkcs12Error('it is not a PKCS12 bundle')
const needsPassphrase = () => new Pkcs12Error('it requires a pass phrase')

/**
 * Of one file, all its keys together. What asks for more is meant to keep us busy: PBKDF2 runs beside us, a second of it, the older derivation
 * in JavaScript, a few tenths.
 */
const maxIterations = { pbkdf2: 2_000_000, pkcs12: 250_000 }
/** Of one file, as long as there is a reason to have them. */
const MAX_BAGS = 32
const SHA1_BLOCK_BYTES = 64
const SHA512_BLOCK_BYTES = 128

const oids = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  keyBag: '1.2.840.113549.1.12.10.1.1',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certificateBag: '1.2.840.113549.1.12.10.1.3',
  nestedBag: '1.2.840.113549.1.12.10.1.6',
  x509: '1.2.840.113549.1.9.22.1',
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
}
const digests: Record<string, string> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}
const hmacs: Record<string, string> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
}
const HMAC_SHA1 = '1.2.840.113549.2.7'
const ciphersOfPbes2: Record<string, { name: string; keyBytes: number }> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyBytes: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyBytes: 24 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyBytes: 32 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyBytes: 24 },
}
const ciphersOfPkcs12: Record<string, { name: 'des-ede3-cbc' | 'rc2'; keyBytes: number }> = {
  '1.2.840.113549.1.12.1.3': { name: 'des-ede3-cbc', keyBytes: 24 },
  '1.2.840.113549.1.12.1.4': { name: 'des-ede3-cbc', keyBytes: 16 },
  '1.2.840.113549.1.12.1.5': { name: 'rc2', keyBytes: 16 },
  '1.2.840.113549.1.12.1.6': { name: 'rc2', keyBytes: 5 },
}
const IV_BYTES = 8

/** "No pass phrase" is written in two ways: as an empty text with its end mark, and as nothing at all. */
const emptyPassphrases = [Buffer.from([0, 0]), Buffer.alloc(0)]

/** The first private key with its certificate and all others. Throws Pkcs12Error. */
export async function openPkcs12(bytes: Buffer): Promise<KeyPair> {
  const reader = new Reader((await import('node-forge')).default)
  const found = await reader.read(bytes)
  for (const key of found.keys) {
    const leaf = found.certificates.find((certificate) => certificate.checkPrivateKey(key))
    if (leaf === undefined) continue
    const [, ...chain] = chainFrom(leaf, found.certificates)
    return {
      certificate: pemOf(leaf),
      private_key: (key.export({ type: 'pkcs8', format: 'pem' }) as string).trim(),
      intermediates: chain.map(pemOf),
    }
  }
  if (found.keys.length === 0) throw new Pkcs12Error('it has no private key')
  throw new Pkcs12Error(found.certificates.length === 0 ? 'it has no certificate' : 'its private key is not that of its certificate')
}

interface Found {
  bags: number
  keys: KeyObject[]
  certificates: X509Certificate[]
}

class Reader {
  readonly #forge: Forge
  readonly #iterations = { pbkdf2: 0, pkcs12: 0 }

  constructor(library: Forge) {
    this.#forge = library
  }

  async read(bytes: Buffer): Promise<Found> {
    const [version, authSafe, mac] = this.#parse(bytes)
    if (version === undefined || authSafe === undefined) throw notOne()
    const content = octetsOf(this.#contentOf(authSafe, oids.data))
    const passphrases = mac === undefined ? emptyPassphrases : [this.#passphraseOf(mac, content)]
    // Without a checksum a wrong pass phrase shows where padding or structure do not fit.
    let problem = needsPassphrase()
    for (const passphrase of passphrases) {
      try {
        return await this.#safes(content, passphrase)
      } catch (error) {
        if (!(error instanceof Pkcs12Error)) throw error
        problem = error
      }
    }
    throw problem
  }

  /** By which of them the checksum fits. */
  #passphraseOf(mac: Node, content: Buffer): Buffer {
    const [digestInfo, salt, iterations] = childrenOf(mac)
    const [algorithm, digest] = childrenOf(digestInfo)
    const hash = digests[this.#oidOf(childrenOf(algorithm)[0])]
    if (hash === undefined) throw new Pkcs12Error('it has a checksum of a kind that is not supported')
    const wanted = octetsOf(digest)
    for (const passphrase of emptyPassphrases) {
      const count = iterations === undefined ? 1 : this.#counted('pkcs12', iterations)
      const key = derive(passphrase, octetsOf(salt), 3, count, wanted.length, hash)
      const got = createHmac(hash, key).update(content).digest()
      if (got.length === wanted.length && timingSafeEqual(got, wanted)) return passphrase
    }
    throw needsPassphrase()
  }

  async #safes(content: Buffer, passphrase: Buffer): Promise<Found> {
    const found: Found = { bags: 0, keys: [], certificates: [] }
    for (const safe of this.#parse(content)) {
      const type = this.#oidOf(childrenOf(safe)[0])
      if (type === oids.data) {
        await this.#bagsOf(this.#parse(octetsOf(this.#contentOf(safe, type))), passphrase, found)
      } else if (type === oids.encryptedData) {
        const [, encrypted] = childrenOf(this.#contentOf(safe, type))
        const [, algorithm, ciphertext] = childrenOf(encrypted)
        await this.#bagsOf(this.#parse(await this.#decrypt(algorithm, octetsOf(ciphertext), passphrase)), passphrase, found)
      }
      // Enveloped for somebody's public key: nothing that we could open.
    }
    return found
  }

  async #bagsOf(bags: Node[], passphrase: Buffer, found: Found): Promise<void> {
    for (const bag of bags) {
      if (++found.bags > MAX_BAGS) throw new Pkcs12Error(`it holds more than ${MAX_BAGS} things`)
      const [type, explicit] = childrenOf(bag)
      const value = childrenOf(explicit)[0]
      switch (this.#oidOf(type)) {
        case oids.keyBag:
          found.keys.push(privateKeyOf(this.#derOf(value)))
          break
        case oids.shroudedKeyBag: {
          const [algorithm, ciphertext] = childrenOf(value)
          found.keys.push(privateKeyOf(await this.#decrypt(algorithm, octetsOf(ciphertext), passphrase)))
          break
        }
        case oids.certificateBag: {
          const [kind, certificate] = childrenOf(value)
          if (this.#oidOf(kind) === oids.x509) found.certificates.push(certificateOf(octetsOf(childrenOf(certificate)[0])))
          break
        }
        case oids.nestedBag:
          await this.#bagsOf(childrenOf(value), passphrase, found)
          break
      }
    }
  }

  async #decrypt(algorithm: Node | undefined, ciphertext: Buffer, passphrase: Buffer): Promise<Buffer> {
    const [oid, parameters] = childrenOf(algorithm)
    const scheme = this.#oidOf(oid)
    if (scheme === oids.pbes2) return this.#decryptPbes2(parameters, ciphertext)
    const cipher = ciphersOfPkcs12[scheme]
    if (cipher === undefined) throw new Pkcs12Error('it is encrypted in a way that is not supported')
    const [salt, iterations] = childrenOf(parameters)
    const from = (id: number, length: number) => derive(passphrase, octetsOf(salt), id, this.#counted('pkcs12', iterations), length, 'sha1')
    const key = from(1, cipher.keyBytes)
    const iv = from(2, IV_BYTES)
    if (cipher.name === 'rc2') return this.#decryptRc2(key, iv, ciphertext)
    // Triple DES with two keys uses the first one again.
    return decipher(cipher.name, Buffer.concat([key, key]).subarray(0, 24), iv, ciphertext)
  }

  /** The pass phrase is empty in both of its ways here: PBKDF2 takes it without an end mark. */
  async #decryptPbes2(parameters: Node | undefined, ciphertext: Buffer): Promise<Buffer> {
    const [derivation, encryption] = childrenOf(parameters)
    const [kdf, options] = childrenOf(derivation)
    const [salt, iterations, ...rest] = childrenOf(options)
    // The length of the key is optional, and follows from the cipher.
    const prf = rest.find((node) => Array.isArray(node.value))
    const hash = hmacs[prf === undefined ? HMAC_SHA1 : this.#oidOf(childrenOf(prf)[0])]
    const [cipherOid, iv] = childrenOf(encryption)
    const cipher = ciphersOfPbes2[this.#oidOf(cipherOid)]
    if (this.#oidOf(kdf) !== oids.pbkdf2 || hash === undefined || cipher === undefined)
      throw new Pkcs12Error('it is encrypted in a way that is not supported')
    const count = this.#counted('pbkdf2', iterations)
    const key = await promisify(pbkdf2)('', octetsOf(salt), count, cipher.keyBytes, hash)
    return decipher(cipher.name, key, octetsOf(iv), ciphertext)
  }

  #decryptRc2(key: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
    const { rc2, util } = this.#forge
    const cipher = rc2.createDecryptionCipher(key.toString('latin1'), key.length * 8)
    cipher.start(iv.toString('latin1'))
    cipher.update(util.createBuffer(ciphertext.toString('latin1')))
    if (!cipher.finish()) throw needsPassphrase()
    return Buffer.from(cipher.output.getBytes(), 'latin1')
  }

  #counted(derivation: keyof typeof maxIterations, iterations: Node | undefined): number {
    // A number beyond all that JavaScript counts is only larger than the limit.
    const count = Number.parseInt(octetsOf(iterations).toString('hex') || '0', 16)
    if (count < 1) throw notOne()
    this.#iterations[derivation] += count
    if (this.#iterations[derivation] > maxIterations[derivation])
      throw new Pkcs12Error(`its keys take more than ${maxIterations[derivation]} iterations to derive`)
    return count
  }

  /** What a sequence holds. */
  #parse(bytes: Buffer): Node[] {
    let node: Node
    try {
      node = (this.#forge.asn1.fromDer as unknown as FromBer)(bytes.toString('latin1'), { parseAllBytes: false, decodeBitStrings: false })
    } catch {
      throw notOne()
    }
    return childrenOf(node)
  }

  /** Of a ContentInfo of that type. */
  #contentOf(info: Node, type: string): Node {
    const [oid, explicit] = childrenOf(info)
    const content = childrenOf(explicit)[0]
    if (this.#oidOf(oid) !== type || content === undefined) throw notOne()
    return content
  }

  #oidOf(node: Node | undefined): string {
    if (typeof node?.value !== 'string') throw notOne()
    return this.#forge.asn1.derToOid(node.value)
  }

  #derOf(node: Node | undefined): Buffer {
    if (node === undefined) throw notOne()
    return Buffer.from(this.#forge.asn1.toDer(node).getBytes(), 'latin1')
  }
}

/** The key derivation of RFC 7292, B.2; `id` says what for: 1 a key, 2 an initial vector, 3 a checksum. `passphrase` is BMPString. */
function derive(passphrase: Buffer, salt: Buffer, id: number, iterations: number, length: number, algorithm: string): Buffer {
  const block = algorithm === 'sha384' || algorithm === 'sha512' ? SHA512_BLOCK_BYTES : SHA1_BLOCK_BYTES
  const diversifier = Buffer.alloc(block, id)
  const input = Buffer.concat([repeated(salt, block), repeated(passphrase, block)])
  const result: Buffer[] = []
  for (let made = 0; made < length; ) {
    let digest = digestOf(algorithm, Buffer.concat([diversifier, input]), 'buffer')
    for (let round = 1; round < iterations; round++) digest = digestOf(algorithm, digest, 'buffer')
    result.push(digest)
    made += digest.length
    addToEachBlock(input, repeated(digest, block).subarray(0, block))
  }
  return Buffer.concat(result).subarray(0, length)
}

/** To a whole number of blocks; nothing stays nothing. */
function repeated(bytes: Buffer, block: number): Buffer {
  return Buffer.alloc(Math.ceil(bytes.length / block) * block, bytes)
}

/** `input` is numbers of the length of `addend`; each becomes itself plus the addend plus one, without what overflows. */
function addToEachBlock(input: Buffer, addend: Buffer): void {
  for (let start = 0; start < input.length; start += addend.length) {
    let carry = 1
    for (let i = addend.length - 1; i >= 0; i--) {
      carry += input[start + i]! + addend[i]!
      input[start + i] = carry & 0xff
      carry >>= 8
    }
  }
}

function decipher(name: string, key: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
  try {
    const cipher = createDecipheriv(name, key, iv)
    return Buffer.concat([cipher.update(ciphertext), cipher.final()])
  } catch {
    throw needsPassphrase()
  }
}

function privateKeyOf(der: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } catch {
    throw new Pkcs12Error('it holds a private key that cannot be read')
  }
}

function certificateOf(der: Buffer): X509Certificate {
  try {
    return new X509Certificate(der)
  } catch {
    throw new Pkcs12Error('it holds a certificate that cannot be read')
  }
}

const pemOf = (certificate: X509Certificate): string => certificate.toString().trim()

function childrenOf(node: Node | undefined): Node[] {
  if (!Array.isArray(node?.value)) throw notOne()
  return node.value
}

/** In BER a string of octets may come in pieces. */
function octetsOf(node: Node | undefined): Buffer {
  if (node === undefined) throw notOne()
  return Array.isArray(node.value) ? Buffer.concat(node.value.map(octetsOf)) : Buffer.from(node.value, 'latin1')
}

/** The certificate, then who signed it, and so on; certificates that have no part in it come last, in their order. */
function chainFrom(leaf: X509Certificate, all: X509Certificate[]): X509Certificate[] {
  const chain = [leaf]
  const rest = new Set(all.filter((certificate) => !certificate.raw.equals(leaf.raw)))
  for (;;) {
    const last = chain.at(-1)!
    const issuer = [...rest].find((candidate) => last.checkIssued(candidate))
    if (issuer === undefined) return [...chain, ...rest]
    chain.push(issuer)
    rest.delete(issuer)
  }
}
