/**
 * The certificates that users name by reference, checked in upstream's order and words (`octavia/api/v2/controllers/base.py`). The store may be
 * remote, so it is not asked within a transaction: a check that does not know its references yet undoes the transaction, and `during` runs it again
 * when the store has answered.
 */
import { certificateNotRetrieved, Fault, immutable, noSecretStore, unreadableBundle, validationFailure } from '../api/faults.ts'
import type { Caller } from '../api/policy.ts'
import type { Context } from '../context.ts'
import type { SecretReader } from '../drivers/certificates/driver.ts'
import { type MaterialKind, readMaterial } from '../drivers/certificates/material.ts'
import { NoSecretStoreError, NotFoundError, UnreadableBundleError } from '../drivers/errors.ts'
import { timestamp } from '../lib/clock.ts'
import { isSignedBy, parseCertificate, parseRevocationList } from '../lib/revocation-list.ts'
import { type Flaw, FlawedMaterial, type TlsMaterial } from '../lib/tls-material.ts'
import type { NamedSecret } from './tls-places.ts'

/** What one object names, as upstream asks for it and as it will be used. The list of its CA is never without the CA. */
export type Named = { certificates: string[]; ca: string | null; crl: string | null; secrets: NamedSecret[] }

export interface ReferenceChecks {
  /** Throws 400 unless the requester may use each. */
  checkCertificates(references: string[]): void
  /** Throws 400 unless the CA is an X.509 certificate and the list, if any, is signed by it. */
  checkAuthority(ca: string | null, crl: string | null): void
  /** Ours, after all that upstream checks: throws 400 unless amphorae can serve with each, today. */
  checkSecrets(secrets: NamedSecret[]): void
}

/** For objects that the provider refuses anyway. */
export const unchecked: ReferenceChecks = { checkCertificates() {}, checkAuthority() {}, checkSecrets() {} }

/** An object's certificates, its CA and what is in all of them are three rounds; more come only when others change the object meanwhile. */
const MAX_ROUNDS = 5

/** Thrown through the transaction to `during`. What stays unknown for ever is as if somebody else were at work on the object. */
class Unknown extends Fault {
  readonly named: Named
  constructor(named: Partial<Named>, load_balancer_id: string) {
    const { status, message } = immutable('Load Balancer', load_balancer_id)
    super(status, message)
    this.named = { certificates: [], ca: null, crl: null, secrets: [], ...named }
  }
}

type Asked = Pick<Context, 'certificates' | 'clock' | 'log'>

export class References {
  readonly #context: Asked
  readonly #reader: SecretReader
  /** What is wrong with each certificate; null is nothing. */
  readonly #certificates = new Map<string, Error | null>()
  readonly #authorities = new Map<string, Fault | null>()
  readonly #secrets = new Map<string, Fault | null>()

  constructor(context: Asked, caller: Caller) {
    this.#context = context
    const { project_id, user_id, is_admin, token } = caller
    this.#reader = { project_id, user_id, is_admin, token }
  }

