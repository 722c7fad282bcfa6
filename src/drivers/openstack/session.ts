/**
 * OpenStack's services as the service user of `[service_auth]` reaches them: each by its endpoint in the catalog, with patience where it may pass (no
 * connection, 429, 5xx), with none where it will not.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { setTimeout as realSleep } from 'node:timers/promises'
import { type Config, ConfigError } from '../../config/config.ts'
import { currentActivity, currentTraceparent, inSpan } from '../../lib/activity.ts'
import type { Clock } from '../../lib/clock.ts'
import { Distrust } from '../../lib/distrust.ts'
import { createHttpClient, type HttpAnswer, type HttpClient } from '../../lib/http-request.ts'
import type { Log } from '../../lib/log.ts'
import type { Sleep } from '../../lib/retry.ts'
import type { Metrics } from '../../monitoring/metrics.ts'
import { IdentityUnavailable, ServiceError } from '../errors.ts'
import { checkLoginOptions, createLogin, endpointIn, KeystoneFailed, type Session, tlsOptions } from './login.ts'
import { typeOf, wordsOf } from './words.ts'

/** Of one service at once; further requests wait for one. */
const MAX_CONNECTIONS = 20
const MAX_ANSWER_BYTES = 16 * 1_048_576
/** For one request, where `[service_auth] timeout` does not say otherwise. */
const DEFAULT_TIMEOUT_MS = 60_000
const LOGIN_ATTEMPTS = 4
/** However long a service asks to be left alone (`Retry-After`). */
const LONGEST_RETRY_AFTER_MS = 60_000
/** A client of the API waits for us: no further attempt is begun after that time. Flows have the patience of the options. */
const REQUEST_PATIENCE_MS = 10_000
/** Of a listing; with the services' own limits that is a million things. */
const MAX_PAGES = 1_000
/** Nothing of the request has reached the service. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

/** Of a service's section in octavia.conf. */
export interface ServiceOptions {
  service_name: string | null
  endpoint: string | null
  endpoint_override: string | null
  region_name: string | null
  endpoint_type: string
  valid_interfaces: string[]
  ca_certificates_file: string | null
  insecure: boolean
}

/** As `[compute]` and `[networking]` have it; seconds. */
export interface RetryPatience {
  max_retries: number
  retry_interval: number
  retry_backoff: number
  retry_max: number
}

export interface ServiceDescription {
  /** As messages and metrics call it. */
  name: 'Nova' | 'Neutron' | 'Glance' | 'Barbican' | 'Keystone'
  /** In the catalog. */
  type: 'compute' | 'network' | 'image' | 'key-manager' | 'identity'
  /** Of octavia.conf, for messages. */
  section: string
  options: ServiceOptions
  patience: RetryPatience
  /** What paths begin with and an endpoint may end with, or not (`/v2.0`). */
  version?: string
  /** With every request, such as a microversion. */
  headers?: Record<string, string>
}

export interface ServiceAnswer<T> {
  status: number
  /** The JSON of the answer; undefined where it is none. */
  body: T
  text: string
  /** What is no text, such as a secret's payload. */
  bytes: Buffer
  headers: IncomingHttpHeaders
}

export type Query = Record<string, string | readonly string[] | undefined>

export interface ServiceRequest {
  query?: Query
  /** Sent as JSON; text and bytes as they are, with their own Content-Type. */
  body?: unknown
  headers?: Record<string, string>
  /** Statuses that are an answer, not an error, besides 2xx. */
  accept?: readonly number[]
  /** Statuses that may pass, besides 429 and 5xx: 409 where the service is busy with the thing. */
  retryOn?: readonly number[]
  /**
   * Whether it may arrive twice. Default: all but POST. What may not is tried again only where it certainly has not arrived, or was refused for its
   * rate (429).
   */
  repeatable?: boolean
  timeoutMs?: number
  /** A user's, instead of the service user's own; it is not renewed. */
  token?: string
}

/** One service's REST API. Errors: ServiceError. */
export interface ServiceClient {
  /** In: the path after the endpoint, `/v2.0/ports`, its parts escaped. */
  request<T = unknown>(method: string, path: string, options?: ServiceRequest): Promise<ServiceAnswer<T>>
  /** All pages of a listing: what stands under `key`. */
  list<T>(path: string, key: string, options?: ServiceRequest): Promise<T[]>
}

