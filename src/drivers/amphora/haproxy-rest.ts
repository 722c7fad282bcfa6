/** Amphorae driven through their agents' REST API 1.0: ours and upstream's (`octavia/amphorae/drivers/haproxy/rest_api_driver.py`). */
import { setTimeout as sleep } from 'node:timers/promises'
import { type AgentAnswer, type AgentClient, type AgentRequest, createAgentClient } from '../../agent/client.ts'
import { FENCED_MESSAGE, FLOW_HEADER, GENERATION_HEADER, REQUEST_ID_HEADER } from '../../agent/fence.ts'
import { md5 } from '../../agent/files.ts'
import type { Config } from '../../config/config.ts'
import { currentActivity, currentTraceparent, inSpan } from '../../lib/activity.ts'
import { sideBySide } from '../../lib/side-by-side.ts'
import type { TrustMaterial } from '../../trust/trust.ts'
import { AgentError, AgentUnreachable, FencedError, RefusedError } from '../errors.ts'
import type { Fence } from '../network/driver.ts'
import { servedByAmphorae } from './capabilities.ts'
import type {
  AgentAddress,
  AgentInfo,
  AmphoraDriver,
  Applied,
  CertificateFile,
  HaproxyFiles,
  NetworkPlug,
  Patience,
  ProviderCapabilities,
  VipPlug,
} from './driver.ts'

/** The wait between two attempts of the first second, in which an agent on this host boots; then each is twice as long, up to the configured interval. */
const FIRST_WAIT_MS = 10
const EAGER_MS = 1_000
/** While a machine boots an attempt costs little, and whoever waits longer between two finds it ready so much later. */
const BOOTING_WAIT_MS = 1_000
/** Files of certificates that are asked for or sent at the same time; each needs a connection of its own. */
const FILES_AT_ONCE = 4
/** Amphorae of which it is remembered who takes their logs; to ask again costs one request. */
const MAX_REMEMBERED = 20_000
/** How often the compute driver is asked whether the machine is still there, while its agent is silent. */
const STILL_THERE_INTERVAL_MS = 250

export interface HaproxyRestOptions {
  config: Pick<Config, 'haproxy_amphora'>
  /** Whose certificate is shown to agents, and by which CAs these are known. */
  trust: { readonly current: Pick<TrustMaterial, 'client' | 'serverCas'> }
  /** Where the amphorae cannot do all that agents can. */
  capabilities?: ProviderCapabilities
}

interface Asking {
  fence?: Fence
  patience?: Patience
  signal?: AbortSignal
  stillThere?: () => Promise<boolean>
  /** Statuses that are an answer, not an error, besides 2xx. */
  accept?: number[]
}

export class HaproxyRestDriver implements AmphoraDriver {
  readonly capabilities: ProviderCapabilities
  readonly hasHaproxy = true
  private readonly config: HaproxyRestOptions['config']
  private readonly trust: HaproxyRestOptions['trust']
  /** By amphora. */
  private readonly takingLogs = new Map<string, boolean>()
  private known: { by: Pick<TrustMaterial, 'client' | 'serverCas'>; client: AgentClient } | undefined

  constructor(options: HaproxyRestOptions) {
    this.config = options.config
    this.trust = options.trust
    this.capabilities = options.capabilities ?? servedByAmphorae
  }

  /** Closes idle connections; calls under way fail. */
  close(): void {
    this.known?.client.close()
  }

  /** Another one once the certificates are others. Calls under way go on, and agents close the connections that are left. */
  private get client(): AgentClient {
    const { current } = this.trust
    if (this.known?.by !== current) this.known = { by: current, client: this.newClient(current) }
    return this.known.client
  }

  private newClient({ client, serverCas }: Pick<TrustMaterial, 'client' | 'serverCas'>): AgentClient {
    const { bind_port, rest_request_conn_timeout, rest_request_read_timeout, lb_network_interface } = this.config.haproxy_amphora
    return createAgentClient({
      client,
      serverCas,
      port: bind_port,
      connectTimeoutMs: rest_request_conn_timeout * 1000,
      readTimeoutMs: rest_request_read_timeout * 1000,
      linkLocalInterface: lb_network_interface,
    })
  }

  async waitForAgent(
    amphora: AgentAddress,
    patience: Patience,
    options: { stillThere?: () => Promise<boolean>; signal?: AbortSignal } = {},
  ): Promise<AgentInfo> {
    const answer = await this.ask(amphora, { method: 'GET', path: '/1.0/info' }, { patience, ...options })
    const info = parseJson<AgentInfo>(amphora, 'GET /1.0/info', answer)
    if (this.takingLogs.size >= MAX_REMEMBERED) this.takingLogs.clear()
    this.takingLogs.set(amphora.id, info.capabilities?.includes('logs') === true)
    return info
  }

