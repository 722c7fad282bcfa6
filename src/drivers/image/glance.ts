/** Images of Glance, found by their tag as upstream does it (`octavia/image/drivers/glance_driver.py`). */
import type { Config } from '../../config/config.ts'
import type { Log } from '../../lib/log.ts'
import { NotFoundError } from '../errors.ts'
import type { OpenStackSession, ServiceClient } from '../openstack/session.ts'
import type { ImageDriver } from './driver.ts'

export interface GlanceOptions {
  config: Pick<Config, 'controller_worker' | 'glance' | 'compute'>
  session: OpenStackSession
  log: Pick<Log, 'warn'>
}

export class GlanceImages implements ImageDriver {
  readonly #config: GlanceOptions['config']
  readonly #log: GlanceOptions['log']
  readonly #glance: ServiceClient

  constructor({ config, session, log }: GlanceOptions) {
    this.#config = config
    this.#log = log
    // Upstream has no patience of its own for Glance; who asks it is about to ask Nova.
    const patience = config.compute
    this.#glance = session.client({ name: 'Glance', type: 'image', section: 'glance', options: config.glance, patience, version: '/v2' })
  }

  async findImage(tag: string): Promise<string> {
    const { amp_image_owner_id } = this.#config.controller_worker
    const owner = amp_image_owner_id === '' ? undefined : amp_image_owner_id
    // Two, to tell whether there are more than the one that is meant.
    const query = { tag, status: 'active', owner, sort: 'created_at:desc', limit: '2' }
    const { body } = await this.#glance.request<{ images: { id: string }[] }>('GET', '/v2/images', { query })
    const [newest, another] = body.images
    if (newest === undefined) throw new NotFoundError('Image with tag', tag)
    if (another !== undefined) this.#log.warn({ tag, image_id: newest.id }, 'several images have the tag; the newest is taken')
    return newest.id
  }
}
