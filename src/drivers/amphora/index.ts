import type { Options } from '../../config/options.ts'
import type { AmphoraDriver } from './driver.ts'

/** What only the process that starts can build: each is called when its driver is the chosen one. */
export interface AmphoraBackends {
  haproxyRest(): Promise<AmphoraDriver>
}

/** By the value of `[controller_worker] amphora_driver`. Modules are loaded when chosen. */
export const amphoraDrivers: Record<Options['controller_worker']['amphora_driver'], (backends: AmphoraBackends) => Promise<AmphoraDriver>> =
  {
    amphora_haproxy_rest_driver: (backends) => backends.haproxyRest(),
    amphora_noop_driver: async () => new (await import('./noop.ts')).NoopAmphora(),
  }