  async takesLogs(amphora: AgentAddress): Promise<boolean> {
    if (!this.takingLogs.has(amphora.id)) await this.waitForAgent(amphora, 'active')
    return this.takingLogs.get(amphora.id)!
  }

  async plugVip(amphora: AgentAddress, plug: VipPlug, fence: Fence): Promise<void> {
    const { vip_address, ...body } = plug
    // 409: an earlier attempt of this step has plugged it already.
    await this.ask(amphora, json('POST', `/1.0/plug/vip/${vip_address}`, body), { fence, accept: [409] })
  }

  async plugNetwork(amphora: AgentAddress, plug: NetworkPlug, fence: Fence): Promise<void> {
    await this.ask(amphora, json('POST', '/1.0/plug/network', plug), { fence })
  }

  async getInterface(amphora: AgentAddress, ip: string): Promise<string> {
    const path = `/1.0/interface/${ip}`
    const answer = await this.ask(amphora, { method: 'GET', path })
    return parseJson<{ interface: string }>(amphora, `GET ${path}`, answer).interface
  }

  async applyHaproxy(amphora: AgentAddress, load_balancer_id: string, files: HaproxyFiles, fence: Fence): Promise<Applied | null> {
    await sideBySide(files.certificates, FILES_AT_ONCE, (file) => this.uploadCertificate(amphora, load_balancer_id, file, fence))
    await this.ask(
      amphora,
      { method: 'PUT', path: `/1.0/loadbalancer/${amphora.id}/${load_balancer_id}/haproxy`, body: files.configuration },
      { fence },
    )
    // Reload also starts what does not run yet, with upstream's agent as with ours.
    const path = `/1.0/loadbalancer/${load_balancer_id}/reload`
    const answer = await this.ask(amphora, { method: 'PUT', path }, { fence })
    return parseJson<{ applied?: Applied }>(amphora, `PUT ${path}`, answer).applied ?? null
  }

  private async uploadCertificate(
    amphora: AgentAddress,
    load_balancer_id: string,
    { name, contents }: CertificateFile,
    fence: Fence,
  ): Promise<void> {
    if ((await this.findMd5(amphora, load_balancer_id, name)) === md5(contents)) return
    await this.ask(amphora, { method: 'PUT', path: certificatePath(load_balancer_id, name), body: contents }, { fence })
  }

  async heldCertificates(amphora: AgentAddress, load_balancer_id: string, names: string[]): Promise<string[]> {
    const found = await sideBySide(names, FILES_AT_ONCE, (name) => this.findMd5(amphora, load_balancer_id, name))
    return names.filter((_, i) => found[i] !== null)
  }

  private async findMd5(amphora: AgentAddress, load_balancer_id: string, name: string): Promise<string | null> {
    const path = certificatePath(load_balancer_id, name)
    const answer = await this.ask(amphora, { method: 'GET', path }, { accept: [404] })
    return answer.status === 404 ? null : parseJson<{ md5sum: string }>(amphora, `GET ${path}`, answer).md5sum
  }

  async deleteHaproxy(amphora: AgentAddress, load_balancer_id: string, fence: Fence): Promise<void> {
    await this.ask(amphora, { method: 'DELETE', path: `/1.0/listeners/${load_balancer_id}` }, { fence, accept: [404] })
  }

  async applyUdpListener(amphora: AgentAddress, listener_id: string, configuration: string, fence: Fence): Promise<void> {
    await this.ask(
      amphora,
      { method: 'PUT', path: `/1.0/listeners/${amphora.id}/${listener_id}/udp_listener`, body: configuration },
      { fence },
    )
    await this.ask(amphora, { method: 'PUT', path: `/1.0/loadbalancer/${listener_id}/reload` }, { fence })
  }

  async listUdpListeners(amphora: AgentAddress): Promise<string[]> {
    const path = '/1.0/listeners'
    const listeners = parseJson<{ uuid: string; type: string }[]>(amphora, `GET ${path}`, await this.ask(amphora, { method: 'GET', path }))
    // Upstream's agent calls SCTP listeners UDP, too.
    return listeners.filter(({ type }) => type === 'UDP' || type === 'SCTP').map(({ uuid }) => uuid)
  }

  async deleteUdpListener(amphora: AgentAddress, listener_id: string, fence: Fence): Promise<void> {
    await this.ask(amphora, { method: 'DELETE', path: `/1.0/listeners/${listener_id}` }, { fence, accept: [404] })
  }

