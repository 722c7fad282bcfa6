import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { privateSubnetId } from '../support/private-subnet.ts'

interface LoadBalancer {
  id: string
  vip_port_id: string
  provisioning_status: string
}

test('a tenant sees of his load balancers one port each, the VIP, and no machine, security group or amphora', async () => {
  const controller = await new Controller({
    portBase: 22_500,
    config: '[controller_worker]\nloadbalancer_topology = ACTIVE_STANDBY\n',
  }).start()
  try {
    const token = await controller.token('openrc-demo')
    const { body } = await controller.request<{ loadbalancer: LoadBalancer }>('POST', '/v2/lbaas/loadbalancers', token, {
      loadbalancer: { name: 'mine', vip_subnet_id: await privateSubnetId(controller) },
    })
    const { id, vip_port_id } = body.loadbalancer
    await eventually(async () => {
      const shown = await controller.request<{ loadbalancer: LoadBalancer }>('GET', `/v2/lbaas/loadbalancers/${id}`, token)
      assert.equal(shown.body.loadbalancer.provisioning_status, 'ACTIVE')
    }, 15_000)

    const ask = async (port: number, path: string, of = token) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'x-auth-token': of, accept: 'application/json' } })
      return { status: response.status, body: (await response.json()) as Record<string, { id: string; name: string }[]> }
    }
    const [network, compute] = [controller.portBase + 2, controller.portBase + 6]
    assert.deepEqual(
      (await ask(network, '/v2.0/ports')).body.ports!.map((port) => port.id),
      [vip_port_id],
    )
    assert.deepEqual((await ask(compute, '/v2.1/servers')).body.servers, [])
    assert.deepEqual(
      (await ask(network, '/v2.0/security-groups')).body.security_groups!.map(({ name }) => name),
      ['default'],
    )
    assert.equal((await ask(controller.portBase, '/v2/octavia/amphorae')).status, 403)

    const admin = await controller.token()
    assert.equal((await ask(compute, '/v2.1/servers', admin)).body.servers!.length, 2)
    assert.ok((await ask(network, '/v2.0/security-groups', admin)).body.security_groups!.some(({ name }) => name === `lb-${id}`))
  } finally {
    await controller.down()
  }
})
