/**
 * What every operation of the client needs: requests, faults, pages, waiting. Nothing here or beside it imports anything else of the
 * program or of a package, so the folder may be copied into another project.
 */

export interface ConnectionOptions {
  /** The service's URL as the catalog has it: `http://127.0.0.1:9876`, also with a path such as `/load-balancer` or `/v2.0`. */
  endpoint: string
  /** X-Auth-Token, or what gets one; not needed where the service asks for no authentication. */
  token?: string | (() => Promise<string>)
  /** Sent with every request. */
  headers?: Record<string, string>
  /** Longest time for one request, default 60 s. */
  timeoutMs?: number
}

type QueryValue = string | number | boolean | readonly (string | number | boolean)[] | null | undefined

interface RequestOptions {
  query?: object
  body?: object
}

export interface Page<T> {
  items: T[]
  /** What to give as `marker` for the page after this one; null where it was the last. */
  next: string | null
  /** The same for the page before, together with `page_reverse`. */
  previous: string | null
}

/** The service said no. */
export class Fault extends Error {
  readonly status: number
  /** What was wrong, in the service's words. */
  readonly faultstring: string
  readonly request_id: string | null
  constructor(status: number, faultstring: string, request_id: string | null) {
    super(`${faultstring} (HTTP ${status})${request_id === null ? '' : ` (Request-ID: ${request_id})`}`)
    this.name = 'Fault'
    this.status = status
    this.faultstring = faultstring
    this.request_id = request_id
  }
}

/** The service could not be asked, or gave an answer that is none of its own. */
export class ConnectionError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ConnectionError'
  }
}

const DEFAULT_TIMEOUT_MS = 60_000
/** A list of ten thousand load balancers has a tenth of it. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024

/** Node's fetch keeps connections alive between requests. */
export class Connection {
  readonly #base: string
  readonly #options: ConnectionOptions

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#base = options.endpoint.replace(/\/+$/, '').replace(/\/v2(\.0)?$/, '')
  }

  protected async object<T>(method: string, path: string, key: string, options?: RequestOptions): Promise<T> {
    const answer = await this.#request(method, path, options)
    return answer[key] as T
  }

  /** `links` is the key of the page's links. */
  protected async page<T>(path: string, key: string, links: string, options?: RequestOptions): Promise<Page<T>> {
    const answer = await this.#request('GET', path, options)
    const found = (answer[links] ?? []) as { rel: string; href: string }[]
    const marker = (rel: string) => markerOf(found.find((link) => link.rel === rel)?.href)
    return { items: answer[key] as T[], next: marker('next'), previous: marker('previous') }
  }

  protected async nothing(method: string, path: string, options?: RequestOptions): Promise<void> {
    await this.#request(method, path, options)
  }

  /** Lines of text as they come, until there are no more or the caller leaves its loop; the time limit is for the first sign of an answer. */
  protected async *lines(path: string, { query }: RequestOptions = {}): AsyncGenerator<string> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = this.#options
    const url = `${this.#base}${path}${queryString(query)}`
    const gone = new AbortController()
    const timer = setTimeout(() => gone.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    try {
      const init: RequestInit = { headers: await this.#headers('text/plain, application/json'), redirect: 'error', signal: gone.signal }
      const response = await fetch(url, init)
      clearTimeout(timer)
      if (!response.ok) throw faultIn(response, await bounded(response))
      let rest = ''
      for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const lines = (rest + piece).split('\n')
        rest = lines.pop()!
        if (rest.length > MAX_ANSWER_BYTES) throw new ConnectionError(`a line of more than ${MAX_ANSWER_BYTES} characters`)
        yield* lines
      }
      if (rest !== '') yield rest
    } catch (error) {
      if (error instanceof ConnectionError || error instanceof Fault) throw error
      throw new ConnectionError(`GET ${url} got no answer: ${reasonOf(error)}`, error)
    } finally {
      clearTimeout(timer)
      gone.abort()
    }
  }

  async #headers(accept: string): Promise<Record<string, string>> {
    const { token, headers } = this.#options
    const sent: Record<string, string> = { accept, ...headers }
    if (token !== undefined) sent['x-auth-token'] = typeof token === 'string' ? token : await token()
    return sent
  }

  async #request(method: string, path: string, { query, body }: RequestOptions = {}): Promise<Record<string, unknown>> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = this.#options
    const url = `${this.#base}${path}${queryString(query)}`
    const sent = await this.#headers('application/json')
    if (body !== undefined) sent['content-type'] = 'application/json'
    // Given to nobody but the service itself: a redirect would take the token elsewhere.
    const init: RequestInit = { method, headers: sent, redirect: 'error' }
    if (body !== undefined) init.body = JSON.stringify(body)
    const { text } = await exchange(url, init, timeoutMs)
    if (text === '') return {}
    const answer = parsed(text)
    if (answer === undefined) throw new ConnectionError(`${method} ${url} was answered with something else than an object in JSON`)
    return answer
  }
}

