import type { Options } from '../../config/options.ts'
import type { Backends } from '../backends.ts'
import type { ComputeDriver } from './driver.ts'

/** What only the process that starts can build: called when its driver is the chosen one. */
export interface ComputeBackends extends Backends {
  embedded(): Promise<ComputeDriver>
}

/** By the value of `[controller_worker] compute_driver`. Modules are loaded when chosen. */
export const computeDrivers: Record<Options['controller_worker']['compute_driver'], (backends: ComputeBackends) => Promise<ComputeDriver>> =
  {
    compute_embedded_driver: (backends) => backends.embedded(),
    compute_noop_driver: async () => new (await import('./noop.ts')).NoopCompute(),
    compute_nova_driver: async (backends) => new (await import('./nova.ts')).NovaCompute({ ...backends, session: backends.openStack() }),
  }
