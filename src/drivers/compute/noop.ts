/** Machines that are not there: any id is accepted, ids are derived from names, nothing is kept. For benchmarks and tests of the API. */
import { derivedId } from '../../lib/derived-id.ts'
import type { Made } from '../network/driver.ts'
import type { ComputeDriver, Server, WantedServer } from './driver.ts'

/** What upstream's no-op driver gives as an amphora's management address. */
const LB_NETWORK_IP = '192.0.2.1'

export class NoopCompute implements ComputeDriver {
  readonly hasHosts = false
  readonly hasPorts = false
  readonly firstLookMs = 0
  readonly lookIntervalMs = 250

  async ensureServer(wanted: WantedServer): Promise<{ compute_id: string }> {
    return { compute_id: derivedId('server', wanted.name) }
  }

  async getServer(compute_id: string): Promise<Server> {
    return {
      compute_id,
      status: 'ACTIVE',
      fault: null,
      lb_network_ip: LB_NETWORK_IP,
      image_id: null,
      compute_flavor: null,
      availability_zone: null,
    }
  }

  async listMadeServers(): Promise<Made[]> {
    return []
  }

  async listGone(): Promise<string[]> {
    return []
  }

  /** Nothing is kept, so nothing is found. */
  async findServer(): Promise<null> {
    return null
  }

  async deleteServer(): Promise<void> {}

  async attachPort(): Promise<void> {}

  async detachPort(): Promise<true> {
    return true
  }

  async ensureServerGroup(wanted: { name: string }): Promise<string> {
    return derivedId('server-group', wanted.name)
  }

  async deleteServerGroup(): Promise<void> {}

  async listMadeServerGroups(): Promise<Made[]> {
    return []
  }

  async checkFlavor(): Promise<void> {}

  async checkAvailabilityZone(): Promise<void> {}
}
