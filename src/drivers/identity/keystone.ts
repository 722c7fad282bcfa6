/**
 * Tokens of a Keystone, validated as keystonemiddleware does it: with a service user's own token, by GET /v3/auth/tokens. Answers are
 * remembered for a minute at most, so that a revoked token is refused within one.
 */
import { readFileSync } from 'node:fs'
import { getCACertificates } from 'node:tls'
import { type Config, ConfigError } from '../../config/config.ts'
import type { Clock } from '../../lib/clock.ts'
import { createHttpClient, type HttpAnswer } from '../../lib/http-request.ts'
import type { Log } from '../../lib/log.ts'
import { retry } from '../../lib/retry.ts'
import { IdentityUnavailable } from '../errors.ts'
import type { AccessRule, Identity, IdentityDriver } from './driver.ts'
import { checkKeystoneOptions } from './index.ts'
import { RememberedIdentities } from './remembered.ts'
import { withTokenRules } from './token-rules.ts'

/** However long `token_cache_time` is. */
const MAX_REMEMBERED_MS = 60_000
const MAX_CONNECTIONS = 20
/** Questions about different tokens that may wait for Keystone; one more is answered with 503. */
const MAX_QUESTIONS = 1_000
const MAX_ANSWER_BYTES = 1_048_576
/** For one request, where `http_connect_timeout` does not say otherwise. */
const DEFAULT_TIMEOUT_MS = 10_000
/** For a question with all its attempts: well before the API gives the client up. */
const DEADLINE_MS = 30_000
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 1_000
/** The service user's token is renewed this long before it ends; one that lives shorter, after half its life. */
const RENEW_BEFORE_MS = 30_000
/** What `OpenStack-Identity-Access-Rules` promises: that access rules are heeded here. */
const ACCESS_RULES_SUPPORT = '1'

export interface KeystoneOptions {
  config: Config
  clock: Clock
  log: Log
}

/** Throws ConfigError when options are missing or a file cannot be read. Asks nobody yet. */
export function keystoneIdentityDriver({ config, clock, log }: KeystoneOptions): IdentityDriver & { close(): void } {
  checkKeystoneOptions(config)
  const options = config.keystone_authtoken
  const http = createHttpClient({
    maxConnections: MAX_CONNECTIONS,
    maxAnswerBytes: MAX_ANSWER_BYTES,
    timeoutMs: options.http_connect_timeout === null ? DEFAULT_TIMEOUT_MS : options.http_connect_timeout * 1_000,
    tls: tlsOptions(options),
  })
  const lifetimeMs = Math.min(options.token_cache_time * 1_000, MAX_REMEMBERED_MS)
  const remembered = new RememberedIdentities(clock, lifetimeMs)
  const questions = new Map<string, Promise<Identity | null>>()
  const authUrl = v3Url(options.auth_url!)

  let session: Session | undefined
  let login: Promise<Session> | undefined

  /** One login at a time, whoever waits for it. In: a session that Keystone no longer takes. */
  async function currentSession(refused: Session | undefined): Promise<Session> {
    if (session !== undefined && session !== refused && clock.now() < session.renewAt) return session
    login ??= logIn(AbortSignal.timeout(DEADLINE_MS)).finally(() => {
      login = undefined
    })
    session = await login
    return session
  }

  async function logIn(signal: AbortSignal): Promise<Session> {
    const body = JSON.stringify({ auth: { identity: passwordOf(options), scope: scopeOf(options) } })
    const answer = await ask(`${authUrl}/auth/tokens`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body, signal })
    if (answer.status !== 201) throw refusedLogin(answer.status)
    const token = answer.headers['x-subject-token']
    const { expires_at, catalog } = tokenIn(answer)
    if (typeof token !== 'string' || typeof expires_at !== 'string')
      throw new IdentityUnavailable('Keystone answered a login without a token')
    const leftMs = Date.parse(expires_at) - clock.now()
    return { token, endpoint: endpointIn(catalog) ?? authUrl, renewAt: clock.now() + Math.max(leftMs - RENEW_BEFORE_MS, leftMs / 2) }
  }

  function refusedLogin(status: number): IdentityUnavailable {
    log.error(`[keystone_authtoken]: Keystone refuses the service user with ${status}; no token can be validated`)
    return new IdentityUnavailable(`Keystone refuses the service user with ${status}`)
  }

  function endpointIn(catalog: unknown): string | undefined {
    const services = Array.isArray(catalog) ? (catalog as { type?: string; endpoints?: Endpoint[] }[]) : []
    const { interface: wanted, region_name } = options
    const endpoint = services
      .filter(({ type }) => type === 'identity')
      .flatMap(({ endpoints }) => endpoints ?? [])
      .find((found) => found.interface === wanted && (region_name === null || (found.region_id ?? found.region) === region_name))
    return endpoint?.url === undefined ? undefined : v3Url(endpoint.url)
  }

  /** Tries again when Keystone is silent or fails; answers of any other kind are the caller's. */
  function ask(url: string, wanted: { method: string; headers: Record<string, string>; body?: string; signal: AbortSignal }) {
    const attempts = options.http_request_max_retries + 1
    const { signal } = wanted
    return retry(
      { attempts, firstWaitMs: FIRST_WAIT_MS, longestWaitMs: LONGEST_WAIT_MS, when: () => !signal.aborted, signal },
      async () => {
        const answer = await http.send(url, {
          ...wanted,
          headers: { ...wanted.headers, Accept: 'application/json', 'User-Agent': 'ottavia' },
        })
        if (answer.status >= 500 || answer.status === 429) throw new Error(`Keystone answers with ${answer.status}`)
        return answer
      },
    )
  }

  async function validate(token: string, allowExpired: boolean, signal: AbortSignal): Promise<Identity | null> {
    let refused: Session | undefined
    for (;;) {
      const own = await currentSession(refused)
      const query = allowExpired ? '?nocatalog=1&allow_expired=1' : '?nocatalog=1'
      const answer = await ask(`${own.endpoint}/auth/tokens${query}`, {
        method: 'GET',
        headers: { 'X-Auth-Token': own.token, 'X-Subject-Token': token, 'OpenStack-Identity-Access-Rules': ACCESS_RULES_SUPPORT },
        signal,
      })
      if (answer.status === 200) return identityIn(answer)
      if (answer.status === 404) return null
      // Our own token is not taken any more: once a new one.
      if (answer.status !== 401 || refused !== undefined)
        throw new IdentityUnavailable(`Keystone answers a validation with ${answer.status}`)
      refused = own
    }
  }

  /** Requests with the same token ask once. */
  function question(name: string, token: string, allowExpired: boolean): Promise<Identity | null> {
    const key = `${name}${allowExpired}`
    const asked = questions.get(key)
    if (asked !== undefined) return asked
    if (questions.size >= MAX_QUESTIONS) throw new IdentityUnavailable(`${MAX_QUESTIONS} questions to Keystone wait already`)
    const askedAt = clock.monotonic()
    const answer = validate(token, allowExpired, AbortSignal.timeout(DEADLINE_MS))
      .then((identity) => {
        if (identity !== null) remembered.set(name, identity, askedAt)
        return identity
      })
      .catch((error: Error) => {
        const unavailable = error instanceof IdentityUnavailable ? error : new IdentityUnavailable(reasonOf(error))
        log.error(`tokens cannot be validated: ${unavailable.message}`)
        throw unavailable
      })
      .finally(() => questions.delete(key))
    questions.set(key, answer)
    return answer
  }

  const driver = withTokenRules(
    {
      async find(token, allowExpired) {
        // A header cannot carry anything else, and no identity service makes it.
        if (!/^[\x21-\x7e]+$/.test(token)) return null
        const name = remembered.nameOf(token)
        return remembered.get(name) ?? question(name, token, allowExpired)
      },
    },
    options,
    clock,
  )
  return { ...driver, close: () => http.close() }
}

