/**
 * Tokens of a Keystone, validated as keystonemiddleware does it: with a service user's own token, by GET /v3/auth/tokens. Answers are
 * remembered for a minute at most, so that a revoked token is refused within one.
 */
import type { Config } from '../../config/config.ts'
import type { Clock } from '../../lib/clock.ts'
import { createHttpClient, type HttpAnswer } from '../../lib/http-request.ts'
import type { Log } from '../../lib/log.ts'
import { IdentityUnavailable } from '../errors.ts'
import { createLogin, endpointIn, KEYSTONE_DEADLINE_MS, type Session, tlsOptions, tokenIn, v3Url } from '../openstack/login.ts'
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
    tls: tlsOptions('keystone_authtoken', options),
  })
  const lifetimeMs = Math.min(options.token_cache_time * 1_000, MAX_REMEMBERED_MS)
  const remembered = new RememberedIdentities(clock, lifetimeMs)
  const questions = new Map<string, Promise<Identity | null>>()
  const login = createLogin({
    section: 'keystone_authtoken',
    options,
    attempts: options.http_request_max_retries + 1,
    http,
    clock,
    log,
  })

  /** Where tokens are validated, by the catalog of our own token. */
  function validationUrl({ catalog }: Session): string {
    const { interface: wanted, region_name } = options
    const endpoint = endpointIn(catalog, { type: 'identity', name: null, interfaces: [wanted], region: region_name })
    return endpoint === undefined ? login.authUrl : v3Url(endpoint)
  }

  async function validate(token: string, allowExpired: boolean, signal: AbortSignal): Promise<Identity | null> {
    let refused: Session | undefined
    for (;;) {
      const own = await login.current(refused)
      const query = allowExpired ? '?nocatalog=1&allow_expired=1' : '?nocatalog=1'
      const answer = await login.ask(`${validationUrl(own)}/auth/tokens${query}`, {
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
    const answer = validate(token, allowExpired, AbortSignal.timeout(KEYSTONE_DEADLINE_MS))
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
    access_rules: (token.application_credential?.access_rules as AccessRule[] | undefined) ?? null,
  }
}

/** Messages of sockets name addresses and what went wrong there; nothing of the request. */
function reasonOf(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code
  return error.name === 'TimeoutError' || code === 'ABORT_ERR'
    ? `Keystone gave no answer within ${KEYSTONE_DEADLINE_MS} ms`
    : error.message || String(code)
}