export interface OpenStackSession {
  client(service: ServiceDescription): ServiceClient
  /** Of the service user and the project his token is for. Throws IdentityUnavailable. */
  who(): Promise<Pick<Session, 'user_id' | 'project_id' | 'roles' | 'catalog'>>
  close(): void
}

export interface SessionContext {
  config: Config
  clock: Clock
  log: Log
  metrics?: Metrics
  /** Tests pass another, for which hours are a moment. */
  sleep?: Sleep
}

/** Throws ConfigError when options are missing or a file cannot be read. Asks nobody yet. */
export function openStackSession({ config, clock, log, metrics, sleep = realSleep }: SessionContext): OpenStackSession {
  const options = config.service_auth
  checkLoginOptions('service_auth', options, 'a driver that asks a service of OpenStack')
  const bounds = {
    maxConnections: MAX_CONNECTIONS,
    maxAnswerBytes: MAX_ANSWER_BYTES,
    timeoutMs: options.timeout === null ? DEFAULT_TIMEOUT_MS : options.timeout * 1_000,
  }
  const keystone = createHttpClient({ ...bounds, tls: tlsOptions('service_auth', options) })
  const login = createLogin({ section: 'service_auth', options, attempts: LOGIN_ATTEMPTS, http: keystone, clock, log })
  const opened: HttpClient[] = [keystone]

  function client(service: ServiceDescription): ServiceClient {
    const { name, section } = service
    const cafile = service.options.ca_certificates_file ?? options.cafile
    const insecure = service.options.insecure || options.insecure
    const tls = tlsOptions(section, { ...options, cafile, insecure }, { cafile: 'ca_certificates_file' })
    const http = createHttpClient({ ...bounds, tls })
    opened.push(http)

    async function request<T>(method: string, path: string, asked: ServiceRequest = {}): Promise<ServiceAnswer<T>> {
      const { repeatable = method !== 'POST', accept = [], retryOn = [], token, timeoutMs } = asked
      const what = `${method} ${path}`
      const { max_retries } = service.patience
      const giveUpAt = isOfFlow() ? Number.POSITIVE_INFINITY : clock.monotonic() + REQUEST_PATIENCE_MS
      let refused: Session | undefined
      for (let attempt = 1; ; attempt++) {
        const isLast = attempt >= max_retries || clock.monotonic() >= giveUpAt
        const own = await ownSession(name, what, refused)
        let answer: HttpAnswer
        const beganAt = performance.now()
        try {
          answer = await http.send(urlOf(service, own, path, asked.query), {
            method,
            headers: headersOf(service, asked, token ?? own.token),
            body: bodyOf(asked.body),
            timeoutMs,
            onNewConnection: !repeatable,
          })
        } catch (error) {
          count(0, beganAt)
          const words = (error as Error).message || String((error as NodeJS.ErrnoException).code)
          const mayAgain = !(error instanceof Distrust) && (repeatable || NOT_SENT.has((error as NodeJS.ErrnoException).code ?? ''))
          if (!mayAgain || isLast) throw new ServiceError(name, what, { status: 0, words })
          await pause(service.patience, attempt)
          continue
        }
        const { status, body: text, bytes, headers } = answer
        count(status, beganAt)
        if ((status >= 200 && status < 300) || accept.includes(status)) {
          return { status, body: parsed(text) as T, text, bytes, headers }
        }
        // Our own token is not taken any more: once a new one.
        if (status === 401 && token === undefined && refused === undefined) {
          refused = own
          continue
        }
        const mayPass = status === 429 || retryOn.includes(status) || (status >= 500 && status !== 501 && repeatable)
        if (!mayPass || isLast) throw new ServiceError(name, what, { status, words: wordsOf(text), type: typeOf(text) })
        await pause(service.patience, attempt, headers['retry-after'])
      }

      function count(status: number, beganAt: number): void {
        metrics?.openstack_requests_total.add({ service: name, method, status: String(status) })
        metrics?.openstack_request_duration_seconds.observe({ service: name, method }, (performance.now() - beganAt) / 1_000)
      }
    }

    return {
      request: (method, path, asked) =>
        inSpan(`${name} ${method}`, { attributes: { 'url.path': path } }, () => request(method, path, asked)),
      async list<T>(path: string, key: string, asked: ServiceRequest = {}) {
        const found: T[] = []
        let query = asked.query
        for (let page = 0; page < MAX_PAGES; page++) {
          const { body } = await this.request<Record<string, unknown>>('GET', path, { ...asked, query })
          found.push(...((body?.[key] as T[] | undefined) ?? []))
          const next = nextPage(body, key)
          if (next === undefined) return found
          query = next
        }
        throw new ServiceError(name, `GET ${path}`, { status: 0, words: `a listing of more than ${MAX_PAGES} pages` })
      },
    }
  }

  async function ownSession(name: string, what: string, refused: Session | undefined): Promise<Session> {
    try {
      return await login.current(refused)
    } catch (error) {
      if (!(error instanceof IdentityUnavailable)) {
        const answer = error instanceof KeystoneFailed ? error : { status: 0, words: (error as Error).message }
        throw new ServiceError('Keystone', `the login for ${name} (${what})`, answer)
      }
      throw error
    }
  }

  /** Upstream's waits (`[networking] retry_interval, retry_backoff, retry_max`), or the service's own wish. */
  async function pause({ retry_interval, retry_backoff, retry_max }: RetryPatience, attempt: number, retryAfter?: string): Promise<void> {
    const wished = Number(retryAfter) * 1_000
    const usual = Math.min(retry_interval + retry_backoff * (attempt - 1), retry_max) * 1_000
    await sleep(Number.isFinite(wished) ? Math.min(Math.max(wished, usual), LONGEST_RETRY_AFTER_MS) : usual)
  }

  return {
    client,
    async who() {
      const { user_id, project_id, roles, catalog } = await login.current()
      return { user_id, project_id, roles, catalog }
    },
    close() {
      for (const http of opened) http.close()
    },
  }
}