/** The service user's own token, where its catalog says tokens are validated, and when it has to be renewed. */
type Session = { token: string; endpoint: string; renewAt: number }
type Endpoint = { interface?: string; region?: string; region_id?: string; url?: string }
type Options = Config['keystone_authtoken']

/** The root of Keystone, or its /v3: both are common. */
function v3Url(url: string): string {
  const root = url.replace(/\/+$/, '')
  return root.endsWith('/v3') ? root : `${root}/v3`
}

function passwordOf(options: Options): object {
  const domain = reference(options.user_domain_id ?? options.default_domain_id, options.user_domain_name ?? options.default_domain_name)
  const user = options.user_id === null ? { name: options.username, domain: domain ?? defaultDomain } : { id: options.user_id }
  return { methods: ['password'], password: { user: { ...user, password: options.password } } }
}

/** Undefined: the user's default project. */
function scopeOf(options: Options): object | undefined {
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

function tlsOptions({ cafile, certfile, keyfile, insecure }: Options) {
  const read = (name: string, file: string | null) => {
    if (file === null) return undefined
    try {
      return readFileSync(file, 'utf8')
    } catch (error) {
      throw new ConfigError(`[keystone_authtoken] ${name}: ${(error as Error).message}`)
    }
  }
  const cert = read('certfile', certfile)
  return {
    ca: read('cafile', cafile) ?? getCACertificates('system'),
    cert,
    key: read('keyfile', keyfile) ?? cert,
    rejectUnauthorized: !insecure,
  }
}

type Named = { id?: unknown; name?: unknown; domain?: { id?: unknown } }
type KeystoneToken = {
  expires_at?: unknown
  catalog?: unknown
  user?: Named
  project?: Named
  domain?: Named
  system?: { all?: unknown }
  roles?: { name?: unknown }[]
  is_admin_project?: unknown
  application_credential?: { access_rules?: AccessRule[] }
}

function tokenIn({ body }: HttpAnswer): KeystoneToken {
  try {
    const { token } = JSON.parse(body) as { token?: unknown }
    if (typeof token === 'object' && token !== null) return token
  } catch {
    // What follows says it.
  }
  throw new IdentityUnavailable('what answers is no Keystone')
}

function identityIn(answer: HttpAnswer): Identity {
  const token = tokenIn(answer)
  const { user, project, domain, system, expires_at } = token
  const text = (value: unknown) => (typeof value === 'string' ? value : null)
  const user_id = text(user?.id)
  if (user_id === null || typeof expires_at !== 'string') throw new IdentityUnavailable('what answers is no Keystone')
  return {
    user_id,
    user_name: text(user?.name) ?? '',
    user_domain_id: text(user?.domain?.id),
    project_id: text(project?.id),
    project_name: text(project?.name),
    project_domain_id: text(project?.domain?.id),
    domain_id: text(domain?.id),
    system_scope: system?.all === true ? 'all' : null,
    roles: (token.roles ?? []).flatMap(({ name }) => text(name) ?? []),
    is_admin_project: token.is_admin_project !== false,
    expires_at,
    access_rules: token.application_credential?.access_rules ?? null,
  }
}

/** Messages of sockets name addresses and what went wrong there; nothing of the request. */
function reasonOf(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code
  return error.name === 'TimeoutError' || code === 'ABORT_ERR'
    ? `Keystone gave no answer within ${DEADLINE_MS} ms`
    : error.message || String(code)
}
