/** Whom a VIP answers and on which addresses: allowed ranges, groups of the user's own, IPv6, additional VIPs. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { type Client, DataPlane, type Made } from './support/data-plane.ts'

/** How long a client waits for a connection that nobody refuses. */
const PATIENCE_MS = 700

describe('addresses of VIPs, clients and members', () => {
  let plane: DataPlane
  let client: Client
  let stranger: Client
  let client6: Client
  let stranger6: Client
  let made: Made
  let vip6: string

  before(async () => {
    plane = await DataPlane.start({ portBase: 24_400 })
    const [web, web6] = await Promise.all([
      plane.members('web', { http: [8001] }),
      plane.members('web6', { family: 6, http: [8006], proxy: [8106] }),
    ])
    client = await plane.client('client')
    stranger = await plane.client('stranger')
    client6 = await plane.client('client6', 6)
    stranger6 = await plane.client('stranger6', 6)
    const listener = (name: string, protocol_port: number, fields: object = {}) => ({
      name,
      protocol: 'HTTP',
      protocol_port,
      default_pool: { name: 'both' },
      ...fields,
    })
    made = await plane.loadBalancer({
      additional_vips: [{ subnet_id: plane.subnet('ipv6-private-subnet') }],
      pools: [
        {
          name: 'both',
          protocol: 'HTTP',
          lb_algorithm: 'ROUND_ROBIN',
          members: [
            { address: web, protocol_port: 8001 },
            { address: web6, protocol_port: 8006 },
          ],
        },
      ],
      listeners: [
        listener('open', 80, { insert_headers: { 'X-Forwarded-For': 'true', 'X-Real-IP': 'true' } }),
        listener('allowed', 81, { allowed_cidrs: [`${client.address}/32`, `${client6.address}/128`] }),
        listener('proxy', 82, {
          protocol: 'TCP',
          default_pool: {
            name: 'proxy',
            protocol: 'PROXYV2',
            lb_algorithm: 'ROUND_ROBIN',
            members: [{ address: web6, protocol_port: 8106 }],
          },
        }),
      ],
    })
    vip6 = made.additionalVips[0]!
  })
  after(() => plane?.stop())

  const url = (vip: string, port: number) => `http://${vip.includes(':') ? `[${vip}]` : vip}:${port}/`
  const gets = async (from: Client, vip: string, port: number) =>
    (await from.ask({ url: url(vip, port), timeoutMs: PATIENCE_MS }))[0]!.status

  test('both VIPs serve, and members of both families are asked by clients of both', async () => {
    for (const [from, vip] of [
      [client, made.vip],
      [client6, vip6],
    ] as const) {
      const echoes = await from.echo({ url: url(vip, 80) }, { url: url(vip, 80) })
      assert.deepEqual(echoes.map(({ member }) => member).sort(), [8001, 8006])
      for (const { headers } of echoes) {
        assert.deepEqual(headers['x-forwarded-for'], [from.address])
        assert.deepEqual(headers['x-real-ip'], [from.address])
      }
    }
  })

  test("PROXYV2 carries a client's IPv6 address", async () => {
    const [answer] = await client6.ask({ url: url(vip6, 82) })
    const { version, family, destinationPort } = JSON.parse(answer!.body)
    assert.deepEqual({ version, family, destinationPort }, { version: 2, family: 'TCP6', destinationPort: 82 })
  })

  test('allowed_cidrs lets in whom it names, of both families, and follows a change', async () => {
    assert.deepEqual([await gets(client, made.vip, 81), await gets(client6, vip6, 81)], [200, 200])
    assert.deepEqual([await gets(stranger, made.vip, 81), await gets(stranger6, vip6, 81)], [0, 0])
    assert.deepEqual([await gets(stranger, made.vip, 80), await gets(stranger6, vip6, 80)], [200, 200])
    const listener = `/v2/lbaas/listeners/${made.listeners.allowed}`
    await plane.change(made, 'PUT', listener, { listener: { allowed_cidrs: [`${stranger.address}/32`, `${stranger6.address}/128`] } })
    await eventually(async () => assert.equal(await gets(client, made.vip, 81), 0))
    assert.deepEqual([await gets(stranger, made.vip, 81), await gets(stranger6, vip6, 81)], [200, 200])
    assert.equal(await gets(client6, vip6, 81), 0)
    await plane.change(made, 'PUT', listener, { listener: { allowed_cidrs: null } })
    assert.equal(await gets(client, made.vip, 81), 200)
  })

  test("groups of the user's own decide alone who reaches the VIP", async () => {
    const { security_group } = await plane.neutron<{ security_group: { id: string } }>('POST', 'security-groups', {
      security_group: { name: 'mine' },
    })
    const rule = {
      security_group_id: security_group.id,
      direction: 'ingress',
      ethertype: 'IPv4',
      protocol: 'tcp',
      port_range_min: 80,
      port_range_max: 80,
    }
    await plane.neutron('POST', 'security-group-rules', { security_group_rule: { ...rule, remote_ip_prefix: `${client.address}/32` } })
    await plane.change(made, 'PUT', `/v2/lbaas/loadbalancers/${made.id}`, { loadbalancer: { vip_sg_ids: [security_group.id] } })
    assert.equal(await gets(client, made.vip, 80), 200)
    assert.deepEqual([await gets(stranger, made.vip, 80), await gets(client, made.vip, 81)], [0, 0])
    await plane.change(made, 'PUT', `/v2/lbaas/loadbalancers/${made.id}`, { loadbalancer: { vip_sg_ids: [] } })
    assert.deepEqual([await gets(stranger, made.vip, 80), await gets(client, made.vip, 81)], [200, 200])
  })
})
