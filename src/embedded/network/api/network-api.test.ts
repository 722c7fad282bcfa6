import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Answer, call, type EmbeddedServices, embeddedServices } from '../../../../test/support/embedded-services.ts'

type Wire = { id: string; name: string; project_id: string } & Record<string, unknown>

describe('the network service', () => {
  let cloud: EmbeddedServices
  let admin: string
  let demo: string
  let shared: { id: string; subnet: string }

  before(async () => {
    cloud = await embeddedServices()
    admin = await cloud.token('admin')
    demo = await cloud.token('demo')
    const network = await cloud.network.createNetwork({ name: 'private', project_id: cloud.projects.admin, shared: true })
    const wanted = { name: 'private-subnet', project_id: cloud.projects.admin, network_id: network.id, cidr: '198.18.0.0/24' }
    shared = { id: network.id, subnet: (await cloud.network.createSubnet(wanted)).id }
  })
  after(() => cloud.close())

  const get = (path: string, token = admin) => call('GET', `${cloud.urls.network}/v2.0/${path}`, token)
  const post = (path: string, body: unknown, token = admin) => call('POST', `${cloud.urls.network}/v2.0/${path}`, token, body)
  const put = (path: string, body: unknown, token = admin) => call('PUT', `${cloud.urls.network}/v2.0/${path}`, token, body)
  const remove = (path: string, token = admin) => call('DELETE', `${cloud.urls.network}/v2.0/${path}`, token)
  const names = ({ body }: Answer, plural: string) => (body[plural] as Wire[]).map(({ name }) => name)
  const faultOf = ({ status, body }: Answer) => [status, (body.NeutronError as { type: string }).type]
  const one = ({ body }: Answer, singular: string) => body[singular] as Wire

  test('versions are told to anybody, everything else needs a token', async () => {
    const versions = (await call('GET', `${cloud.urls.network}/`)).body.versions as { id: string }[]
    assert.deepEqual(
      versions.map(({ id }) => id),
      ['v2.0'],
    )
    for (const path of ['networks', 'ports', 'extensions', 'qos/policies']) {
      const { status, body } = await call('GET', `${cloud.urls.network}/v2.0/${path}`)
      assert.equal(status, 401)
      assert.equal((body.error as { code: number }).code, 401)
    }
  })

  test('of a load balancer a project sees the port of its VIP alone', async () => {
    const { network, projects } = cloud
    const on = { network_id: shared.id }
    await network.createPort({ ...on, name: 'octavia-lb-1', project_id: projects.demo, device_id: 'lb-1', device_owner: 'Octavia' })
    await network.createPort({ ...on, name: 'octavia-lb-vrrp-1', project_id: projects.service, device_id: 'c-1' })
    const group = await network.createSecurityGroup({ name: 'lb-1', project_id: projects.service })
    assert.deepEqual(names(await get('ports', demo), 'ports'), ['octavia-lb-1'])
    assert.deepEqual(names(await get('ports'), 'ports').sort(), ['octavia-lb-1', 'octavia-lb-vrrp-1'])
    assert.deepEqual(names(await get('security-groups', demo), 'security_groups'), ['default'])
    assert.deepEqual(faultOf(await get(`security-groups/${group.id}`, demo)), [404, 'SecurityGroupNotFound'])
    const hidden = (await get('ports?device_id=c-1')).body.ports as Wire[]
    assert.deepEqual(faultOf(await get(`ports/${hidden[0]!.id}`, demo)), [404, 'PortNotFound'])
    assert.deepEqual(faultOf(await remove(`ports/${hidden[0]!.id}`, demo)), [404, 'PortNotFound'])
    assert.deepEqual(names(await get('ports?device_id=c-1', demo), 'ports'), [])
  })

  test("a project uses a shared network but rules only what is its own, and sees nothing of others'", async () => {
    const secret = await cloud.network.createNetwork({ name: 'lb-mgmt-net', project_id: cloud.projects.service })
    const secretSubnet = await cloud.network.createSubnet({
      project_id: cloud.projects.service,
      network_id: secret.id,
      cidr: '198.18.9.0/24',
    })
    assert.deepEqual(names(await get('networks', demo), 'networks'), ['private'])
    assert.deepEqual(names(await get('subnets', demo), 'subnets'), ['private-subnet'])
    assert.deepEqual(faultOf(await get(`networks/${secret.id}`, demo)), [404, 'NetworkNotFound'])
    assert.deepEqual(faultOf(await get(`subnets/${secretSubnet.id}`, demo)), [404, 'SubnetNotFound'])
    assert.deepEqual(faultOf(await post('ports', { port: { network_id: secret.id } }, demo)), [404, 'NetworkNotFound'])
    assert.deepEqual(faultOf(await put(`networks/${shared.id}`, { network: { name: 'mine' } }, demo)), [403, 'PolicyNotAuthorized'])
    assert.deepEqual(faultOf(await remove(`subnets/${shared.subnet}`, demo)), [403, 'PolicyNotAuthorized'])
    assert.deepEqual(faultOf(await put(`networks/${shared.id}/tags`, { tags: ['x'] }, demo)), [403, 'PolicyNotAuthorized'])
    const intruder = { network_id: shared.id, cidr: '10.9.0.0/24' }
    assert.deepEqual(faultOf(await post('subnets', { subnet: intruder }, demo)), [403, 'PolicyNotAuthorized'])
    for (const wish of [
      { mac_address: 'fa:16:3e:00:00:01' },
      { port_security_enabled: false },
      { allowed_address_pairs: [{ ip_address: '198.18.0.1' }] },
      { fixed_ips: [{ subnet_id: shared.subnet, ip_address: '198.18.0.9' }] },
    ]) {
      const refused = await post('ports', { port: { network_id: shared.id, ...wish } }, demo)
      assert.deepEqual(faultOf(refused), [403, 'PolicyNotAuthorized'], JSON.stringify(wish))
    }
    assert.deepEqual(faultOf(await post('networks', { network: { shared: true } }, demo)), [403, 'PolicyNotAuthorized'])
    const foreign = { network: { project_id: cloud.projects.admin } }
    assert.deepEqual(faultOf(await post('networks', foreign, demo)), [400, 'HTTPBadRequest'])
    const port = await post('ports', { port: { network_id: shared.id, fixed_ips: [{ subnet_id: shared.subnet }] } }, demo)
    assert.equal(port.status, 201)
    assert.equal(one(port, 'port').project_id, cloud.projects.demo)
    assert.equal((await remove(`ports/${one(port, 'port').id}`, demo)).status, 204)
  })

  test("a port takes no other project's security groups", async () => {
    const foreign = await cloud.network.createSecurityGroup({ name: 'foreign', project_id: cloud.projects.admin })
    const wanted = { port: { network_id: shared.id, security_groups: [foreign.id] } }
    assert.deepEqual(faultOf(await post('ports', wanted, demo)), [404, 'SecurityGroupNotFound'])
    const own = one(await post('security-groups', { security_group: { name: 'own' } }, demo), 'security_group')
    const remote = { security_group_rule: { security_group_id: own.id, direction: 'ingress', remote_group_id: foreign.id } }
    assert.deepEqual(faultOf(await post('security-group-rules', remote, demo)), [404, 'SecurityGroupNotFound'])
    const into = { security_group_rule: { security_group_id: foreign.id, direction: 'ingress', protocol: 'tcp' } }
    assert.deepEqual(faultOf(await post('security-group-rules', into, demo)), [404, 'SecurityGroupNotFound'])
  })

  test("a VIP's port keeps its group when its owner adds his own", async () => {
    const { network, projects } = cloud
    const lb = await network.createSecurityGroup({ name: 'lb-2', project_id: projects.service })
    const vip = await network.createPort({ network_id: shared.id, project_id: projects.demo, security_group_ids: [lb.id] })
    const own = one(await post('security-groups', { security_group: { name: 'web' } }, demo), 'security_group')
    const changed = await put(`ports/${vip.id}`, { port: { security_groups: [lb.id, own.id] } }, demo)
    assert.deepEqual(one(changed, 'port').security_groups, [lb.id, own.id])
    const filtered = (await get(`ports?security_group_id=${own.id}&security_group_id=${lb.id}`)).body.ports as Wire[]
    assert.deepEqual(
      filtered.map(({ id }) => id),
      [vip.id],
    )
  })

  test('lists are filtered, ordered, paged and cut to fields', async () => {
    const network = one(await post('networks', { network: { name: 'paged' } }), 'network')
    await post('subnets', { subnet: { network_id: network.id, cidr: '10.1.0.0/24', ip_version: 4 } })
    for (const last of [11, 12, 13]) {
      const port = {
        network_id: network.id,
        name: `port-${last}`,
        device_id: `device-${last}`,
        fixed_ips: [{ ip_address: `10.1.0.${last}` }],
      }
      assert.equal((await post('ports', { port })).status, 201)
    }
    const list = async (query: string) => names(await get(`ports?network_id=${network.id}&${query}`), 'ports')
    assert.deepEqual(await list('device_id=device-11&device_id=device-13&sort_key=name'), ['port-11', 'port-13'])
    assert.deepEqual(await list('fixed_ips=ip_address%3D10.1.0.12'), ['port-12'])
    assert.deepEqual(await list('fixed_ips=ip_address%3D10.1.0.12&fixed_ips=ip_address%3D10.1.0.11&sort_key=name'), ['port-11', 'port-12'])
    assert.deepEqual(await list('fixed_ips=ip_address_substr%3D.1.0.13'), ['port-13'])
    assert.deepEqual(await list('sort_key=name&sort_dir=desc'), ['port-13', 'port-12', 'port-11'])
    assert.deepEqual(await list('admin_state_up=False'), [])
    assert.deepEqual(faultOf(await get('ports?colour=red')), [400, 'HTTPBadRequest'])
    assert.deepEqual(faultOf(await get('ports?sort_key=colour')), [400, 'HTTPBadRequest'])
    assert.deepEqual(faultOf(await get('ports?limit=-1')), [400, 'HTTPBadRequest'])
    assert.deepEqual(faultOf(await get('ports?fixed_ips=10.1.0.12')), [400, 'HTTPBadRequest'])

    const seen: string[] = []
    let url: string | undefined = `${cloud.urls.network}/v2.0/ports?network_id=${network.id}&limit=2&sort_key=name&fields=id&fields=name`
    while (url !== undefined) {
      const { body } = await call('GET', url, admin)
      assert.ok((body.ports as Wire[]).every((port) => Object.keys(port).join() === 'id,name'))
      seen.push(...(body.ports as Wire[]).map(({ name }) => name))
      url = ((body.ports_links ?? []) as { rel: string; href: string }[]).find(({ rel }) => rel === 'next')?.href
    }
    assert.deepEqual(seen, ['port-11', 'port-12', 'port-13'])
  })

  test('flags and the colon of router:external are filters too', async () => {
    assert.deepEqual(names(await get('networks?shared=True'), 'networks'), ['private'])
    assert.deepEqual(names(await get('networks?router:external=True'), 'networks'), [])
    assert.deepEqual(names(await get('subnets?ip_version=4&cidr=198.18.0.0/24'), 'subnets'), ['private-subnet'])
  })

  test('tags are kept, filtered by, and go with their object', async () => {
    const network = one(await post('networks', { network: { name: 'tagged' } }), 'network')
    assert.equal((await put(`networks/${network.id}/tags`, { tags: ['blue', 'red'] })).status, 200)
    assert.deepEqual(one(await get(`networks/${network.id}`), 'network').tags, ['blue', 'red'])
    const tagged = async (query: string) => names(await get(`networks?name=tagged&${query}`), 'networks').length
    assert.deepEqual([await tagged('tags=blue,red'), await tagged('tags=blue,green'), await tagged('tags-any=blue,green')], [1, 0, 1])
    assert.deepEqual([await tagged('not-tags=blue,red'), await tagged('not-tags-any=green')], [0, 1])
    await remove(`networks/${network.id}`)
    assert.deepEqual(await cloud.db.selectFrom('embedded_network_tags').selectAll().execute(), [])
  })

  test('what cannot be understood is refused in the shape of Neutron', async () => {
    for (const body of [{}, { network: { colour: 'red' } }, { network: { admin_state_up: 'yes' } }, { network: [] }, { port: {} }]) {
      assert.deepEqual(faultOf(await post('networks', body)), [400, 'HTTPBadRequest'], JSON.stringify(body))
    }
    assert.deepEqual(faultOf(await get('networks/nope')), [404, 'NetworkNotFound'])
    assert.deepEqual(faultOf(await get('nonsense')), [404, 'HTTPNotFound'])
    assert.deepEqual(faultOf(await get('qos/policies/nope')), [404, 'QosPolicyNotFound'])
    assert.deepEqual(faultOf(await get('extensions/nope')), [404, 'HTTPNotFound'])
    assert.deepEqual(faultOf(await post('networks', { network: { name: 'x'.repeat(2 ** 21) } })), [413, 'HTTPRequestEntityTooLarge'])
  })

  test('who may only read changes nothing', async () => {
    const v3 = `${cloud.urls.identity}/v3`
    const { body } = await call('POST', `${v3}/users`, admin, { user: { name: 'watcher', password: 'w' } })
    const role = ((await call('GET', `${v3}/roles?name=reader`, admin)).body.roles as Wire[])[0]!
    const user = body.user as Wire
    await call('PUT', `${v3}/projects/${cloud.projects.demo}/users/${user.id}/roles/${role.id}`, admin)
    const login = await call('POST', `${v3}/auth/tokens`, undefined, {
      auth: {
        identity: { methods: ['password'], password: { user: { id: user.id, password: 'w' } } },
        scope: { project: { id: cloud.projects.demo } },
      },
    })
    const watcher = login.headers.get('x-subject-token')!
    assert.equal((await get('networks', watcher)).status, 200)
    assert.deepEqual(faultOf(await post('networks', { network: {} }, watcher)), [403, 'PolicyNotAuthorized'])
    const own = one(await post('networks', { network: { name: 'own' } }, demo), 'network')
    assert.deepEqual(faultOf(await remove(`networks/${own.id}`, watcher)), [403, 'PolicyNotAuthorized'])
  })
})
