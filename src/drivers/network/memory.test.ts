import { networkContract } from './contract.ts'
import { MemoryNetwork } from './memory.ts'

const USER = 'project-of-a-user'

networkContract('memory', async () => {
  const driver = new MemoryNetwork()
  const network = driver.addNetwork({ project_id: USER, mtu: 1450 })
  const host_routes = [{ destination: '10.9.0.0/16', nexthop: '10.0.0.3' }]
  const subnet = driver.addSubnet({ network_id: network.id, cidr: '10.0.0.0/24', host_routes })
  const qosPolicy = { id: '11111111-1111-4111-8111-111111111111', project_id: USER, shared: false }
  driver.qosPolicies.push(qosPolicy)
  return {
    driver,
    network_id: network.id,
    mtu: 1450,
    subnet_id: subnet.id,
    host_routes,
    free_address: '10.0.0.77',
    foreign_address: '10.0.1.77',
    small_subnet_id: driver.addSubnet({ network_id: network.id, cidr: '10.0.2.0/29' }).id,
    ipv6_subnet_id: driver.addSubnet({ network_id: network.id, cidr: 'fd00::/64' }).id,
    slaac_subnet_id: null,
    users_project_id: USER,
    qos_policy_id: qosPolicy.id,
    addUsersPort: async () => driver.addPort({ network_id: network.id, project_id: USER, subnet_id: subnet.id }).id,
    refusesOldFences: true,
  }
})
