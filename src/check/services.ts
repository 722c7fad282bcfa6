/** The services of OpenStack as the drivers will ask them, but without patience: who checks wants to hear of the first failure. */
import type { Config } from '../config/config.ts'
import { ServiceError } from '../drivers/errors.ts'
import { asNeutronIsAsked } from '../drivers/network/neutron-login.ts'
import { type OpenStackSession, openStackSession, type ServiceClient, type ServiceDescription } from '../drivers/openstack/session.ts'
import { systemClock } from '../lib/clock.ts'
import { createLog } from '../lib/log.ts'

const PATIENCE = { max_retries: 1, retry_interval: 0, retry_backoff: 0, retry_max: 0 }

export interface Services {
  session: OpenStackSession
  /** Where Neutron has a login of its own it is another. */
  sessionOfNeutron: OpenStackSession
  nova: ServiceClient
  neutron: ServiceClient
  glance: ServiceClient
  barbican: ServiceClient
}

/** Asks nobody yet. Throws ConfigError where `[service_auth]` or a file that it names is no good. */
export function openServices(config: Config): Services {
  const open = (as: Config) => openStackSession({ config: as, clock: systemClock, log: createLog('silent') })
  const neutrons = asNeutronIsAsked(config)
  const session = open(config)
  const sessionOfNeutron = neutrons === config ? session : open(neutrons)
  const client = (of: OpenStackSession, description: Omit<ServiceDescription, 'patience'>) =>
    of.client({ ...description, patience: PATIENCE })
  return {
    session,
    sessionOfNeutron,
    nova: client(session, { name: 'Nova', type: 'compute', section: 'nova', options: config.nova }),
    neutron: client(sessionOfNeutron, { name: 'Neutron', type: 'network', section: 'neutron', options: config.neutron, version: '/v2.0' }),
    glance: client(session, { name: 'Glance', type: 'image', section: 'glance', options: config.glance, version: '/v2' }),
    barbican: client(session, {
      name: 'Barbican',
      type: 'key-manager',
      section: 'certificates',
      options: config.certificates,
      version: '/v1',
    }),
  }
}

export function closeServices({ session, sessionOfNeutron }: Services): void {
  session.close()
  sessionOfNeutron.close()
}

/** The service's answer, or null where it says that there is no such thing. */
export async function found<T>(client: ServiceClient, path: string): Promise<T | null> {
  const { status, body } = await client.request<T>('GET', path, { accept: [404], timeoutMs: REQUEST_TIMEOUT_MS })
  return status === 404 ? null : body
}

export const REQUEST_TIMEOUT_MS = 10_000

/** Neutron's 400 to who asks for another project's port and may not. */
const NOT_AN_ADMIN = /requires admin\b.* privileges/

/**
 * Asks for something that cannot be made, because it names what does not exist. True: the service went as far as to say so, so its policies allow the
 * request itself; false: they do not. Throws other errors. `undo` is for a service that made it nevertheless.
 */
export async function mayAsk(
  client: ServiceClient,
  path: string,
  body: object,
  undo: (made: unknown) => Promise<unknown>,
): Promise<boolean> {
  const {
    status,
    body: answer,
    text,
  } = await client.request('POST', path, { body, accept: [400, 404, 403, 409], timeoutMs: REQUEST_TIMEOUT_MS })
  if (status < 300) await undo(answer)
  return status !== 403 && !NOT_AN_ADMIN.test(text)
}

/** An id that nothing has. */
export const NOBODY = 'ffffffff-ffff-4fff-bfff-ffffffffffff'

export function wordsOfFailure(failure: unknown): string {
  return failure instanceof ServiceError || failure instanceof Error ? failure.message : String(failure)
}
