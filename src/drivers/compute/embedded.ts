/** Amphorae as sandboxes on this host. */
import type { EmbeddedCompute } from '../../embedded/compute/service.ts'
import type { Fence } from '../network/driver.ts'
import type { ComputeDriver, Server, WantedServer } from './driver.ts'

export class EmbeddedComputeDriver implements ComputeDriver {
  readonly hasHosts = false
  readonly #compute: EmbeddedCompute

  constructor(compute: EmbeddedCompute) {
    this.#compute = compute
  }

  ensureServer(wanted: WantedServer, fence: Fence): Promise<{ compute_id: string }> {
    return this.#compute.ensureServer(wanted, fence)
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

  attachPort(compute_id: string, port_id: string, fence: Fence): Promise<void> {
    return this.#compute.attachPort(compute_id, port_id, fence)
  }

  detachPort(compute_id: string, port_id: string): Promise<void> {
    return this.#compute.detachPort(compute_id, port_id)
  }

  ensureServerGroup(wanted: { name: string; policy: string; made_by: string }, fence: Fence): Promise<string> {
    return this.#compute.ensureServerGroup(wanted, fence)
  }

  deleteServerGroup(id: string): Promise<void> {
    return this.#compute.deleteServerGroup(id)
  }
}