  /** Asks the store. May also be called in advance, for what is known to be checked. */
  async lookUp(named: Named[]): Promise<void> {
    for (const { certificates, ca, crl, secrets } of named) {
      for (const reference of certificates) {
        if (this.#certificates.has(reference)) continue
        this.#certificates.set(
          reference,
          await this.#problem(reference, this.#context.certificates.checkCertificate(reference, this.#reader)),
        )
      }
      if (ca !== null && !this.#authorities.has(keyOf(ca, crl))) this.#authorities.set(keyOf(ca, crl), await this.#judgeAuthority(ca, crl))
      for (const secret of secrets) {
        if (!this.#secrets.has(JSON.stringify(secret))) this.#secrets.set(JSON.stringify(secret), await this.#judgeSecret(secret))
      }
    }
  }

  /** `work` is a whole transaction, and does nothing but by it. It is given the checks of the load balancer's children. */
  async during<T>(work: (checks: (load_balancer_id: string) => ReferenceChecks) => Promise<T>): Promise<T> {
    for (let round = 1; ; round++) {
      try {
        return await work((load_balancer_id) => this.#checks(load_balancer_id))
      } catch (error) {
        if (!(error instanceof Unknown) || round === MAX_ROUNDS) throw error
        await this.lookUp([error.named])
      }
    }
  }

  #checks(load_balancer_id: string): ReferenceChecks {
    return {
      checkCertificates: (references) => {
        const problems = references.map((reference) => this.#certificates.get(reference))
        if (problems.includes(undefined)) throw new Unknown({ certificates: references }, load_balancer_id)
        throwFirst(references, problems)
      },
      checkAuthority: (ca, crl) => {
        if (ca === null) return
        const fault = this.#authorities.get(keyOf(ca, crl))
        if (fault === undefined) throw new Unknown({ ca, crl }, load_balancer_id)
        if (fault !== null) throw fault
      },
      checkSecrets: (secrets) => {
        const faults = secrets.map((secret) => this.#secrets.get(JSON.stringify(secret)))
        if (faults.includes(undefined)) throw new Unknown({ secrets }, load_balancer_id)
        for (const fault of faults) if (fault) throw fault
      },
    }
  }

  async #judgeAuthority(ca: string, crl: string | null): Promise<Fault | null> {
    const references = crl === null ? [ca] : [ca, crl]
    const texts: string[] = []
    const problems: (Error | null)[] = []
    for (const reference of references) {
      const read = this.#context.certificates.getSecret(reference, this.#reader).then((text) => void texts.push(text))
      problems.push(await this.#problem(reference, read))
    }
    try {
      throwFirst(references, problems)
      await checkAuthority(texts[0]!, texts[1])
      return null
    } catch (error) {
      if (error instanceof Fault) return error
      throw error
    }
  }

  async #judgeSecret({ field, kind, reference }: NamedSecret): Promise<Fault | null> {
    let material: TlsMaterial | undefined
    const problem = await this.#problem(
      reference,
      readMaterial(this.#context.certificates, kind, reference, this.#reader).then((opened) => {
        material = opened
      }),
    )
    const flaw = problem instanceof FlawedMaterial ? flaws[problem.flaw] : material && unfitToday(material, kind, this.#context.clock.now())
    if (flaw) return validationFailure(`${field} ${reference}: ${flaw}`)
    try {
      throwFirst([reference], [problem])
      return null
    } catch (error) {
      if (error instanceof Fault) return error
      throw error
    }
  }

  async #problem(reference: string, asked: Promise<void>): Promise<Error | null> {
    try {
      await asked
      return null
    } catch (error) {
      if (!(error instanceof NotFoundError)) this.#context.log.warn({ reference, err: error }, 'a secret could not be read')
      return error as Error
    }
  }
}

function keyOf(ca: string, crl: string | null): string {
  return JSON.stringify([ca, crl])
}

/** A bundle that cannot be opened is told at once, all other trouble once for all references. */
function throwFirst(references: string[], problems: (Error | null | undefined)[]): void {
  for (const problem of problems) if (problem instanceof UnreadableBundleError) throw unreadableBundle(problem.message)
  const bad = references.filter((_, i) => problems[i])
  if (bad.length === 0) return
  throw problems.some((problem) => problem instanceof NoSecretStoreError) ? noSecretStore(bad) : certificateNotRetrieved(bad)
}

const flaws: Record<Flaw, string> = {
  no_certificate: 'there is no certificate that can be read.',
  no_private_key: 'there is no private key that can be read.',
  key_of_another: 'the private key is not that of the certificate.',
  too_weak: 'the certificate, its key or its chain is too weak to be served.',
  broken_intermediates: 'an intermediate certificate cannot be read.',
  no_authority: 'there is no certificate of an authority that can be read.',
  no_revocation_list: 'there is no certificate revocation list that can be read.',
}

/** Clocks differ: what begins so soon counts as begun. */
const EARLY_MS = 300_000

/** Why nobody would trust it, if so. */
function unfitToday({ notBeforeMs, notAfterMs, isAuthority }: TlsMaterial, kind: MaterialKind, nowMs: number): string | undefined {
  if (notBeforeMs > nowMs + EARLY_MS) return `it is not valid before ${timestamp(notBeforeMs)}.`
  if (notAfterMs <= nowMs && kind === 'revocation_lists') return `a newer list was due at ${timestamp(notAfterMs)}.`
  if (notAfterMs <= nowMs) return `it expired at ${timestamp(notAfterMs)}.`
  if (kind === 'authorities' && !isAuthority) return 'a certificate in it is not that of an authority.'
  return undefined
}

async function checkAuthority(ca: string, crl: string | undefined): Promise<void> {
  const authority = parsed(parseCertificate, ca, (why) => {
    const what = 'The client authentication CA certificate is invalid. It must be a valid x509 PEM format certificate.'
    return validationFailure(`${what} Error: ${why}`)
  })
  if (crl === undefined) return
  const list = parsed(parseRevocationList, crl, (why) => {
    const what = 'The client authentication certificate revocation list is invalid.'
    return validationFailure(`${what} It must be a valid x509 PEM format certificate revocation list. Error: ${why}`)
  })
  if (!(await isSignedBy(list, authority))) {
    throw validationFailure('The CRL specified is not valid for client certificate authority reference supplied.')
  }
}

function parsed<T>(parse: (text: string) => T, text: string, fault: (why: string) => Fault): T {
  try {
    return parse(text)
  } catch (error) {
    throw fault((error as Error).message)
  }
}
