/** The thing a driver was asked about does not exist. `what` is OpenStack's word for it, as faults show it: Subnet, Network, Port, ... */
export class NotFoundError extends Error {
  readonly what: string
  readonly id: string
  constructor(what: string, id: string) {
    super(`${what} ${id} not found.`)
    this.name = 'NotFoundError'
    this.what = what
    this.id = id
  }
}

/** The backend refuses the request for a reason the user can mend (address in use, quota); `message` is fit for him. */
export class RefusedError extends Error {
  readonly status: number
  constructor(message: string, status = 409) {
    super(message)
    this.name = 'RefusedError'
    this.status = status
  }
}

/** A caller with an older generation than one already seen: a worker that was frozen and has a successor. */
export class FencedError extends Error {
  constructor(subject: string) {
    super(`${subject}: a later worker has taken over`)
    this.name = 'FencedError'
  }
}

/** The identity service cannot be asked, so nobody is known to be anybody. */
export class IdentityUnavailable extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'IdentityUnavailable'
  }
}

/** An amphora's agent did not answer within the attempts it was given. */
export class AgentUnreachable extends Error {
  readonly amphora_id: string
  constructor(amphora_id: string, why: string) {
    super(`the agent of amphora ${amphora_id} cannot be reached: ${why}`)
    this.name = 'AgentUnreachable'
    this.amphora_id = amphora_id
  }
}

/** An amphora's agent answered, and refused. `body` is its answer, for admins. */
export class AgentError extends Error {
  readonly amphora_id: string
  readonly status: number
  readonly body: string
  constructor(amphora_id: string, request: string, status: number, body: string) {
    super(`the agent of amphora ${amphora_id} answered ${request} with ${status}: ${body}`)
    this.name = 'AgentError'
    this.amphora_id = amphora_id
    this.status = status
    this.body = body
  }
}

/** A PKCS#12 bundle that is none, or has a pass phrase. `message` is fit for its owner. */
export class UnreadableBundleError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UnreadableBundleError'
  }
}

/** Nobody has configured where users' certificates are kept. */
export class NoSecretStoreError extends Error {
  constructor() {
    super('no secret store is configured ([certificates] cert_manager)')
    this.name = 'NoSecretStoreError'
  }
}

/**
 * A service of OpenStack failed, refused, or gave no answer within its attempts (status 0). `message` has its own words, for admins; drivers translate
 * what users can mend to the errors above.
 */
export class ServiceError extends Error {
  /** Nova, Neutron, ... */
  readonly service: string
  readonly status: number
  /** Its own name for what is wrong, where it has one (Neutron: `IpAddressInUse`). */
  readonly type: string | null
  /** Its words alone. */
  readonly words: string
  constructor(service: string, request: string, answer: { status: number; words: string; type?: string | null }) {
    super(
      answer.status === 0
        ? `${service} gave no answer to ${request}: ${answer.words}`
        : `${service} answered ${request} with ${answer.status}: ${answer.words}`,
    )
    this.name = 'ServiceError'
    this.service = service
    this.status = answer.status
    this.type = answer.type ?? null
    this.words = answer.words
  }

  /** That it failed or gave no answer, rather than refused: it may be asked again, and what was asked may be done all the same. */
  get isFailure(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

/** Null instead of NotFoundError, for who is content when the thing is gone. */
export async function ifThere<T>(found: Promise<T>): Promise<T | null> {
  try {
    return await found
  } catch (error) {
    if (error instanceof NotFoundError) return null
    throw error
  }
}
