import { MemoryNetwork } from '../network/memory.ts'
import { computeContract } from './contract.ts'
import { MemoryCompute } from './memory.ts'

computeContract('memory', async () => {
  const network = new MemoryNetwork()
  const management = network.addNetwork()
  network.addSubnet({ network_id: management.id, cidr: '192.0.2.0/24' })
  const tenant = network.addNetwork()
  const subnet = network.addSubnet({ network_id: tenant.id, cidr: '10.0.0.0/24' })
  const driver = new MemoryCompute(network)
  return {
    driver,
    network,
    management_network_id: management.id,
    image_id: 'image',
    compute_flavor: null,
    refusesOldFences: true,
    tenant: { network_id: tenant.id, subnet_id: subnet.id },
    files: {},
    async kill(compute_id) {
      driver.kill(compute_id)
    },
    async macAddresses(compute_id) {
      return (await network.listPortsOfDevice(compute_id)).map((port) => port.mac_address)
    },
    eventually: (condition) => condition(),
  }
})
