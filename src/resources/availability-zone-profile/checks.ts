import type { ApiContext } from '../../api/route.ts'
import { parsedData } from '../provider/data.ts'
import { checkMetadata, understood } from '../provider/metadata.ts'

type Asked = Pick<ApiContext, 'config' | 'compute' | 'network'>

/**
 * Throws 400 for what is no JSON or names what the cloud does not have, 501 for what the provider does not understand. Asks the compute and
 * the network service, so no transaction may be open. `field` is how the fault of what is no JSON calls the text.
 */
export async function checkAvailabilityZoneData(
  { config, compute, network }: Asked,
  provider: string,
  availability_zone_data: string,
  field = 'availability_zone_data',
): Promise<void> {
  const data = parsedData(availability_zone_data, field)
  checkMetadata('availability_zone', provider, data, config)
  const { compute_zone, management_network, valid_vip_networks = [] } = understood('availability_zone', data)
  if (compute_zone) await compute.checkAvailabilityZone(compute_zone)
  for (const id of [...valid_vip_networks, ...(management_network ? [management_network] : [])]) await network.getNetwork(String(id))
}