/**
 * Asks an OpenStack service: also others than load balancing may be asked with it. Throws Fault for what it refuses, ConnectionError where it
 * gives no answer.
 *
 * A GET is asked a second time when the service closed the connection: it may have been one kept open that was just given up.
 */
export async function exchange(url: string, init: RequestInit, timeoutMs: number): Promise<{ response: Response; text: string }> {
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) })
      const text = await bounded(response)
      if (response.ok) return { response, text }
      throw faultIn(response, text)
    } catch (error) {
      if (error instanceof ConnectionError || error instanceof Fault) throw error
      const { cause } = error as { cause?: { code?: unknown } }
      if (init.method === 'GET' && attempt === 1 && cause?.code === 'UND_ERR_SOCKET') continue
      throw new ConnectionError(`${init.method} ${url} got no answer: ${reasonOf(error)}`, error)
    }
  }
}

function faultIn({ status, statusText, headers }: Response, text: string): Fault {
  return new Fault(status, faultstringIn(text) || statusText, headers.get('x-openstack-request-id'))
}

/** One word of a path. */
export function segment(text: string): string {
  // An empty word would make another path, and these two are taken away before the request is sent.
  if (text === '' || text === '.' || text === '..') throw new TypeError(`'${text}' is no id`)
  return encodeURIComponent(text)
}

function queryString(query: object | undefined): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries((query ?? {}) as Record<string, QueryValue>)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined && one !== null) parameters.append(name, String(one))
  }
  return parameters.size === 0 ? '' : `?${parameters}`
}

/** Of a link nothing but its marker is used: its host may be known to a proxy alone, and filters are not in it. */
function markerOf(href: string | undefined): string | null {
  return href === undefined ? null : new URLSearchParams(href.slice(href.indexOf('?') + 1)).get('marker')
}

async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_ANSWER_BYTES) throw new ConnectionError(`an answer of more than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error
  // fetch says 'fetch failed', and why in the cause.
  return cause instanceof Error && cause.message !== '' ? cause.message : message
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** Of any of the shapes that faults have. */
function faultstringIn(text: string): string {
  const body = parsed(text) as
    | {
        faultstring?: string
        description?: string
        error?: { message?: string }
        errors?: { detail?: string }[]
        title?: string
        message?: string
      }
    | undefined
  if (body === undefined) return text.trim()
  return (
    body.faultstring ??
    (body.description || body.error?.message || body.errors?.[0]?.detail || withoutTags(body.message ?? '') || body.title || '')
  )
}

function withoutTags(html: string): string {
  return html
    .replaceAll(/<[^>]*>|\s+/g, ' ')
    .replaceAll(/ +/g, ' ')
    .trim()
}

/**
 * All objects of a list, page by page, as they are asked for: `for await (const pool of each((page) => client.listPools({ ...page, name })))`.
 */
export async function* each<T>(list: (page: { marker?: string }) => Promise<Page<T>>): AsyncGenerator<T> {
  let marker: string | undefined
  for (;;) {
    const page: Page<T> = await list(marker === undefined ? {} : { marker })
    yield* page.items
    // A full page names a next one, which may be empty.
    if (page.next === null || page.next === marker || page.items.length === 0) return
    marker = page.next
  }
}

export interface WaitOptions {
  /** Default: 300 s, after which it throws. */
  timeoutMs?: number
}

/** What was waited for will not come, or not in time. */
export class WaitError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'WaitError'
  }
}

interface Watched {
  provisioning_status: string
  fault?: { message: string }
}

const DEFAULT_WAIT_MS = 300_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000

/** Reads the object until it is ACTIVE and answers it; throws when it is in ERROR. */
export async function waitForActive<T extends Watched>(read: () => Promise<T>, options: WaitOptions = {}): Promise<T> {
  return waitFor(options, 'ACTIVE', async () => {
    const object = await read()
    if (object.provisioning_status === 'ERROR') throw new WaitError(`It ended in ERROR${because(object)}.`)
    return object.provisioning_status === 'ACTIVE' ? object : undefined
  })
}

/** Reads the object until there is none; throws when it is in ERROR. */
export async function waitForDeleted(read: () => Promise<Watched>, options: WaitOptions = {}): Promise<void> {
  await waitFor(options, 'deleted', async () => {
    try {
      const object = await read()
      if (object.provisioning_status === 'ERROR') throw new WaitError(`It could not be deleted and is in ERROR${because(object)}.`)
      return object.provisioning_status === 'DELETED' ? true : undefined
    } catch (error) {
      if (error instanceof Fault && error.status === 404) return true
      throw error
    }
  })
}

async function waitFor<T>({ timeoutMs = DEFAULT_WAIT_MS }: WaitOptions, wanted: string, look: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + timeoutMs
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
    const found = await look()
    if (found !== undefined) return found
    const leftMs = end - performance.now()
    if (leftMs <= 0) throw new WaitError(`It is not ${wanted} after ${timeoutMs / 1_000} s.`)
    await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, leftMs)))
  }
}

const because = ({ fault }: Watched) => (fault === undefined ? '' : `: ${fault.message}`)
