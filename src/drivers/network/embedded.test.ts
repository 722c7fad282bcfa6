import { aDatabase } from '../../../test/support/databases.ts'
import { anEmbeddedNetwork, DEMO_PROJECT, SERVICE_PROJECT } from '../../../test/support/embedded-network.ts'
import { networkContract } from './contract.ts'
import { EmbeddedNetworkDriver } from './embedded.ts'

networkContract('embedded', async () => {
  const db = await aDatabase()
  const service = anEmbeddedNetwork(db)
  const network = await service.createNetwork({ project_id: DEMO_PROJECT, name: 'members' })
  const subnet = await service.createSubnet({ project_id: DEMO_PROJECT, network_id: network.id, cidr: '10.9.0.0/27' })
  return {
    driver: new EmbeddedNetworkDriver(service, SERVICE_PROJECT),
    network_id: network.id,
    subnet_id: subnet.id,
    free_address: '10.9.0.20',
    foreign_address: '10.10.0.20',
    close: () => db.destroy(),
  }
})
