import type { Options } from '../../config/options.ts'
import type { Backends } from '../backends.ts'
import type { ImageDriver } from './driver.ts'

/** By the value of `[controller_worker] image_driver`. Modules are loaded when chosen. */
export const imageDrivers: Record<Options['controller_worker']['image_driver'], (backends: Backends) => Promise<ImageDriver>> = {
  image_embedded_driver: async ({ config }) => new (await import('./embedded.ts')).EmbeddedImages(config.controller_worker.amp_image_tag),
  image_noop_driver: async () => new (await import('./noop.ts')).NoopImages(),
  image_glance_driver: async (backends) => new (await import('./glance.ts')).GlanceImages({ ...backends, session: backends.openStack() }),
}
