/** The drivers that a configuration does not choose: upstream's where it names an OpenStack to log in to, else the embedded cloud's. */
import type { Options } from './options.ts'

type Drivers = Pick<Options['controller_worker'], 'compute_driver' | 'network_driver' | 'image_driver'>

/** Whether there is an OpenStack that is asked for what this process does not do itself. */
export const hasOpenStack = ({ service_auth }: Pick<Options, 'service_auth'>) => service_auth.auth_url !== null

const embedded: Omit<Drivers, 'image_driver'> = { compute_driver: 'compute_embedded_driver', network_driver: 'network_embedded_driver' }
const openStack: Omit<Drivers, 'image_driver'> = { compute_driver: 'compute_nova_driver', network_driver: 'allowed_address_pairs_driver' }

/** Images are where the machines are that boot from them. */
const imagesOf: Record<Drivers['compute_driver'], Drivers['image_driver']> = {
  compute_embedded_driver: 'image_embedded_driver',
  compute_noop_driver: 'image_noop_driver',
  compute_nova_driver: 'image_glance_driver',
}

/** In: options with the table's defaults, and which of them somebody has set (`section.name`). */
export function withDriverDefaults<O extends Options>(options: O, given: ReadonlySet<string>): O {
  const isGiven = (name: keyof Drivers) => given.has(`controller_worker.${name}`)
  const { controller_worker } = options
  const { compute_driver, network_driver } = hasOpenStack(options) ? openStack : embedded
  const compute = isGiven('compute_driver') ? controller_worker.compute_driver : compute_driver
  return {
    ...options,
    controller_worker: {
      ...controller_worker,
      compute_driver: compute,
      network_driver: isGiven('network_driver') ? controller_worker.network_driver : network_driver,
      image_driver: isGiven('image_driver') ? controller_worker.image_driver : imagesOf[compute],
    },
  }
}
