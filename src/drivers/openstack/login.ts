/** How a service user gets a token of Keystone (POST /v3/auth/tokens), and what comes with it: the catalog of services. */
import { readFileSync } from 'node:fs'
import { getCACertificates } from 'node:tls'
import { type Config, ConfigError } from '../../config/config.ts'
import type { Clock } from '../../lib/clock.ts'
import { Distrust } from '../../lib/distrust.ts'
import type { HttpAnswer, HttpClient, HttpClientOptions } from '../../lib/http-request.ts'
import type { Log } from '../../lib/log.ts'
import { retry } from '../../lib/retry.ts'
import { IdentityUnavailable } from '../errors.ts'
import { wordsOf } from './words.ts'

/** For a question to Keystone with all its attempts: well before the API gives its own client up. */
export const KEYSTONE_DEADLINE_MS = 30_000
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 1_000
/** A token is renewed this long before it ends; one that lives shorter, after half its life. */
const RENEW_BEFORE_MS = 30_000

/** A service user's token: what it opens, where the services are, and when it has to be renewed. */
export type Session = {
  token: string
  project_id: string | null
  user_id: string
  /** Names of the roles on that project, implied ones included. */
  roles: readonly string[]
  catalog: readonly CatalogEntry[]
  renewAt: number
}
export type CatalogEntry = { type?: string; name?: string; endpoints?: Endpoint[] }
type Endpoint = { interface?: string; region?: string; region_id?: string; url?: string }

/** The options that `[keystone_authtoken]` and `[service_auth]` both have. */
type CommonOptions = Pick<
  Config['keystone_authtoken'],
  | 'auth_url'
  | 'username'
  | 'user_id'
  | 'user_domain_name'
  | 'user_domain_id'
  | 'password'
  | 'project_name'
  | 'project_id'
  | 'project_domain_name'
  | 'project_domain_id'
  | 'default_domain_name'
  | 'default_domain_id'
  | 'system_scope'
>
/** Those of `[service_auth]` alone. */
type ApplicationCredential = Pick<
  Config['service_auth'],
  'application_credential_id' | 'application_credential_name' | 'application_credential_secret'
>
export type LoginOptions = CommonOptions & { auth_type: string } & Partial<ApplicationCredential>

export interface LoginContext {
  /** Of octavia.conf, for messages. */
  section: 'keystone_authtoken' | 'service_auth'
  options: LoginOptions
  /** How often Keystone is asked while it fails. */
  attempts: number
  http: HttpClient
  clock: Clock
  log: Log
}

/** It answered, and could not. */
export class KeystoneFailed extends Error {
  readonly status: number
  readonly words: string
  constructor({ status, body }: HttpAnswer) {
    const words = wordsOf(body)
    super(`Keystone answers with ${status}: ${words}`)
    this.status = status
    this.words = words
  }
}

/** A request to Keystone, which is tried again while it is silent or fails, not where certificates are refused; answers of any other kind are the caller's. */
export type AskKeystone = (
  url: string,
  wanted: { method: string; headers: Record<string, string>; body?: string; signal: AbortSignal },
) => Promise<HttpAnswer>

export interface Login {
  readonly authUrl: string
  /** One login at a time, whoever waits for it. In: a session that is no longer taken. Throws IdentityUnavailable. */
  current(refused?: Session): Promise<Session>
  ask: AskKeystone
}

export function createLogin({ section, options, attempts, http, clock, log }: LoginContext): Login {
  const authUrl = v3Url(options.auth_url!)
  let session: Session | undefined
  let login: Promise<Session> | undefined

  const ask: AskKeystone = (url, wanted) => {
    const { signal } = wanted
    return retry(
      {
        attempts,
        firstWaitMs: FIRST_WAIT_MS,
        longestWaitMs: LONGEST_WAIT_MS,
        when: (error) => !signal.aborted && !(error instanceof Distrust),
        signal,
      },
      async () => {
        const headers = { ...wanted.headers, Accept: 'application/json', 'User-Agent': 'ottavia' }
        const answer = await http.send(url, { ...wanted, headers })
        if (answer.status >= 500 || answer.status === 429) throw new KeystoneFailed(answer)
        return answer
      },
    )
  }

  async function logIn(signal: AbortSignal): Promise<Session> {
    const scope = scopeOf(options)
    const body = JSON.stringify({ auth: { identity: identityOf(options), ...(scope === undefined ? {} : { scope }) } })
    const answer = await ask(`${authUrl}/auth/tokens`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body, signal })
    if (answer.status !== 201) {
      const why = `${answer.status}: ${wordsOf(answer.body)}`
      log.error(`[${section}]: Keystone refuses the service user with ${why}`)
      throw new IdentityUnavailable(`Keystone refuses the service user of [${section}] with ${why}`)
    }
    const token = answer.headers['x-subject-token']
    const { expires_at, catalog, user, project, roles = [] } = tokenIn(answer)
    if (typeof token !== 'string' || typeof expires_at !== 'string')
      throw new IdentityUnavailable('Keystone answered a login without a token')
    const leftMs = Date.parse(expires_at) - clock.now()
    return {
      token,
      user_id: String(user?.id),
      project_id: typeof project?.id === 'string' ? project.id : null,
      roles: roles.flatMap(({ name }) => (typeof name === 'string' ? name : [])),
      catalog: Array.isArray(catalog) ? (catalog as CatalogEntry[]) : [],
      renewAt: clock.now() + Math.max(leftMs - RENEW_BEFORE_MS, leftMs / 2),
    }
  }

  return {
    authUrl,
    ask,
    async current(refused) {
      if (session !== undefined && session !== refused && clock.now() < session.renewAt) return session
      login ??= logIn(AbortSignal.timeout(KEYSTONE_DEADLINE_MS)).finally(() => {
        login = undefined
      })
      session = await login
      return session
    },
  }
}

