/** Amphorae as sandboxes on this host. All are alike: there is one flavor and one zone. */
import type { EmbeddedCompute } from '../../embedded/compute/service.ts'
import { NotFoundError } from '../errors.ts'
import type { Fence, Made } from '../network/driver.ts'
import type { ComputeDriver, Server, WantedServer } from './driver.ts'

/** What amphorae are called that are all alike. */
export type AmphoraKind = { flavor: string; availability_zone: string }

/** What is so wherever the process is that holds the machines. A look costs one query. */
export const embeddedTraits = { hasHosts: false, hasPorts: true, firstLookMs: 0, lookIntervalMs: 250 } as const

export class EmbeddedComputeDriver implements ComputeDriver {
  readonly hasHosts = embeddedTraits.hasHosts
  readonly hasPorts = embeddedTraits.hasPorts
  readonly firstLookMs = embeddedTraits.firstLookMs
  readonly lookIntervalMs = embeddedTraits.lookIntervalMs
  readonly #compute: EmbeddedCompute
  readonly #kind: AmphoraKind

  constructor(compute: EmbeddedCompute, kind: AmphoraKind) {
    this.#compute = compute
    this.#kind = kind
  }

  ensureServer(wanted: WantedServer, fence: Fence): Promise<{ compute_id: string }> {
    const { flavor, availability_zone } = this.#kind
    const kind = { compute_flavor: wanted.compute_flavor ?? flavor, availability_zone: wanted.availability_zone ?? availability_zone }
    return this.#compute.ensureServer({ ...wanted, ...kind }, fence)
  }

  getServer(compute_id: string): Promise<Server> {
    return this.#compute.getServer(compute_id)
  }

  listGone(compute_ids: readonly string[]): Promise<string[]> {
    return this.#compute.listGone(compute_ids)
  }

  listMadeServers(): Promise<Made[]> {
    return this.#compute.listMadeServers()
  }

  findServer(name: string): Promise<string | null> {
    return this.#compute.findServer(name)
  }

  deleteServer(compute_id: string, options?: { made_by?: string }): Promise<void> {
    return this.#compute.deleteServer(compute_id, options)
  }

  attachPort(compute_id: string, port_id: string, fence: Fence): Promise<void> {
    return this.#compute.attachPort(compute_id, port_id, fence)
  }

  async detachPort(compute_id: string, port_id: string): Promise<true> {
    await this.#compute.detachPort(compute_id, port_id)
    return true
  }

  ensureServerGroup(wanted: { name: string; policy: string; made_by: string }, fence: Fence): Promise<string> {
    return this.#compute.ensureServerGroup(wanted, fence)
  }

  deleteServerGroup(id: string): Promise<void> {
    return this.#compute.deleteServerGroup(id)
  }

  listMadeServerGroups(): Promise<Made[]> {
    return this.#compute.listMadeServerGroups()
  }

  async checkFlavor(id: string): Promise<void> {
    if (id !== this.#kind.flavor) throw new NotFoundError('Nova flavor', id)
  }

  async checkAvailabilityZone(name: string): Promise<void> {
    if (name !== this.#kind.availability_zone) throw new NotFoundError('Nova availability zone', name)
  }
}
