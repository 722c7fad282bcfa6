import type { Options } from '../../config/options.ts'
import type { Backends } from '../backends.ts'
import type { NetworkDriver } from './driver.ts'
import { asNeutronIsAsked } from './neutron-login.ts'

/** What only the process that starts can build: called when its driver is the chosen one. */
export interface NetworkBackends extends Backends {
  embedded(): Promise<NetworkDriver>
}

/** By the value of `[controller_worker] network_driver`. Modules are loaded when chosen. */
export const networkDrivers: Record<Options['controller_worker']['network_driver'], (backends: NetworkBackends) => Promise<NetworkDriver>> =
  {
    network_embedded_driver: (backends) => backends.embedded(),
    network_noop_driver: async () => new (await import('./noop.ts')).NoopNetwork(),
    allowed_address_pairs_driver: async ({ config, openStack }) =>
      new (await import('./neutron.ts')).NeutronNetwork(openStack(asNeutronIsAsked(config)), config),
  }