/** The URL of a service's endpoint; undefined where the catalog has none like that. The first of the interfaces that there is counts. */
export function endpointIn(
  catalog: readonly CatalogEntry[],
  wanted: { type: string; name: string | null; interfaces: readonly string[]; region: string | null },
): string | undefined {
  const endpoints = catalog
    .filter(({ type, name }) => type === wanted.type && (wanted.name === null || name === wanted.name))
    .flatMap((service) => service.endpoints ?? [])
    .filter(({ region, region_id }) => wanted.region === null || (region_id ?? region) === wanted.region)
  for (const name of wanted.interfaces) {
    const found = endpoints.find((endpoint) => endpoint.interface === name && endpoint.url !== undefined)
    if (found !== undefined) return found.url
  }
  return undefined
}

/** The root of Keystone, or its /v3: both are common. */
export function v3Url(url: string): string {
  const root = url.replace(/\/+$/, '')
  return root.endsWith('/v3') ? root : `${root}/v3`
}

/** Throws ConfigError naming the first option without which nobody can log in. */
export function checkLoginOptions(section: string, options: LoginOptions, who: string): void {
  const missing = (names: string) => new ConfigError(`[${section}] ${names}: missing, and ${who} needs it`)
  if (options.auth_url === null) throw missing('auth_url')
  if (!/^https?:\/\//.test(options.auth_url) || !URL.canParse(options.auth_url)) {
    throw new ConfigError(`[${section}] auth_url: the value '${options.auth_url}' should be an http or https URL`)
  }
  const hasUser = options.username !== null || options.user_id !== null
  if (options.auth_type === 'v3applicationcredential') {
    if ((options.application_credential_id ?? null) === null) {
      if ((options.application_credential_name ?? null) === null) throw missing('application_credential_id or application_credential_name')
      if (!hasUser) throw missing('username or user_id')
    }
    if ((options.application_credential_secret ?? null) === null) throw missing('application_credential_secret')
    return
  }
  if (!hasUser) throw missing('username or user_id')
  if (options.password === null) throw missing('password')
}

type TlsFiles = { cafile: string | null; certfile: string | null; keyfile: string | null; insecure: boolean }

/** Throws ConfigError when a file cannot be read. `names`: what its options are called where they are not keystoneauth's own. */
export function tlsOptions(
  section: string,
  { cafile, certfile, keyfile, insecure }: TlsFiles,
  names: { cafile: string } = { cafile: 'cafile' },
): HttpClientOptions['tls'] {
  const read = (name: string, file: string | null) => {
    if (file === null) return undefined
    try {
      return readFileSync(file, 'utf8')
    } catch (error) {
      throw new ConfigError(`[${section}] ${name}: ${(error as Error).message}`)
    }
  }
  const cert = read('certfile', certfile)
  return {
    ca: read(names.cafile, cafile) ?? getCACertificates('system'),
    cert,
    key: read('keyfile', keyfile) ?? cert,
    rejectUnauthorized: !insecure,
  }
}

function identityOf(options: LoginOptions): object {
  const domain = reference(options.user_domain_id ?? options.default_domain_id, options.user_domain_name ?? options.default_domain_name)
  const user = options.user_id === null ? { name: options.username, domain: domain ?? defaultDomain } : { id: options.user_id }
  if (options.auth_type === 'v3applicationcredential') {
    const { application_credential_id: id, application_credential_name: name, application_credential_secret: secret } = options
    return {
      methods: ['application_credential'],
      application_credential: id === null ? { name, secret, user } : { id, secret },
    }
  }
  return { methods: ['password'], password: { user: { ...user, password: options.password } } }
}

/** Undefined: the user's default project, or the application credential's own. */
function scopeOf(options: LoginOptions): object | undefined {
  if (options.auth_type === 'v3applicationcredential') return undefined
  if (options.system_scope !== null) return { system: { all: true } }
  if (options.project_id !== null) return { project: { id: options.project_id } }
  if (options.project_name !== null) {
    const domain = reference(
      options.project_domain_id ?? options.default_domain_id,
      options.project_domain_name ?? options.default_domain_name,
    )
    return { project: { name: options.project_name, domain: domain ?? defaultDomain } }
  }
  return undefined
}

const defaultDomain = { id: 'default' }

function reference(id: string | null, name: string | null): object | undefined {
  return id !== null ? { id } : name !== null ? { name } : undefined
}

type Named = { id?: unknown; name?: unknown; domain?: { id?: unknown } }
export type KeystoneToken = {
  expires_at?: unknown
  catalog?: unknown
  user?: Named
  project?: Named
  domain?: Named
  system?: { all?: unknown }
  roles?: { name?: unknown }[]
  is_admin_project?: unknown
  application_credential?: { access_rules?: unknown }
}

/** Throws IdentityUnavailable when the answer is none of Keystone's. */
export function tokenIn({ body }: HttpAnswer): KeystoneToken {
  try {
    const { token } = JSON.parse(body) as { token?: unknown }
    if (typeof token === 'object' && token !== null) return token
  } catch {
    // What follows says it.
  }
  throw new IdentityUnavailable('what answers is no Keystone')
}