  async applyKeepalived(amphora: AgentAddress, configuration: string, fence: Fence): Promise<void> {
    await this.ask(amphora, { method: 'PUT', path: '/1.0/vrrp/upload', body: configuration }, { fence })
    // Start reloads a keepalived that is running.
    await this.ask(amphora, { method: 'PUT', path: '/1.0/vrrp/start' }, { fence })
  }

  async stopKeepalived(amphora: AgentAddress, fence: Fence): Promise<void> {
    await this.ask(amphora, { method: 'PUT', path: '/1.0/vrrp/stop' }, { fence })
  }

  async handOver(
    amphora: AgentAddress,
    options: { drain_seconds: number; release_vips: boolean },
    fence: Fence,
  ): Promise<{ connections_left: number }> {
    const path = '/1.0/handover'
    // It answers when it is done, for which it has less time than an answer may take.
    const longest = this.config.haproxy_amphora.rest_request_read_timeout / 2
    const body = { ...options, drain_seconds: Math.min(options.drain_seconds, longest) }
    const answer = await this.ask(amphora, json('PUT', path, body), { fence })
    return parseJson<{ connections_left: number }>(amphora, `PUT ${path}`, answer)
  }

  async updateAgentConfiguration(amphora: AgentAddress, configuration: string, fence: Fence): Promise<void> {
    await this.ask(amphora, { method: 'PUT', path: '/1.0/config', body: configuration }, { fence })
  }

  async replaceServerCertificate(amphora: AgentAddress, pem: string, fence: Fence): Promise<void> {
    await this.ask(amphora, { method: 'PUT', path: '/1.0/certificate', body: pem }, { fence, patience: 'failover' })
  }

  async replaceClientCas(amphora: AgentAddress, pem: string, fence: Fence): Promise<boolean> {
    const wanted: AgentRequest = { method: 'PUT', path: '/1.0/client_cas', body: pem }
    // Ours: others know no such path.
    const { status } = await this.ask(amphora, wanted, { fence, patience: 'failover', accept: [404, 405] })
    return status < 300
  }

  async readLogs(
    amphora: AgentAddress,
    load_balancer_id: string,
    { follow, signal }: { follow: boolean; signal: AbortSignal },
  ): Promise<AsyncIterable<string> | null> {
    const path = `/1.0/loadbalancer/${load_balancer_id}/logs${follow ? '?follow' : ''}`
    const answer = await this.client.follow(amphora, { method: 'GET', path, signal }).catch((error: Error) => {
      throw new AgentUnreachable(amphora.id, error.message)
    })
    if (!('status' in answer)) return answer
    // Ours, where HAProxy serves nothing: no listener, or of UDP alone.
    if (answer.status === 404 && answer.body.includes('Loadbalancer Not Found')) return nothing()
    if (answer.status === 404 || answer.status === 405) return null
    if (answer.status === 503) throw new RefusedError('Too many follow the log of this load balancer.', 503)
    throw new AgentError(amphora.id, `GET ${path}`, answer.status, answer.body)
  }

  /**
   * Sends until the agent answers. Upstream's budget of waiting (`*_max_retries` times `*_retry_interval`) is kept, but the first waits are
   * short, for a machine that is up in milliseconds.
   */
  private ask(amphora: AgentAddress, wanted: AgentRequest, asking: Asking = {}): Promise<AgentAnswer> {
    const attributes = {
      'http.request.method': wanted.method,
      'url.path': wanted.path,
      'server.address': amphora.lb_network_ip,
      'ottavia.amphora_id': amphora.id,
    }
    return inSpan(`agent ${wanted.method} ${operationOf(wanted.path)}`, { kind: 'client', attributes }, async (span) => {
      const answer = await this.askWatching(amphora, wanted, asking)
      span?.set({ 'http.response.status_code': answer.status })
      return answer
    })
  }

  private async askWatching(amphora: AgentAddress, wanted: AgentRequest, asking: Asking): Promise<AgentAnswer> {
    const watch = watchMachine(asking.stillThere, asking.signal)
    try {
      return await this.askWhileThere(amphora, wanted, asking, watch.signal)
    } catch (error) {
      throw watch.isGone() ? new AgentUnreachable(amphora.id, 'its machine is gone') : error
    } finally {
      watch.end()
    }
  }

