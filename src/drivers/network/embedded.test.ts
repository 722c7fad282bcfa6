import { aDatabase } from '../../../test/support/databases.ts'
import { anEmbeddedNetwork, DEMO_PROJECT, SERVICE_PROJECT } from '../../../test/support/embedded-network.ts'
import { networkContract } from './contract.ts'
import { EmbeddedNetworkDriver } from './embedded.ts'

networkContract('embedded', async () => {
  const db = await aDatabase()
  const service = anEmbeddedNetwork(db)
  const project_id = DEMO_PROJECT
  const { id: network_id } = await service.createNetwork({ project_id, name: 'members', mtu: 1450 })
  const host_routes = [{ destination: '10.11.0.0/16', nexthop: '10.9.0.3' }]
  const aSubnet = async (cidr: string, more: { host_routes?: typeof host_routes; ipv6_address_mode?: 'slaac' } = {}) =>
    (await service.createSubnet({ project_id, network_id, cidr, ...more })).id
  const subnet_id = await aSubnet('10.9.0.0/27', { host_routes })
  return {
    driver: new EmbeddedNetworkDriver(service, SERVICE_PROJECT),
    network_id,
    mtu: 1450,
    subnet_id,
    host_routes,
    free_address: '10.9.0.20',
    foreign_address: '10.10.0.20',
    small_subnet_id: await aSubnet('10.9.1.0/29'),
    ipv6_subnet_id: await aSubnet('fd00::/64'),
    slaac_subnet_id: await aSubnet('fd00:1::/64', { ipv6_address_mode: 'slaac' }),
    users_project_id: project_id,
    qos_policy_id: null,
    addUsersPort: async () => (await service.createPort({ project_id, network_id, fixed_ips: [{ subnet_id }] })).id,
    refusesOldFences: true,
    close: () => db.destroy(),
  }
})
