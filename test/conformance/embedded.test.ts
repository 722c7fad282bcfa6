/** Debian's `openstack` command, unmodified, against the embedded cloud's identity, network and compute services. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { exec } from '../../src/lib/exec.ts'
import { call, type EmbeddedServices, embeddedServices, passwordLogin } from '../support/embedded-services.ts'
import { anAmphora } from '../support/servers.ts'

const COMMAND_TIMEOUT_MS = 60_000
const skip = existsSync('/usr/bin/openstack') ? false : 'python3-openstackclient is not installed'

type Row = Record<string, unknown>

describe(`the openstack command and the embedded cloud${skip ? ` (skipped: ${skip})` : ''}`, { skip }, () => {
  let cloud: EmbeddedServices

  before(async () => {
    cloud = await embeddedServices()
    cloud.servers.push(anAmphora(1), anAmphora(2))
    cloud.serverGroups.push({ id: 'group-1', name: 'octavia-lb-1', policy: 'anti-affinity', members: ['compute-1', 'compute-2'] })
    const network = await cloud.network.createNetwork({ name: 'private', project_id: cloud.projects.admin, shared: true })
    const on = { project_id: cloud.projects.admin, network_id: network.id }
    await cloud.network.createSubnet({ ...on, name: 'private-subnet', cidr: '198.18.0.0/24' })
    await cloud.network.createPort({ ...on, project_id: cloud.projects.demo, name: 'octavia-lb-1', device_id: 'lb-1' })
    await cloud.network.createPort({ ...on, project_id: cloud.projects.service, name: 'octavia-lb-vrrp-1', device_id: 'compute-1' })
  })
  after(() => cloud.close())

  /**
   * Runs commands in one interactive client, since starting it takes a second. Returns what each `list`, `show` and `create` answered, and
   * all that was complained about.
   */
  async function openstack(commands: string, more: { file?: 'openrc' | 'openrc-demo'; credentials?: Record<string, string> } = {}) {
    const lines = commands
      .trim()
      .split('\n')
      .map((line) => line.trim())
    const input = lines.map((line) => (/ (list|show|create|issue)( |$)/.test(line) ? `${line} -f json\n` : `${line}\n`)).join('')
    const credentials = more.credentials ?? cloud.credentials(more.file ?? 'openrc')
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, LC_ALL: 'C.UTF-8', ...credentials }
    const { stdout, stderr } = await exec('openstack', [], { input, env, timeoutMs: COMMAND_TIMEOUT_MS, anyStatus: true })
    return { answers: jsonDocuments(stdout), complaints: stderr }
  }

  const lists = async (commands: string, file?: 'openrc' | 'openrc-demo') => {
    const { answers, complaints } = await openstack(commands, { file })
    assert.equal(complaints, '')
    return answers as Row[][]
  }
  const column = (rows: Row[] | undefined, name: string) => rows!.map((row) => row[name])

  test('token, services, endpoints and catalog', async () => {
    const { answers, complaints } = await openstack(`
      token issue
      service list
      endpoint list --interface public
      catalog list
      catalog show load-balancer
      service show octavia
      region list`)
    assert.equal(complaints, '')
    const [token, services, endpoints, catalog, shown, octavia, regions] = answers as [Row, Row[], Row[], Row[], Row, Row, Row[]]
    assert.equal(token.project_id, cloud.projects.admin)
    assert.deepEqual(
      services.map((row) => [row.Name, row.Type]),
      [
        ['octavia', 'load-balancer'],
        ['keystone', 'identity'],
        ['neutron', 'network'],
        ['nova', 'compute'],
        ['barbican', 'key-manager'],
        ['glance', 'image'],
      ],
    )
    assert.ok(column(endpoints, 'URL').includes(`${cloud.urls.identity}/v3`))
    assert.deepEqual(column(catalog, 'Name'), column(services, 'Name'))
    assert.equal(shown.name, 'octavia')
    assert.equal(octavia.type, 'load-balancer')
    assert.deepEqual(column(regions, 'Region'), ['RegionOne'])
  })

  test('clouds.yaml names both users', async () => {
    const OS_CLIENT_CONFIG_FILE = join(cloud.config.stateDirectory, 'clouds.yaml')
    for (const [OS_CLOUD, project] of [
      ['ottavia', cloud.projects.admin],
      ['ottavia-demo', cloud.projects.demo],
    ] as const) {
      const { answers } = await openstack('token issue', { credentials: { OS_CLIENT_CONFIG_FILE, OS_CLOUD } })
      assert.equal((answers[0] as Row).project_id, project)
    }
  })

  test('projects, users, roles and who has which', async () => {
    const { answers, complaints } = await openstack(`
      project list
      user list
      role list
      project create --description first p1
      user create --project p1 --password secret --email u1@example.org u1
      role create r1
      role add --user u1 --project p1 member
      role add --user u1 --project p1 r1
      role assignment list --user u1 --names
      role assignment list --user u1 --names --effective
      project list --user u1
      user list --project p1
      role remove --user u1 --project p1 r1
      project set --name p2 --description second p1
      user set --email other@example.org u1
      project show p2
      user show u1
      role show r1
      role delete r1
      user delete u1
      project delete p2
      project list`)
    assert.equal(complaints, '')
    const [projects, users, roles, p1, u1, r1, assigned, effective, ofUser, inProject, p2, u1Shown, r1Shown, left] = answers as [
      ...[Row[], Row[], Row[], Row, Row, Row, Row[], Row[], Row[], Row[], Row, Row, Row, Row[]],
    ]
    assert.deepEqual(column(projects, 'Name'), ['admin', 'demo', 'service'])
    assert.deepEqual(column(users, 'Name'), ['admin', 'demo', 'octavia'])
    assert.ok(['admin', 'member', 'reader', 'service', 'load-balancer_admin'].every((name) => column(roles, 'Name').includes(name)))
    assert.deepEqual([p1.description, u1.default_project_id, r1.name], ['first', p1.id, 'r1'])
    assert.deepEqual(column(assigned, 'Role').sort(), ['member', 'r1'])
    assert.deepEqual(column(effective, 'Role').sort(), ['member', 'r1', 'reader'])
    assert.deepEqual([column(ofUser, 'Name'), column(inProject, 'Name')], [['p1'], ['u1']])
    assert.deepEqual([p2.id, p2.description, u1Shown.email, r1Shown.id], [p1.id, 'second', 'other@example.org', r1.id])
    assert.deepEqual(column(left, 'Name'), ['admin', 'demo', 'service'])
  })

  test('networks, subnets and ports', async () => {
    const { answers, complaints } = await openstack(`
      network create --description first --tag blue n1
      subnet create --network n1 --subnet-range 10.5.0.0/24 --dns-nameserver 10.5.0.2 s1
      subnet create --network n1 --ip-version 6 --subnet-range fd00:5::/64 s6
      port create --network n1 --fixed-ip subnet=s1,ip-address=10.5.0.9 --device device-1 p1
      port list --device-id device-1
      port list --fixed-ip ip-address=10.5.0.9
      port list --network n1 --long
      port set --name p2 --disable --allowed-address ip-address=10.5.0.77 p1
      subnet set --name s2 --no-dns-nameservers s1
      network set --name n2 --share --mtu 1400 n1
      network unset --tag blue n2
      port show p2
      subnet show s2
      network show n2
      network list --share
      subnet list --network n2
      port delete p2
      subnet delete s2 s6
      network delete n2
      network list
      port list --device-id compute-1`)
    assert.equal(complaints, '')
    const [n1, s1, s6, p1, byDevice, byAddress, long, p2, s2, n2, sharedNetworks, subnetsOf, left, compute] = answers as [
      ...[Row, Row, Row, Row, Row[], Row[], Row[], Row, Row, Row, Row[], Row[], Row[], Row[]],
    ]
    assert.deepEqual(
      [n1.tags, s1.gateway_ip, s6.cidr, p1.fixed_ips],
      [['blue'], '10.5.0.1', 'fd00:5::/64', [{ subnet_id: s1.id, ip_address: '10.5.0.9' }]],
    )
    assert.deepEqual([column(byDevice, 'ID'), column(byAddress, 'ID'), column(long, 'ID')], [[p1.id], [p1.id], [p1.id]])
    assert.deepEqual([p2.id, p2.admin_state_up, s2.dns_nameservers, n2.mtu, n2.tags], [p1.id, false, [], 1400, []])
    assert.equal((p2.allowed_address_pairs as Row[])[0]!.ip_address, '10.5.0.77')
    assert.deepEqual(column(sharedNetworks, 'Name').sort(), ['n2', 'private'])
    assert.deepEqual(column(subnetsOf, 'Name').sort(), ['s2', 's6'])
    assert.deepEqual(column(left, 'Name'), ['private'])
    assert.deepEqual(column(compute, 'Name'), ['octavia-lb-vrrp-1'])
  })

  test('security groups', async () => {
    const { answers, complaints } = await openstack(`
      security group create --description web g1
      security group rule create --protocol tcp --dst-port 80:90 --remote-ip 192.0.2.0/24 g1
      security group rule list g1
      security group set --name g2 g1
      security group show g2
      security group list --project admin
      port create --network private --security-group g2 walled
      port unset --security-group g2 walled
      port show walled
      port delete walled
      security group delete g2
      security group list --project admin
      network qos policy list
      extension show security-group`)
    assert.equal(complaints, '')
    const [g1, rule, rules, g2, all, walled, unwalled, left, policies, extension] = answers as [
      ...[Row, Row, Row[], Row, Row[], Row, Row, Row[], Row[], Row],
    ]
    assert.deepEqual([rule.port_range_min, rule.port_range_max, rule.remote_ip_prefix], [80, 90, '192.0.2.0/24'])
    assert.equal(rules.length, 3, 'its own and two that let everything out')
    assert.deepEqual([g2.id, g2.description], [g1.id, 'web'])
    assert.deepEqual(column(all, 'Name').sort(), ['default', 'g2'])
    assert.deepEqual([walled.security_group_ids, unwalled.security_group_ids], [[g1.id], []])
    assert.deepEqual(column(left, 'Name'), ['default'])
    assert.deepEqual([policies, extension.alias], [[], 'security-group'])
  })

  test('amphorae are servers to an admin', async () => {
    const { answers, complaints } = await openstack(`
      server list
      server list --long --name amphora-2
      server show amphora-1
      server group list
      server group show octavia-lb-1
      flavor list`)
    assert.equal(complaints, '')
    const [servers, long, server, groups, group, flavors] = answers as [Row[], Row[], Row, Row[], Row, Row[]]
    assert.deepEqual(column(servers, 'Name'), ['amphora-1', 'amphora-2'])
    assert.deepEqual(column(servers, 'Networks'), [{ 'lb-mgmt-net': ['198.18.1.1'] }, { 'lb-mgmt-net': ['198.18.1.2'] }])
    assert.deepEqual(column(long, 'ID'), ['compute-2'])
    assert.deepEqual([server.id, server.status, server.project_id], ['compute-1', 'ACTIVE', cloud.projects.service])
    assert.deepEqual([column(groups, 'Name'), group.policies], [['octavia-lb-1'], ['anti-affinity']])
    assert.deepEqual(column(flavors, 'Name'), ['amphora'])
  })

  test("a project sees its own and what is shared, its VIP's port, and no server", async () => {
    const [networks, subnets, ports, groups, servers, serverGroups, projects] = await lists(
      `network list
       subnet list
       port list
       security group list
       server list
       server group list
       project list`,
      'openrc-demo',
    )
    assert.deepEqual([column(networks, 'Name'), column(subnets, 'Name')], [['private'], ['private-subnet']])
    assert.deepEqual(column(ports, 'Name'), ['octavia-lb-1'])
    assert.deepEqual(column(groups, 'Name'), ['default'])
    assert.deepEqual([servers, serverGroups], [[], []])
    assert.deepEqual(column(projects, 'Name'), ['demo'])
    const refused = await openstack('user list\nserver show compute-1\nnetwork delete private', { file: 'openrc-demo' })
    assert.match(refused.complaints, /identity:list_users.*HTTP 403/s)
    assert.match(refused.complaints, /No server with a name or ID of 'compute-1' exists/)
    assert.match(refused.complaints, /delete_network is disallowed by policy/)
  })

  test('a wrong password and an expired token are refused with 401', async () => {
    const wrong = await openstack('token issue', { credentials: { ...cloud.credentials('openrc'), OS_PASSWORD: 'wrong' } })
    assert.match(wrong.complaints, /requires authentication.*HTTP 401/s)
    const login = passwordLogin('admin', cloud.passwords.admin, { project: { id: cloud.projects.admin } })
    const token = (await call('POST', `${cloud.urls.identity}/v3/auth/tokens`, undefined, login)).headers.get('x-subject-token')!
    // The plain token is taken as it is: the client asks nobody before it sends it.
    const credentials = { OS_AUTH_TYPE: 'admin_token', OS_TOKEN: token, OS_ENDPOINT: cloud.urls.network }
    assert.deepEqual(column((await openstack('network list', { credentials })).answers[0] as Row[], 'Name'), ['private'])
    cloud.clock.advance(cloud.config.identity.token_lifetime * 1_000)
    const expired = await openstack('network list', { credentials })
    assert.match(expired.complaints, /401/)
    assert.deepEqual(expired.answers, [])
  })
})

/** Answers in a row, each of which begins and ends with a bracket of its own at the beginning of a line. */
function jsonDocuments(text: string): unknown[] {
  return [...text.matchAll(/^(?:\[\]|\{\}|[[{]\n.*?^[\]}])$/gms)].map(([document]) => JSON.parse(document) as unknown)
}