  private async askWhileThere(
    amphora: AgentAddress,
    wanted: AgentRequest,
    { fence, patience, accept }: Asking,
    signal: AbortSignal,
  ): Promise<AgentAnswer> {
    const { attempts, intervalMs } = this.budget(patience ?? 'active')
    const longestMs = patience === 'booting' ? Math.min(BOOTING_WAIT_MS, intervalMs) : intervalMs
    const headers = {
      ...wanted.headers,
      ...whose(),
      ...(fence && { [FLOW_HEADER]: fence.flow_id, [GENERATION_HEADER]: String(fence.generation) }),
    }
    let waitMs = Math.min(FIRST_WAIT_MS, intervalMs)
    let waitedMs = 0
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.client
        .send(amphora, { ...wanted, headers, signal })
        .then((answer) => (isNotReady(answer) ? `not ready: ${answer.status} ${answer.body}` : answer), unreachable(signal))
      if (typeof outcome !== 'string') return judge(amphora, wanted, outcome, accept ?? [])
      if (attempt >= attempts && waitedMs >= attempts * intervalMs) throw new AgentUnreachable(amphora.id, outcome)
      await sleep(waitMs, undefined, { signal })
      waitedMs += waitMs
      if (waitedMs >= EAGER_MS) waitMs = Math.min(waitMs * 2, longestMs)
    }
  }

  private budget(patience: Patience): { attempts: number; intervalMs: number } {
    const options = this.config.haproxy_amphora
    const [attempts, seconds] = {
      booting: [options.connection_max_retries, options.connection_retry_interval],
      active: [options.active_connection_max_retries, options.active_connection_retry_interval],
      failover: [options.failover_connection_max_retries, options.failover_connection_retry_interval],
    }[patience] as [number, number]
    return { attempts, intervalMs: seconds * 1000 }
  }
}

/**
 * Asks now and then whether the machine is still there; `signal` aborts when it is not, or when the caller gives up. Also an attempt under way
 * ends so: connecting to an address that is gone takes seconds to fail.
 */
function watchMachine(stillThere: (() => Promise<boolean>) | undefined, callers: AbortSignal | undefined) {
  const gone = new AbortController()
  let asking = false
  const timer =
    stillThere &&
    setInterval(async () => {
      if (asking) return
      asking = true
      // Who cannot be asked has not said that it is gone.
      if (!(await stillThere().catch(() => true))) gone.abort()
      asking = false
    }, STILL_THERE_INTERVAL_MS)
  return {
    signal: callers === undefined ? gone.signal : AbortSignal.any([gone.signal, callers]),
    isGone: () => gone.signal.aborted,
    end: () => clearInterval(timer),
  }
}

/** By what the agent's log and whoever traces it can be found again. */
function whose(): Record<string, string> {
  const request_id = currentActivity()?.request_id
  const traceparent = currentTraceparent()
  return {
    ...(request_id === undefined ? {} : { [REQUEST_ID_HEADER]: request_id }),
    ...(traceparent === undefined ? {} : { traceparent }),
  }
}

/** The path without what differs between load balancers. */
function operationOf(path: string): string {
  return path.split('?', 1)[0]!.replace(/[\da-f]{8}-[\da-f-]{27}|(?<=\/(certificates|vip|interface)\/)[^/]+/gi, ':id')
}

function certificatePath(load_balancer_id: string, name: string): string {
  return `/1.0/loadbalancer/${load_balancer_id}/certificates/${name}`
}

function json(method: 'POST' | 'PUT', path: string, body: unknown): AgentRequest {
  // Octavia's agent reads no JSON that is not called so.
  return { method, path, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }
}

/** A web server without its application, or an interface that the machine doesn't show yet. */
function isNotReady({ status, contentType, body }: AgentAnswer): boolean {
  return status === 404 && (contentType !== 'application/json' || body.includes('No suitable network interface found'))
}

/** Errors of the connection are reasons to try again; a caller who gave up is not. */
function unreachable(signal: AbortSignal): (error: Error) => string {
  return (error) => {
    if (signal.aborted) throw error
    return error.message
  }
}

function judge(amphora: AgentAddress, { method, path }: AgentRequest, answer: AgentAnswer, accept: number[]): AgentAnswer {
  if (answer.status >= 200 && answer.status < 300) return answer
  if (answer.status === 409 && answer.body.includes(FENCED_MESSAGE)) throw new FencedError(`amphora ${amphora.id}`)
  if (accept.includes(answer.status)) return answer
  throw new AgentError(amphora.id, `${method} ${path}`, answer.status, answer.body)
}

function parseJson<T>(amphora: AgentAddress, request: string, answer: AgentAnswer): T {
  try {
    return JSON.parse(answer.body) as T
  } catch {
    throw new AgentError(amphora.id, request, answer.status, answer.body)
  }
}

async function* nothing(): AsyncGenerator<string> {}