const isOfFlow = (): boolean => currentActivity()?.flow_id !== undefined

/** Throws ConfigError where neither octavia.conf nor the catalog knows. */
function urlOf(
  { name, type, section, options, version = '' }: ServiceDescription,
  { catalog }: Session,
  path: string,
  query?: Query,
): string {
  const interfaces = (options.valid_interfaces.length > 0 ? options.valid_interfaces : [options.endpoint_type]).map((word) =>
    word.replace(/URL$/, ''),
  )
  const endpoint =
    options.endpoint_override ??
    options.endpoint ??
    endpointIn(catalog, { type, name: options.service_name, interfaces, region: options.region_name })
  if (endpoint === undefined) {
    const region = options.region_name === null ? '' : ` in ${options.region_name}`
    throw new ConfigError(
      `[${section}] endpoint: missing, and the catalog has no ${interfaces.join(' or ')} endpoint of ${name} (${type})${region}`,
    )
  }
  const root = endpoint.replace(/\/+$/, '')
  const base = version !== '' && root.endsWith(version) ? root.slice(0, -version.length) : root
  const parameters = new URLSearchParams()
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue
    for (const one of typeof value === 'string' ? [value] : value) parameters.append(key, one)
  }
  return parameters.size === 0 ? `${base}${path}` : `${base}${path}?${parameters}`
}

function headersOf(service: ServiceDescription, asked: ServiceRequest, token: string): Record<string, string> {
  const activity = currentActivity()
  const requestId = activity?.global_request_id ?? activity?.request_id
  const traceparent = currentTraceparent()
  return {
    Accept: 'application/json',
    'User-Agent': 'ottavia',
    ...(asked.body === undefined ? {} : { 'Content-Type': 'application/json' }),
    ...(requestId === undefined ? {} : { 'X-OpenStack-Request-ID': requestId }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...service.headers,
    ...asked.headers,
    'X-Auth-Token': token,
  }
}

function bodyOf(body: unknown): string | Uint8Array | undefined {
  return body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Neutron and Nova name the next page in `KEY_links`, Glance and Barbican in `next`. */
function nextPage(body: Record<string, unknown>, key: string): Query | undefined {
  const links = body?.[`${key}_links`]
  const listed = Array.isArray(links) ? (links as { rel?: string; href?: string }[]).find(({ rel }) => rel === 'next')?.href : undefined
  const href = listed ?? (typeof body?.next === 'string' ? body.next : undefined)
  if (href === undefined) return undefined
  const query: Record<string, string[]> = {}
  for (const [name, value] of new URL(href, 'http://localhost').searchParams) query[name] = [...(query[name] ?? []), value]
  return query
}
