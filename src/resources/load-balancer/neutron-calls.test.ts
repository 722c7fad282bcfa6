/** How often Neutron is asked for what users do, and what of it is left in the end. Octavia 11.0 asks 56 and 95 times for the creates (docs/decisions/0145-neutron.md). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiClient } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { FakeKeystone } from '../../../test/support/fake-keystone.ts'
import { FakeNeutron } from '../../../test/support/fake-neutron.ts'
import { createApi } from '../../api/server.ts'
import { loadConfig } from '../../config/config.ts'
import { NoopAmphora } from '../../drivers/amphora/noop.ts'
import { NoopCompute } from '../../drivers/compute/noop.ts'
import { NeutronNetwork } from '../../drivers/network/neutron.ts'
import { openStackSession } from '../../drivers/openstack/session.ts'
import { startWorker } from '../../worker/worker.ts'
import { allFlows } from '../all-flows.ts'

const cases = [
  { topology: 'SINGLE', most: { create: 11, listener: 3, member: 6, failover: 18, delete: 5 } },
  { topology: 'ACTIVE_STANDBY', most: { create: 15, listener: 3, member: 8, failover: 26, delete: 7 } },
] as const

for (const { topology, most } of cases) {
  test(`${topology}: Neutron is asked little, and nothing is left in it`, async (t) => {
    const keystone = new FakeKeystone(Date.now)
    keystone.ownProject = 'service-project'
    const neutron = new FakeNeutron()
    const [auth_url, endpoint_override] = [await keystone.start(), await neutron.start()]
    const { cloud } = await aCloud({ worker: false, config: { controller_worker: { loadbalancer_topology: topology } } }).empty()
    const { clock, log } = cloud.context
    const service_auth = { auth_url, username: 'octavia', password: 'secret', project_name: 'service' }
    const config = loadConfig({ stateDirectory: '/nowhere', overrides: { service_auth, neutron: { endpoint_override } } })
    const session = openStackSession({ config, clock, log })
    const network = new NeutronNetwork(session, config)
    const context = { ...cloud.context, network, compute: new NoopCompute(), amphora: new NoopAmphora() }
    const worker = startWorker({ context, flows: allFlows })
    const server = createApi(context)
    const api = new ApiClient(server, { 'x-project-id': 'project-1' })
    t.after(async () => {
      await worker.stop()
      await server.close()
      session.close()
      await neutron.stop()
      await keystone.stop()
    })
    const aSubnet = () => {
      const { id: network_id } = neutron.add('networks', { name: 'private', subnets: [], mtu: 1450, project_id: 'project-1' })
      return neutron.add('subnets', { network_id, ip_version: 4, cidr: '10.0.0.0/16', gateway_ip: '10.0.0.1', host_routes: [] }).id
    }
    const [vip_subnet_id, subnet_id] = [aSubnet(), aSubnet()]
    const count = async (what: keyof typeof most, work: () => Promise<unknown>) => {
      neutron.asked.length = 0
      await work()
      const lines = neutron.asked.filter((line) => !line.startsWith('GET /v2.0/extensions'))
      assert.ok(lines.length <= most[what], `${what} asks ${lines.length} times:\n${lines.join('\n')}`)
    }

    let path = ''
    const active = () => api.waitFor(path)
    await count('create', async () => {
      const { id } = await api.createLoadBalancer({ vip_subnet_id })
      path = `/v2/lbaas/loadbalancers/${id}`
      await active()
    })
    const loadBalancer = await active()
    await count('listener', async () => {
      await api.createListener(loadBalancer, { protocol: 'HTTP', protocol_port: 80 })
      await active()
    })
    const pool = await api.createPool(loadBalancer, { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' })
    await active()
    await count('member', async () => {
      await api.createMember(pool, { address: '10.1.0.7', protocol_port: 80, subnet_id })
      await active()
    })
    await count('failover', async () => {
      await api.expect(202, 'PUT', `${path}/failover`)
      await active()
    })
    await count('delete', async () => {
      await api.delete(`${path}?cascade=true`)
      await eventually(async () => assert.equal((await api.request('GET', path)).status, 404))
    })
    assert.deepEqual([neutron.rows.ports, neutron.rows['security-groups']], [[], []])
  })
}
