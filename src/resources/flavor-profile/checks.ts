import type { ApiContext } from '../../api/route.ts'
import { parsedData } from '../provider/data.ts'
import { checkMetadata, understood } from '../provider/metadata.ts'
import { checkFlavorSupported } from '../unsupported.ts'

type Asked = Pick<ApiContext, 'config' | 'compute' | 'image' | 'amphora'>

/**
 * Throws 400 for what is no JSON or names what the cloud does not have, 501 for what the provider does not understand or cannot do. Asks
 * the compute and the image service, so no transaction may be open.
 */
export async function checkFlavorData(context: Asked, provider: string, flavor_data: string): Promise<void> {
  const data = parsedData(flavor_data, 'flavor_data')
  checkMetadata('flavor', provider, data, context.config)
  const { compute_flavor, amp_image_tag, ...rest } = understood('flavor', data)
  checkFlavorSupported(context, { provider }, rest)
  if (compute_flavor) await context.compute.checkFlavor(compute_flavor)
  if (amp_image_tag) await context.image.findImage(amp_image_tag)
}
