/**
 * Certificates from Barbican (API v1). A user's secret is read with his own token, so Barbican itself says whether he may; then the service's user is
 * put on the list of who may read it, as upstream does (`octavia/certificates/common/auth/barbican_acl.py`), and reads it alone from then on.
 */
import type { Config } from '../../config/config.ts'
import { NotFoundError } from '../errors.ts'
import type { OpenStackSession, ServiceClient, ServiceRequest } from '../openstack/session.ts'
import { bundleOfContainer, bundleOfPkcs12, textOfSecret } from './bundle.ts'
import { type CertificateBundle, type CertificateDriver, readsEverything, type SecretReader } from './driver.ts'
import { parseReference } from './reference.ts'

/** Who reads for a flow asks again himself. */
const PATIENCE = { max_retries: 2, retry_interval: 0.2, retry_backoff: 0, retry_max: 0.2 }
/** Of a request that holds up a flow or a client of the API. */
const TIMEOUT_MS = 10_000
/** What Barbican says of what is not there, and of what is not for this token; to users both are the same. */
const NOT_FOR_THIS_ONE = [401, 403, 404]
/** So too where it does not know the list of consumers, which secrets have since microversion 1.1. */
const NO_CONSUMERS = [...NOT_FOR_THIS_ONE, 405, 406]
const MICROVERSION = { 'OpenStack-API-Version': 'key-manager 1.1' }

type Kind = 'secrets' | 'containers'
type Acl = { read?: { users?: string[]; 'project-access'?: boolean } }
type Container = { secret_refs?: { name?: string; secret_ref: string }[] }

export class BarbicanCertificates implements CertificateDriver {
  readonly keepsConsumers = true
  readonly #session: OpenStackSession
  readonly #barbican: ServiceClient

  constructor(session: OpenStackSession, { certificates }: Pick<Config, 'certificates'>) {
    this.#session = session
    this.#barbican = session.client({
      name: 'Barbican',
      type: 'key-manager',
      section: 'certificates',
      options: certificates,
      patience: PATIENCE,
      version: '/v1',
    })
  }

  async checkCertificate(reference: string, reader: SecretReader): Promise<void> {
    await this.getCertificate(reference, reader)
  }

  async getCertificate(reference: string, reader: SecretReader): Promise<CertificateBundle> {
    const named = parseReference(reference)
    const bundle = named === null || named.kind === 'containers' ? null : await this.#readSecret(named.id, reader)
    if (bundle !== null) return bundleOfPkcs12(bundle)
    const contents = named === null || named.kind === 'secrets' ? null : await this.#readContainer(named.id, reader)
    if (contents === null) throw new NotFoundError('Certificate', reference)
    return bundleOfContainer(contents)
  }

  async getSecret(reference: string, reader: SecretReader): Promise<string> {
    const named = parseReference(reference)
    const payload = named === null || named.kind === 'containers' ? null : await this.#readSecret(named.id, reader)
    if (payload === null) throw new NotFoundError('Secret', reference)
    return textOfSecret(payload)
  }

  async addConsumer(reference: string, load_balancer_id: string): Promise<void> {
    await this.#changeConsumers('POST', reference, load_balancer_id)
  }

  async removeConsumer(reference: string, load_balancer_id: string): Promise<void> {
    await this.#changeConsumers('DELETE', reference, load_balancer_id)
  }

  /** Null when it is not there, has no payload, or is not for the reader. */
  #readSecret(id: string, reader: SecretReader): Promise<Buffer | null> {
    return this.#readAs(reader, { kind: 'secrets', id }, (token) => this.#payload(id, token))
  }

  /** What a container holds, by name; null as well when one of its secrets cannot be had: Barbican says of each who may read it. */
  async #readContainer(id: string, reader: SecretReader): Promise<Map<string, Buffer> | null> {
    const container = await this.#readAs(reader, { kind: 'containers', id }, (token) => this.#container(id, token))
    if (container === null) return null
    const contents = new Map<string, Buffer>()
    for (const { name = '', secret_ref } of container.secret_refs ?? []) {
      const named = parseReference(secret_ref)
      const payload = named === null ? null : await this.#readSecret(named.id, reader)
      if (payload === null) return null
      contents.set(name, payload)
    }
    return contents
  }

  /** With a user's token first. What he may read, but not pass on, is his to name once the service may read it: its owner has said so. */
  async #readAs<T>(reader: SecretReader, what: { kind: Kind; id: string }, read: (token?: string) => Promise<T | null>): Promise<T | null> {
    if (reader !== null && 'service' in reader) return read()
    if (typeof reader?.token === 'string') {
      const found = await read(reader.token)
      if (found !== null) return (await this.#letServiceRead(what, reader.token)) ? found : read()
    }
    return readsEverything(reader) ? read() : null
  }

  /** False where the token is not that of somebody who may say so. */
  async #letServiceRead({ kind, id }: { kind: Kind; id: string }, token: string): Promise<boolean> {
    const { user_id } = await this.#session.who()
    const path = `/v1/${kind}/${id}/acl`
    const { status, body } = await this.#ask<Acl>('GET', path, { token, accept: NOT_FOR_THIS_ONE })
    if (status !== 200) return false
    const { users = [], 'project-access': projectAccess = true } = body.read ?? {}
    if (users.includes(user_id)) return true
    const read = { users: [...users, user_id], 'project-access': projectAccess }
    const changed = await this.#ask('PATCH', path, { token, body: { read }, accept: NOT_FOR_THIS_ONE })
    return changed.status === 200
  }

  async #payload(id: string, token: string | undefined): Promise<Buffer | null> {
    // Whatever its own type is: for text, its bytes in UTF-8.
    const headers = { Accept: 'application/octet-stream' }
    const { status, bytes } = await this.#ask('GET', `/v1/secrets/${id}/payload`, { token, headers, accept: NOT_FOR_THIS_ONE })
    return status === 200 ? bytes : null
  }

  async #container(id: string, token: string | undefined): Promise<Container | null> {
    const { status, body } = await this.#ask<Container>('GET', `/v1/containers/${id}`, { token, accept: NOT_FOR_THIS_ONE })
    return status === 200 ? body : null
  }

  async #changeConsumers(method: 'POST' | 'DELETE', reference: string, load_balancer_id: string): Promise<void> {
    const named = parseReference(reference)
    if (named === null) return
    // Of an id alone it is not known which of them it is.
    for (const kind of named.kind === null ? (['secrets', 'containers'] as const) : [named.kind]) {
      const path = `/v1/${kind}/${named.id}/consumers`
      const body = consumers[kind](load_balancer_id)
      await this.#ask(method, path, { body, headers: MICROVERSION, accept: NO_CONSUMERS, repeatable: true })
    }
  }

  /** Its own token that is no longer taken is renewed by the session; what it says then is no answer about a secret. */
  #ask<T>(method: string, path: string, request: ServiceRequest) {
    const accept = request.token === undefined ? request.accept?.filter((status) => status !== 401) : request.accept
    return this.#barbican.request<T>(method, path, { timeoutMs: TIMEOUT_MS, ...request, accept })
  }
}

/** Names as Barbican's reference asks for them; of no address, since that of an API may change while load balancers stay. */
const consumers: Record<Kind, (load_balancer_id: string) => object> = {
  secrets: (resource_id) => ({ service: 'load-balancer', resource_type: 'lbaas/loadbalancers', resource_id }),
  containers: (id) => ({ name: 'Octavia', URL: `/v2/lbaas/loadbalancers/${id}` }),
}
