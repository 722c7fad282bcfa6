import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { privateSubnetId } from '../support/private-subnet.ts'

const webServer = `require('node:http').createServer((q, r) => r.end('far')).listen(80, '0.0.0.0')`

interface Statuses {
  provisioning_status: string
}

test("a member on an isolated network is balanced to, also where that network has lb-mgmt-net's own range; its leg goes with it", async () => {
  const controller = await new Controller({
    portBase: 22_700,
    config: '[controller_worker]\nloadbalancer_topology = ACTIVE_STANDBY\n',
  }).start()
  try {
    const token = await controller.token()
    const neutron = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
      const response = await fetch(`http://127.0.0.1:${controller.portBase + 2}/v2.0/${path}`, {
        method,
        headers: { 'x-auth-token': token, 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
      })
      assert.ok(response.ok, `${method} ${path}: ${response.status}`)
      return (await response.json()) as T
    }
    const { subnets } = await neutron<{ subnets: { cidr: string }[] }>('GET', 'subnets?name=lb-mgmt-subnet')
    const { network } = await neutron<{ network: { id: string } }>('POST', 'networks', { network: { name: 'far' } })
    const wanted = { network_id: network.id, name: 'far-subnet', ip_version: 4, cidr: subnets[0]!.cidr }
    const { subnet } = await neutron<{ subnet: { id: string } }>('POST', 'subnets', { subnet: wanted })
    const address = (
      await controller.ottavia('lab', 'host', 'create', 'far', '--subnet', subnet.id, '--', process.execPath, '-e', webServer)
    ).trim()

    const pool = { name: 'pool', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }
    const { body } = await controller.request<{ loadbalancer: { id: string; vip_address: string; pools: { id: string }[] } }>(
      'POST',
      '/v2/lbaas/loadbalancers',
      token,
      {
        loadbalancer: {
          vip_subnet_id: await privateSubnetId(controller),
          listeners: [{ protocol: 'HTTP', protocol_port: 80, default_pool: pool }],
        },
      },
    )
    const { id, vip_address, pools } = body.loadbalancer
    const settled = () =>
      eventually(async () => {
        const shown = await controller.request<{ loadbalancer: Statuses }>('GET', `/v2/lbaas/loadbalancers/${id}`, token)
        assert.equal(shown.body.loadbalancer.provisioning_status, 'ACTIVE')
      }, 15_000)
    const legs = async () =>
      (await neutron<{ ports: unknown[] }>('GET', `ports?network_id=${network.id}&device_owner=compute:nova`)).ports.length
    await settled()
    assert.equal(await legs(), 0)

    const path = `/v2/lbaas/pools/${pools[0]!.id}/members`
    const added = await controller.request<{ member: { id: string } }>('POST', path, token, {
      member: { address, protocol_port: 80, subnet_id: subnet.id },
    })
    assert.equal(added.status, 201)
    await settled()
    await eventually(async () => {
      const response = await fetch(`http://${vip_address}/`, { signal: AbortSignal.timeout(1_000), headers: { connection: 'close' } })
      assert.equal(await response.text(), 'far')
    })
    assert.equal(await legs(), 2, 'one on each amphora')

    assert.equal((await controller.request('DELETE', `${path}/${added.body.member.id}`, token)).status, 204)
    await settled()
    assert.equal(await legs(), 0)
  } finally {
    await controller.down()
  }
})
