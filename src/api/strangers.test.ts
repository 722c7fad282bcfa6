import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { before, describe, test } from 'node:test'
import { fault } from '../../test/support/api-client.ts'
import type { Cloud } from '../../test/support/cloud.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { eventually } from '../../test/support/eventually.ts'
import { ask, type CallerName, callers, type Fixture, fillFixture, ourCases, roleCases, type Send } from '../../test/support/role-cases.ts'

/** What Keystone says of each role: those it implies are in the token too. */
const implied: Record<string, string[]> = { admin: ['admin', 'member', 'reader'], member: ['member', 'reader'] }

const allCases = [...roleCases, ...ourCases]

const projects = { own: 'a0000000-0000-4000-8000-000000000001', other: 'b0000000-0000-4000-8000-000000000002' }

async function aFixture(): Promise<{ cloud: Cloud; fixture: Fixture }> {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const send = Object.fromEntries(
    Object.entries(callers).map(([name, { project, role }]): [string, Send] => {
      const api = cloud.apiAs(projects[project], ...(implied[role] ?? [role]))
      return [name, (method, path, body) => api.request(method, path, body)]
    }),
  ) as Record<CallerName, Send>
  const admin = cloud.apiAs(projects.other, 'admin')
  const settle = async () => {
    cloud.clock.passSeconds(1)
    await eventually(async () =>
      (await admin.list('/v2/lbaas/loadbalancers')).every(({ provisioning_status }) => provisioning_status === 'ACTIVE'),
    )
  }
  const fixture = { ids: {}, send, settle, projects, subnet_id: cloud.vipSubnet.id }
  await fillFixture(fixture)
  return { cloud, fixture }
}

describe('callers of other projects and of small roles are told what Octavia tells them', () => {
  let cloud: Cloud
  let fixture: Fixture
  before(async () => {
    const made = await aFixture()
    cloud = made.cloud
    fixture = made.fixture
  })

  test('each of them, for each route', async () => {
    const wrong: string[] = []
    for (const roleCase of allCases) {
      for (const [as, expected] of Object.entries(roleCase.told)) {
        const told = await ask(fixture, roleCase, as as CallerName)
        if (told !== expected) wrong.push(`${as}: ${roleCase.request} ${JSON.stringify(roleCase.body)}\n  ${told}\n  ${expected}`)
      }
    }
    assert.deepEqual(wrong, [])
  })

  test('after all of that nothing has changed', async () => {
    const owner = fixture.send.owner
    const { ids } = fixture
    const shown = async (path: string) => JSON.stringify((await owner('GET', `/v2/lbaas/${path}`)).body)
    for (const path of [`loadbalancers/${ids.lb}`, `listeners/${ids.listener}`, `pools/${ids.pool}`, `l7policies/${ids.policy}`]) {
      const text = await shown(path)
      assert.match(text, /"name":"secret"/)
      assert.match(text, /"provisioning_status":"ACTIVE"/)
    }
    assert.match(await shown(`l7policies/${ids.policy}/rules/${ids.rule}`), /"value":"\/secret"/)
    assert.match(await shown(`pools/${ids.pool}/members/${ids.member}`), /"name":"secret"/)
  })

  test('where we tell otherwise than Octavia, the page of differences says why', () => {
    const page = readFileSync(new URL('../../docs/differences.md', import.meta.url), 'utf8')
    for (const { request, upstream, difference } of roleCases) {
      if (upstream !== undefined) assert.ok(page.includes(`\`${difference}\``), `${request}: ${difference}`)
    }
  })

  test('no route was forgotten', () => {
    const names: Record<string, string> = { statuses: 'status' }
    const asked = new Set(
      allCases.map(({ request }) => {
        const [method, path = ''] = request.split('?')[0]!.split(' ')
        const whole = path.startsWith('/') ? path : `/v2/lbaas/${path}`
        return `${method} ${whole.replaceAll(/\{\w+\}|(?<=\/(quotas|providers)\/)\w+/g, '*')}`
      }),
    )
    const announced = cloud.server.announced.map(
      ({ method, path }) => `${method} ${path.replaceAll(/:\w+/g, '*').replace(/\w+$/, (word) => names[word] ?? word)}`,
    )
    assert.deepEqual(
      announced.filter((route) => !asked.has(route)),
      [],
    )
  })
})

test("another's networks, subnets, ports, security groups and QoS policies are, in a body, not there", async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const { network } = cloud
  const hidden = network.addNetwork({ project_id: projects.own, shared: false })
  const subnet = network.addSubnet({ network_id: hidden.id, cidr: '10.7.0.0/24' })
  const group = network.addSecurityGroup({ project_id: projects.own })
  const policy = { id: '70000000-0000-4000-8000-000000000001', project_id: projects.own, shared: false }
  network.qosPolicies.push(policy)
  const port = await network.ensurePort({
    name: 'of the owner',
    network_id: cloud.vipNetwork.id,
    fixed_ips: [{ subnet_id: cloud.vipSubnet.id }],
    project_id: projects.own,
    device_owner: '',
    device_id: '',
    admin_state_up: true,
    security_group_ids: [],
    allowed_address_pairs: [],
    made_by: 'owner',
  })
  const [owner, stranger] = [cloud.apiAs(projects.own, 'member'), cloud.apiAs(projects.other, 'member')]
  const vip = { vip_subnet_id: cloud.vipSubnet.id }
  const member = { address: '10.7.0.9', protocol_port: 80, subnet_id: subnet.id }
  const tree = { pools: [{ name: 'p', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members: [member] }] }
  for (const [body, text] of [
    [{ vip_network_id: hidden.id }, `Network ${hidden.id} not found.`],
    [{ vip_subnet_id: subnet.id }, `Subnet ${subnet.id} not found.`],
    [{ vip_port_id: port.id }, `Port ${port.id} not found.`],
    [{ ...vip, vip_qos_policy_id: policy.id }, `qos_policy ${policy.id} not found.`],
    [{ ...vip, vip_sg_ids: [group.id] }, `Security Group ${group.id} not found.`],
    [{ ...vip, ...tree }, `Subnet ${subnet.id} not found.`],
  ] as const) {
    await assert.rejects(stranger.createLoadBalancer({ ...body }), fault(400, text))
  }
  const theirs = await stranger.createLoadBalancer(vip)
  const path = `/v2/lbaas/loadbalancers/${theirs.id}`
  await stranger.waitFor(path)
  await assert.rejects(stranger.update(path, { vip_qos_policy_id: policy.id }), fault(400, `qos_policy ${policy.id} not found.`))
  await assert.rejects(stranger.update(path, { vip_sg_ids: [group.id] }), fault(400, `Security Group ${group.id} not found.`))
  const pool = await stranger.createPool(theirs, { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' })
  await stranger.waitFor(path)
  await assert.rejects(stranger.createMember(pool, member), fault(400, `Subnet ${subnet.id} not found.`))
  await assert.rejects(stranger.updateMembers(pool, [member]), fault(400, new RegExp(`Subnet ${subnet.id} not found`)))

  for (const body of [
    { vip_subnet_id: subnet.id },
    { vip_port_id: port.id },
    { ...vip, vip_qos_policy_id: policy.id, vip_sg_ids: [group.id] },
    { ...vip, ...tree },
  ]) {
    await owner.createLoadBalancer(body)
  }
})
