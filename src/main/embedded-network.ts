import type { Config } from '../config/config.ts'
import type { Db } from '../db/connection.ts'
import { EmbeddedNetworkDriver } from '../drivers/network/embedded.ts'
import type { SandboxNetwork } from '../embedded/compute/plug.ts'
import { type FirstProjects, firstProjects } from '../embedded/identity/bootstrap.ts'
import type { FoundNetworks } from '../embedded/network/first-start.ts'
import { EmbeddedNetwork } from '../embedded/network/service.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { stateHash } from './state.ts'

export interface OpenEmbeddedNetwork {
  service: EmbeddedNetwork
  driver: EmbeddedNetworkDriver
  /** The driver with what machines on this host need besides. */
  sandboxes: SandboxNetwork
  first: FoundNetworks
  projects: FirstProjects
}

/** The embedded network of an installation whose embedded identity was prepared; the first call ever makes the first networks. */
export async function openEmbeddedNetwork(options: { db: Db; config: Config; clock: Clock; log: Log }): Promise<OpenEmbeddedNetwork> {
  const { db, config } = options
  const projects = await firstProjects(db)
  const service = new EmbeddedNetwork({
    ...options,
    stateHash: stateHash(config.stateDirectory),
    heartbeatPorts: heartbeatPorts(config.health_manager),
  })
  const first = await service.prepare({ admin_project_id: projects.admin, service_project_id: projects.service })
  const driver = new EmbeddedNetworkDriver(service, projects.service)
  const sandboxes: SandboxNetwork = {
    getPort: (id) => driver.getPort(id),
    getSubnet: (id) => driver.getSubnet(id),
    ensurePort: (wanted, fence) => driver.ensurePort(wanted, fence),
    updatePort: (id, changes, fence) => driver.updatePort(id, changes, fence),
    deletePort: (id, choice) => driver.deletePort(id, choice),
    listPortsOfDevice: (device_id) => driver.listPortsOfDevice(device_id),
    attachPort: (id, place) => service.attachPort(id, place),
    detachPort: (id) => service.detachPort(id),
  }
  return { service, driver, sandboxes, first, projects }
}

/** Of this and all other health managers of this machine. */
function heartbeatPorts({ bind_port, controller_ip_port_list }: Config['health_manager']): number[] {
  return [...new Set([bind_port, ...controller_ip_port_list.map((place) => Number(place.split(':').at(-1)))])]
}
