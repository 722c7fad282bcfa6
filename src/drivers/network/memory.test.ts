import { networkContract } from './contract.ts'
import { MemoryNetwork } from './memory.ts'

networkContract('memory', async () => {
  const driver = new MemoryNetwork()
  const network = driver.addNetwork()
  const subnet = driver.addSubnet({ network_id: network.id, cidr: '10.0.0.0/24' })
  return { driver, network_id: network.id, subnet_id: subnet.id, free_address: '10.0.0.77', foreign_address: '10.0.1.77' }
})
