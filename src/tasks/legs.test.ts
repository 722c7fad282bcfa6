import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryNetwork } from '../drivers/network/memory.ts'
import { networkPlug } from './legs.ts'

test("an agent is told of a leg's address in the member's subnet, not of those that the network gives each port besides", async () => {
  const network = new MemoryNetwork()
  const { id: network_id } = network.addNetwork({ mtu: 1450 })
  const subnet = network.addSubnet({ network_id, cidr: '10.1.0.0/24' })
  const automatic = network.addSubnet({ network_id, cidr: 'fd00::/64' })
  const port = network.addPort({ network_id, project_id: 'service-project', subnet_id: subnet.id })
  port.fixed_ips.push({ subnet_id: automatic.id, ip_address: 'fd00::f816:3eff:fe00:1' })
  const { mtu, fixed_ips } = await networkPlug(network, port, subnet)
  assert.equal(mtu, 1450)
  assert.deepEqual(fixed_ips, [{ ip_address: '10.1.0.2', subnet_cidr: '10.1.0.0/24', gateway: '10.1.0.1', host_routes: [] }])
})
