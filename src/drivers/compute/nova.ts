/**
 * Amphorae as servers of Nova, by its REST API, in the project of the service user. What is made is found again by its name, so every call may be repeated.
 * Nova refuses no old fence (see docs/decisions/0140): a server carries its flow's id, and a revert deletes only what carries its own.
 */
import { setTimeout as realSleep } from 'node:timers/promises'
import type { Config } from '../../config/config.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Sleep } from '../../lib/retry.ts'
import { NotFoundError, ServiceError } from '../errors.ts'
import type { Made } from '../network/driver.ts'
import type { OpenStackSession, ServiceAnswer, ServiceClient, ServiceRequest } from '../openstack/session.ts'
import { wordsOf } from '../openstack/words.ts'
import type { ComputeDriver, Server, WantedServer } from './driver.ts'
import { bootRequest, novaName } from './nova-boot.ts'
import {
  MICROVERSION,
  managementAddress,
  metadataKeys,
  type NovaInterface,
  type NovaServer,
  onlyAddress,
  serverOf,
  serverThatIsGone,
  statusOf,
} from './nova-server.ts'
import { ServerWatch } from './nova-watch.ts'

/** How often a new server is asked of Nova where an answer was lost or said 5xx, and was not made by the attempts before. */
const BOOT_ATTEMPTS = 3
/** For so long after such an answer the server may still appear: Nova makes it while nobody listens any more. */
const LATE_SERVER_MS = 10_000
const LATE_SERVER_LOOK = { firstMs: 1_000, longestMs: 1_000 }
/** A server is deleted within a few seconds; one whose host is dead when Nova has noticed that, after a minute by default. */
const DELETION_PATIENCE_MS = 180_000
const DELETION_LOOK = { firstMs: 500, longestMs: 5_000 }
/** A machine lets go of a port within seconds; of one that has not after so long, the host is looked at. */
const LETTING_GO_MS = 15_000
/** Who can end the machine instead waits so long where its host is well: a busy cloud takes half a minute for what an idle one does in five seconds. */
const LETTING_GO_SOON_MS = 60_000
const DETACH_LOOK = { firstMs: 250, longestMs: 2_000 }
/** Nova asks the host and waits for its word, a minute if the host is dead. No further attempt to attach a port is begun after that time. */
const ATTACHING_MS = 120_000
const ATTACH_PAUSE_MS = 5_000
/** Each wait of looks for something is longer than the one before by this. */
const LOOK_GROWTH = 1.5
/** Nova's own limit for a page of server groups, which has no link to the next one. */
const GROUPS_OF_A_PAGE = 1_000
const MAX_PAGES = 100

export interface NovaOptions {
  config: Pick<Config, 'controller_worker' | 'nova' | 'compute' | 'networking'>
  session: OpenStackSession
  clock: Clock
  /** Tests pass another, for which hours are a moment. */
  sleep?: Sleep
}

export class NovaCompute implements ComputeDriver {
  readonly hasHosts = true
  readonly hasPorts = true
  readonly firstLookMs: number = 2_000
  readonly lookIntervalMs = 10_000
  readonly #config: NovaOptions['config']
  readonly #clock: Clock
  readonly #sleep: Sleep
  readonly #nova: ServiceClient
  readonly #watch: ServerWatch

