/** Glance: whether there is an image to boot amphorae from. */
import type { Look } from './check.ts'
import { error, ok, type Said, warning } from './finding.ts'
import { REQUEST_TIMEOUT_MS } from './services.ts'

type Image = { id: string; name: string; owner: string; created_at: string }

export async function checkImage({ config, services }: Look): Promise<Said[]> {
  const { image_driver, amp_image_tag: tag, amp_image_owner_id } = config.controller_worker
  if (image_driver !== 'image_glance_driver') return [ok(`${image_driver}: no images of Glance`)]
  if (services === null) return [error('image_glance_driver needs an OpenStack', '[service_auth] auth_url = ...')]
  const owner = amp_image_owner_id || undefined
  const { body } = await services.glance.request<{ images: Image[] }>('GET', '/v2/images', {
    query: { tag, status: 'active', owner, sort: 'created_at:desc', limit: '1' },
    timeoutMs: REQUEST_TIMEOUT_MS,
  })
  const of = owner === undefined ? '' : ` of the project ${owner}`
  const [newest] = body.images
  if (newest === undefined) {
    return [
      error(
        `Glance has no active image with the tag ${tag}${of} ([controller_worker] amp_image_tag, amp_image_owner_id)`,
        `ottavia image build --upload --config FILE; of an image that is there: openstack image set --tag ${tag} IMAGE`,
      ),
    ]
  }
  const said = [ok(`amphorae boot from the image ${newest.name} (${newest.id}, made ${newest.created_at})`)]
  if (owner === undefined) {
    said.push(
      warning(
        `whoever may publish images with the tag ${tag} says what amphorae boot: [controller_worker] amp_image_owner_id is not set`,
        `amp_image_owner_id = ${newest.owner}`,
      ),
    )
  }
  return said
}
