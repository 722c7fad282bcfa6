/** Amphorae as sandboxes on this host. */
import type { EmbeddedCompute } from '../../embedded/compute/service.ts'
import { Fences } from '../fences.ts'
import type { Fence } from '../network/driver.ts'
import type { ComputeDriver, Server, WantedServer } from './driver.ts'

export class EmbeddedComputeDriver implements ComputeDriver {
  readonly hasHosts = false
  readonly #compute: EmbeddedCompute
  readonly #fences = new Fences()

  constructor(compute: EmbeddedCompute) {
    this.#compute = compute
  }

  async ensureServer(wanted: WantedServer, fence: Fence): Promise<{ compute_id: string }> {
    this.#fences.check(wanted.name, fence)
    return await this.#compute.ensureServer(wanted)
  }

  getServer(compute_id: string): Promise<Server> {
    return this.#compute.getServer(compute_id)
  }

  findServer(name: string): Promise<string | null> {
    return this.#compute.findServer(name)
  }

  deleteServer(compute_id: string, options?: { made_by?: string }): Promise<void> {
    return this.#compute.deleteServer(compute_id, options)
  }

  async attachPort(compute_id: string, port_id: string, fence: Fence): Promise<void> {
    this.#fences.check(compute_id, fence)
    await this.#compute.attachPort(compute_id, port_id)
  }

  detachPort(compute_id: string, port_id: string): Promise<void> {
    return this.#compute.detachPort(compute_id, port_id)
  }

  async ensureServerGroup(wanted: { name: string; policy: string; made_by: string }, fence: Fence): Promise<string> {
    this.#fences.check(wanted.name, fence)
    return await this.#compute.ensureServerGroup(wanted)
  }

  deleteServerGroup(id: string): Promise<void> {
    return this.#compute.deleteServerGroup(id)
  }
}