  constructor({ config, session, clock, sleep = realSleep }: NovaOptions) {
    this.#config = config
    this.#clock = clock
    this.#sleep = sleep
    this.#nova = session.client({
      name: 'Nova',
      type: 'compute',
      section: 'nova',
      options: config.nova,
      patience: config.compute,
      headers: { 'OpenStack-API-Version': `compute ${MICROVERSION}`, 'X-OpenStack-Nova-API-Version': MICROVERSION },
    })
    this.#watch = new ServerWatch(this.#nova, clock)
  }

  async ensureServer(wanted: WantedServer): Promise<{ compute_id: string }> {
    const { name } = wanted
    const body = bootRequest(wanted, this.#config)
    const [known] = await this.#serversNamed(name)
    if (known !== undefined) return { compute_id: known.id }
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.#nova.request<{ server: { id: string } }>('POST', '/servers', { body, repeatable: false })
        if (attempt === 1) return { compute_id: answer.body.server.id }
      } catch (error) {
        if (!mayHaveArrived(error)) throw error
        const cameLate = await this.#until(LATE_SERVER_LOOK, LATE_SERVER_MS, async () => (await this.#serversNamed(name)).length > 0)
        if (!cameLate && attempt === BOOT_ATTEMPTS) throw error
        if (!cameLate) continue
      }
      return { compute_id: await this.#onlyOneOf(await this.#serversNamed(name)) }
    }
  }

  async getServer(compute_id: string): Promise<Server> {
    const found = await this.#find(compute_id)
    if (found === null) return serverThatIsGone(compute_id)
    return serverOf(found, statusOf(found) === 'ACTIVE' ? await this.#managementAddress(found) : null)
  }

  listGone(compute_ids: readonly string[]): Promise<string[]> {
    return this.#watch.gone(compute_ids)
  }

  async listMadeServers(): Promise<Made[]> {
    // All of the project, since with random names only the metadata tells which they are.
    const servers = await this.#list()
    return servers.flatMap(({ id, name, metadata }) => {
      const made_by = metadata[metadataKeys.madeBy]
      return made_by === undefined ? [] : [{ id, name: metadata[metadataKeys.name] ?? name, made_by }]
    })
  }

  async findServer(name: string): Promise<string | null> {
    return (await this.#serversNamed(name))[0]?.id ?? null
  }

  async deleteServer(compute_id: string, { made_by }: { made_by?: string } = {}): Promise<void> {
    if (made_by !== undefined && (await this.#find(compute_id))?.metadata[metadataKeys.madeBy] !== made_by) return
    const where = path(compute_id)
    const ask = async () => (await this.#whileBusy('DELETE', where)).status === 404
    if (await ask()) return
    let condition = ''
    const isGone = await this.#until(DELETION_LOOK, DELETION_PATIENCE_MS, async (waitedMs) => {
      const found = await this.#find(compute_id)
      if (found === null || DELETED.has(found.status)) return true
      condition = conditionOf(found)
      // Asked again, Nova deletes without the host once it knows that the host is dead.
      return (isOnSilentHost(found) || waitedMs === DELETION_LOOK.longestMs) && (await ask())
    })
    if (!isGone) throw stillThere(`DELETE ${where}`, condition)
  }

  async attachPort(compute_id: string, port_id: string): Promise<void> {
    const where = `${path(compute_id)}/os-interface`
    const asked: ServiceRequest = { body: { interfaceAttachment: { port_id } }, repeatable: false }
    const isThere = () => this.#isAttached(compute_id, port_id)
    const giveUpAt = this.#clock.monotonic() + ATTACHING_MS
    for (;;) {
      try {
        // "In use" may mean that an earlier call has attached it.
        const answer = await this.#whileBusy('POST', where, asked, isThere)
        if (answer.status === 404)
          throw /port/i.test(answer.text) ? new NotFoundError('Port', port_id) : new NotFoundError('Server', compute_id)
        return
      } catch (error) {
        if (!mayHaveArrived(error)) throw error
        const server = await this.#find(compute_id)
        if (isOnSilentHost(server)) throw hostIsSilent(`POST ${where}`)
        if (await isThere()) return
        if (this.#clock.monotonic() >= giveUpAt) throw error
        await this.#sleep(ATTACH_PAUSE_MS)
      }
    }
  }

  async detachPort(compute_id: string, port_id: string, { soon = false }: { soon?: boolean } = {}): Promise<boolean> {
    // What is asked of a silent host waits until the host is back, when the port may be another's.
    if (soon && isOnSilentHost(await this.#find(compute_id))) return false
    const where = `${path(compute_id)}/os-interface/${port_id}`
    if ((await this.#whileBusy('DELETE', where)).status === 404) return true
    const letsGo = (patienceMs: number) => this.#until(DETACH_LOOK, patienceMs, async () => !(await this.#isAttached(compute_id, port_id)))
    const configuredMs = this.#config.networking.port_detach_timeout * 1_000
    const timeoutMs = soon ? Math.min(LETTING_GO_SOON_MS, configuredMs) : configuredMs
    if (await letsGo(Math.min(LETTING_GO_MS, timeoutMs))) return true
    const isSilent = isOnSilentHost(await this.#find(compute_id))
    if (isSilent && !soon) throw hostIsSilent(`DELETE ${where}`)
    if (!isSilent && timeoutMs > LETTING_GO_MS && (await letsGo(timeoutMs - LETTING_GO_MS))) return true
    if (soon) return false
    throw stillThere(`DELETE ${where}`, 'attached')
  }

  async ensureServerGroup({ name, policy }: { name: string; policy: string }): Promise<string> {
    const known = await this.#groupNamed(name)
    if (known !== null) return known
    const body = { server_group: { name, policies: [policy] } }
    try {
      const answer = await this.#nova.request<{ server_group: { id: string } }>('POST', '/os-server-groups', { body, repeatable: false })
      return answer.body.server_group.id
    } catch (error) {
      const late = mayHaveArrived(error) ? await this.#groupNamed(name) : null
      if (late === null) throw error
      return late
    }
  }

  async deleteServerGroup(id: string): Promise<void> {
    await this.#nova.request('DELETE', `/os-server-groups/${encodeURIComponent(id)}`, { accept: [404] })
  }

  /** Nova keeps nothing of a group but its name. */
  async listMadeServerGroups(): Promise<Made[]> {
    const made: Made[] = []
    for await (const { id, name } of this.#groups()) if (name.startsWith('octavia-lb-')) made.push({ id, name, made_by: '' })
    return made
  }

  async checkFlavor(id: string): Promise<void> {
    const { status } = await this.#nova.request('GET', `/flavors/${encodeURIComponent(id)}`, { accept: [404] })
    if (status === 404) throw new NotFoundError('Nova flavor', id)
  }

  async checkAvailabilityZone(name: string): Promise<void> {
    const { body } = await this.#nova.request<{ availabilityZoneInfo: { zoneName: string }[] }>('GET', '/os-availability-zone')
    if (!body.availabilityZoneInfo.some(({ zoneName }) => zoneName === name)) throw new NotFoundError('Nova availability zone', name)
  }

  async #find(compute_id: string): Promise<NovaServer | null> {
    const { status, body } = await this.#nova.request<{ server: NovaServer }>('GET', path(compute_id), { accept: [404] })
    return status === 404 ? null : body.server
  }

  /** Nova lists one that is deleted for a moment still, which is gone for us (see `deleteServer`). */
  async #list(query: Record<string, string> = {}): Promise<NovaServer[]> {
    const found = await this.#nova.list<NovaServer>('/servers/detail', 'servers', { query })
    return found.filter(({ status }) => !DELETED.has(status))
  }

  /** Oldest first. */
  async #serversNamed(name: string): Promise<NovaServer[]> {
    const known = novaName(name, this.#config.nova)
    // Nova takes it for a regular expression; our names have nothing in them that means anything there.
    const found = await this.#list({ name: `^${known}$` })
    return found
      .filter((server) => server.name === known && (server.metadata[metadataKeys.name] ?? name) === name)
      .sort((a, b) => (a.created === b.created ? (a.id < b.id ? -1 : 1) : a.created < b.created ? -1 : 1))
  }

  /** Several are there where an answer was lost and its server came late. The first stays; answers its id. */
  async #onlyOneOf([first, ...others]: readonly NovaServer[]): Promise<string> {
    for (const { id } of others) await this.deleteServer(id)
    if (first === undefined) throw stillThere('POST /servers', 'not listed')
    return first.id
  }

  /** Asks for interfaces only where the server's own addresses leave a doubt: each look at a booting server is one request, not two. */
  async #managementAddress(server: NovaServer): Promise<string | null> {
    const only = onlyAddress(server)
    if (only !== null) return only
    const network = server.metadata[metadataKeys.managementNetwork]
    const networks = network === undefined ? this.#config.controller_worker.amp_boot_network_list : [network]
    const { status, body } = await this.#nova.request<{ interfaceAttachments: NovaInterface[] }>('GET', `${path(server.id)}/os-interface`, {
      accept: [404],
    })
    return status === 404 ? null : managementAddress(body.interfaceAttachments, networks)
  }

  async #isAttached(compute_id: string, port_id: string): Promise<boolean> {
    const { status } = await this.#nova.request('GET', `${path(compute_id)}/os-interface/${port_id}`, { accept: [404] })
    return status !== 404
  }

  async #groupNamed(name: string): Promise<string | null> {
    for await (const group of this.#groups()) if (group.name === name) return group.id
    return null
  }

  async *#groups(): AsyncGenerator<{ id: string; name: string }> {
    for (let page = 0; page < MAX_PAGES; page++) {
      const query = { limit: String(GROUPS_OF_A_PAGE), offset: String(page * GROUPS_OF_A_PAGE) }
      const { body } = await this.#nova.request<{ server_groups: { id: string; name: string }[] }>('GET', '/os-server-groups', { query })
      yield* body.server_groups
      if (body.server_groups.length < GROUPS_OF_A_PAGE) return
    }
  }

  /**
   * Repeats what Nova refuses with 409 while it does something else with the server, with the patience of `[compute]`, until `isDone` finds that it needs
   * no repetition. 404 is an answer.
   */
  async #whileBusy(
    method: string,
    where: string,
    asked: ServiceRequest = {},
    isDone?: () => Promise<boolean>,
  ): Promise<ServiceAnswer<unknown>> {
    const { max_retries, retry_interval, retry_backoff, retry_max } = this.#config.compute
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#nova.request(method, where, { ...asked, accept: [404, 409] })
      if (answer.status !== 409 || (await isDone?.())) return answer
      if (attempt >= max_retries) throw new ServiceError('Nova', `${method} ${where}`, { status: 409, words: wordsOf(answer.text) })
      await this.#sleep(Math.min(retry_interval + retry_backoff * (attempt - 1), retry_max) * 1_000)
    }
  }

  /** Looks until the condition holds; waits grow up to the longest. False when that takes too long. */
  async #until(
    look: { firstMs: number; longestMs: number },
    patienceMs: number,
    condition: (waitedMs: number) => Promise<boolean>,
  ): Promise<boolean> {
    const giveUpAt = this.#clock.monotonic() + patienceMs
    for (let waitMs = look.firstMs; ; waitMs = Math.min(waitMs * LOOK_GROWTH, look.longestMs)) {
      await this.#sleep(waitMs)
      if (await condition(waitMs)) return true
      if (this.#clock.monotonic() >= giveUpAt) return false
    }
  }
}

const path = (compute_id: string) => `/servers/${encodeURIComponent(compute_id)}`

/** Shown for a while, or never again. */
const DELETED = new Set(['DELETED', 'SOFT_DELETED'])

/** Nobody knows what became of it: there was no answer, or one of something between us and Nova. */
function mayHaveArrived(error: unknown): boolean {
  return error instanceof ServiceError && (error.status === 0 || error.status >= 500)
}

/**
 * Nova asks nothing of the host, or in vain. It calls a host DOWN that somebody has said is down (`force-down`), UNKNOWN one whose nova-compute has not been heard for a
 * minute.
 */
function isOnSilentHost(server: NovaServer | null): boolean {
  return server?.host_status === 'DOWN' || server?.host_status === 'UNKNOWN'
}

function hostIsSilent(request: string): ServiceError {
  return new ServiceError('Nova', request, { status: 0, words: 'the host of the server is silent' })
}

/** Nova has agreed, and what it was asked for has not come about within our patience. */
function stillThere(request: string, condition: string): ServiceError {
  return new ServiceError('Nova', request, { status: 0, words: `after that it is still ${condition}` })
}

function conditionOf({ status, fault, ...server }: NovaServer): string {
  const words = fault?.message === undefined ? '' : `: ${fault.message}`
  return `${status} with the task ${server['OS-EXT-STS:task_state'] ?? 'none'}${words}`
}
