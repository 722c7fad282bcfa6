/** One topology's part of the story: from a tenant's own servers to a load balancer over them, through the loss of an amphora, and back. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exec } from '../../src/lib/exec.ts'
import { aCertificate } from '../support/certificates.ts'
import { eventually } from '../support/eventually.ts'
import type { CloudUser, RealCloud } from '../support/openstack-cloud.ts'
import type { OctaviaPlace } from '../support/openstack-octavia.ts'
import { answering, aServer, curlFrom, idling, type ServerKind, type TenantServer } from '../support/openstack-servers.ts'

const ANSWERS_WITHIN_MS = 20_000
/** A disabled port is noticed within seconds; on a busy machine the new amphora takes ten to boot. */
const REPLACED_WITHIN_MS = 120_000
const MONITORED_WITHIN_MS = 30_000
const DELETED_WITHIN_MS = 120_000

export interface Teller {
  cloud: RealCloud
  tenant: CloudUser
  place: OctaviaPlace
  kind: ServerKind
  topology: 'SINGLE' | 'ACTIVE_STANDBY'
}

interface TheirServers {
  client: TenantServer
  a: TenantServer
  b: TenantServer
  c: TenantServer
}

interface Amphora {
  id: string
  compute_id: string
  lb_network_ip: string
  vrrp_ip: string
}

export async function tellStory(teller: Teller): Promise<void> {
  const { cloud, tenant, topology } = teller
  const theirs = await makeServers(teller)
  const certificate = await storeCertificate(tenant)
  const before = await cloud.snapshot(tenant)

  const { openstack } = tenant
  const lb = (...args: string[]) => openstack.show('loadbalancer', ...args, '--wait')
  const created = await lb('create', '--name', 'lb', '--vip-subnet-id', 'front-subnet')
  assert.deepEqual([created.provisioning_status, created.project_id], ['ACTIVE', tenant.project.id])
  const vip = String(created.vip_address)
  const ask = (path = '/') => curlFrom(theirs.client, `http://${vip}${path}`)
  const eventuallyAnswers = (path: string, wanted: string[]) =>
    eventually(async () => {
      const answers = [await ask(path), await ask(path), await ask(path), await ask(path)]
      assert.deepEqual([...new Set(answers)].sort(), wanted)
    }, ANSWERS_WITHIN_MS)

  await lb('listener', 'create', '--name', 'http', '--protocol', 'HTTP', '--protocol-port', '80', 'lb')
  await lb('pool', 'create', '--name', 'web', '--protocol', 'HTTP', '--listener', 'http', '--lb-algorithm', 'ROUND_ROBIN')
  const member = (name: string, { address }: TenantServer, pool: string) =>
    lb(...['member', 'create', '--name', name, '--address', address, '--subnet-id', 'back-subnet', '--protocol-port', '80', pool])
  await member('a', theirs.a, 'web')
  await member('b', theirs.b, 'web')
  await eventuallyAnswers('/', ['a', 'b'])

  await lb('healthmonitor', 'create', '--name', 'monitor', '--type', 'HTTP', '--delay', '2', '--timeout', '1', '--max-retries', '1', 'web')
  await eventually(async () => {
    const members = await openstack.list('loadbalancer', 'member', 'list', 'web')
    assert.deepEqual(
      members.map(({ operating_status }) => operating_status),
      ['ONLINE', 'ONLINE'],
    )
  }, MONITORED_WITHIN_MS)

  await lb('pool', 'create', '--name', 'shared', '--protocol', 'HTTP', '--loadbalancer', 'lb', '--lb-algorithm', 'ROUND_ROBIN')
  await member('c', theirs.c, 'shared')
  await lb('l7policy', 'create', '--name', 'policy', '--action', 'REDIRECT_TO_POOL', '--redirect-pool', 'shared', 'http')
  // Not with --wait: the client then asks for the policy below the rule, which no Octavia knows.
  await openstack.run('loadbalancer', 'l7rule', 'create', '--type', 'PATH', '--compare-type', 'STARTS_WITH', '--value', '/c', 'policy')
  await eventuallyAnswers('/c', ['c'])
  await eventuallyAnswers('/', ['a', 'b'])

  const tls = ['--protocol', 'TERMINATED_HTTPS', '--protocol-port', '443', '--default-tls-container-ref', certificate.ref]
  await lb('listener', 'create', '--name', 'https', ...tls, '--default-pool', 'shared', 'lb')
  const askSafely = () =>
    curlFrom(theirs.client, 'https://www.example/', '--resolve', `www.example:443:${vip}`, '--cacert', certificate.file)
  await eventually(async () => assert.equal(await askSafely(), 'c'), ANSWERS_WITHIN_MS)

  const amphorae = await amphoraeOf(cloud, String(created.id))
  assert.equal(amphorae.length, topology === 'SINGLE' ? 1 : 2)
  await checkOwners(teller, theirs, { vip_port_id: String(created.vip_port_id), amphorae })

  const ports = await portsThatStay(teller, amphorae)
  await replaceAmphora(teller, String(created.id), amphorae)
  assert.deepEqual(await portsThatStay(teller, await amphoraeOf(cloud, String(created.id))), ports)
  await eventuallyAnswers('/', ['a', 'b'])
  await eventuallyAnswers('/c', ['c'])
  await eventually(async () => assert.equal(await askSafely(), 'c'), ANSWERS_WITHIN_MS)

  // Not with --wait: kept running, the client pauses for moments only, and counts them as the seconds after which it gives up.
  await openstack.run('loadbalancer', 'delete', '--cascade', 'lb')
  await eventually(async () => assert.deepEqual(await openstack.list('loadbalancer', 'list'), []), DELETED_WITHIN_MS)
  // Who may read the secret only its owner can change back (see docs/decisions/0150).
  const readers = await openstack.list('acl', 'get', certificate.ref)
  assert.deepEqual(readers[0]!.Users, [cloud.octavia.id])
  await openstack.run('acl', 'delete', certificate.ref)
  assert.deepEqual(await cloud.snapshot(tenant), before)
  await removeServers(teller, theirs)
  certificate.remove()
}

/** VIPs are on one network, members on another. */
async function makeServers({ tenant, kind }: Teller): Promise<TheirServers> {
  const { openstack } = tenant
  for (const [name, range] of [
    ['front', '10.20.0.0/24'],
    ['back', '10.20.1.0/24'],
  ] as const) {
    await openstack.run('network', 'create', name)
    await openstack.run('subnet', 'create', '--network', name, '--subnet-range', range, `${name}-subnet`)
  }
  const web = (name: string) => aServer(tenant, kind, { name, network: 'back', script: answering(name) })
  const client = await aServer(tenant, kind, { name: 'client', network: 'front', script: idling })
  return { client, a: await web('a'), b: await web('b'), c: await web('c') }
}

async function removeServers({ tenant: { openstack } }: Teller, theirs: TheirServers): Promise<void> {
  await openstack.run('server', 'delete', '--wait', ...Object.values(theirs).map(({ id }: TenantServer) => id))
  await openstack.run('network', 'delete', 'front', 'back')
}

/** A PKCS#12 bundle, as Octavia's guide stores it. */
async function storeCertificate({ openstack }: CloudUser): Promise<{ ref: string; file: string; remove(): void }> {
  const directory = mkdtempSync(join(tmpdir(), 'certificate-'))
  const { certificate, private_key } = await aCertificate({ name: 'www.example', isAuthority: true })
  const file = join(directory, 'certificate.pem')
  writeFileSync(file, certificate)
  writeFileSync(join(directory, 'key.pem'), private_key)
  const bundle = ['-in', file, '-inkey', join(directory, 'key.pem'), '-out', join(directory, 'bundle.p12'), '-passout', 'pass:']
  await exec('openssl', ['pkcs12', '-export', ...bundle])
  const payload = readFileSync(join(directory, 'bundle.p12')).toString('base64')
  const asStored = ['--payload-content-type', 'application/octet-stream', '--payload-content-encoding', 'base64', '--payload', payload]
  const { 'Secret href': ref } = await openstack.show('secret', 'store', '--name', 'www.example', ...asStored)
  return { ref: String(ref), file, remove: () => rmSync(directory, { recursive: true }) }
}

async function amphoraeOf({ admin }: RealCloud, load_balancer_id: string): Promise<Amphora[]> {
  const found = await admin.openstack.list('loadbalancer', 'amphora', 'list', '--loadbalancer', load_balancer_id)
  const shown: Amphora[] = []
  for (const { id } of found) shown.push((await admin.openstack.show('loadbalancer', 'amphora', 'show', String(id))) as unknown as Amphora)
  return shown
}

/** Of what serves him the tenant sees his VIP port; machines, ports and groups are the service project's; a pair is on two hosts. */
async function checkOwners(
  { cloud, tenant, topology }: Teller,
  theirs: TheirServers,
  { vip_port_id, amphorae }: { vip_port_id: string; amphorae: Amphora[] },
): Promise<void> {
  const ids = async (...command: string[]) => (await tenant.openstack.list(...command)).map(({ ID }) => String(ID)).sort()
  const own = Object.values(theirs).map(({ id }: TenantServer) => id)
  assert.deepEqual(await ids('server', 'list'), own.sort())
  const portsOfServers = (await Promise.all(own.map((id) => cloud.list('network', `/ports?device_id=${id}`, 'ports')))).flat()
  // Without a project Neutron shows the owner of a network all ports on it, whoever made them.
  assert.deepEqual(await ids('port', 'list', '--project', tenant.project.id), [...portsOfServers.map(({ id }) => id), vip_port_id].sort())
  assert.deepEqual(await ids('server', 'group', 'list'), [])
  const groups = await tenant.openstack.list('security', 'group', 'list')
  assert.deepEqual(
    groups.map(({ Name }) => Name),
    ['default'],
  )

  const service = cloud.octavia.project.id
  const hosts = new Set<unknown>()
  for (const { id, compute_id } of amphorae) {
    const server = await cloud.admin.openstack.show('server', 'show', compute_id)
    assert.deepEqual([server.name, server.project_id], [`amphora-${id}`, service])
    hosts.add(server['OS-EXT-SRV-ATTR:host'])
    const ports = await cloud.list<{ id: string; project_id: string }>('network', `/ports?device_id=${compute_id}`, 'ports')
    assert.deepEqual(
      ports.map(({ project_id }) => project_id),
      [service, service, service],
      'management, VIP network, members',
    )
  }
  assert.equal(hosts.size, amphorae.length, 'no two amphorae are on one host')
  const vip = await cloud.ask<{ port: Record<string, unknown> }>('network', 'GET', `/ports/${vip_port_id}`)
  assert.deepEqual([vip.port.project_id, vip.port.device_owner], [tenant.project.id, 'Octavia'])
  const [group] = vip.port.security_groups as string[]
  const { security_group } = await cloud.ask<{ security_group: Record<string, unknown> }>('network', 'GET', `/security-groups/${group}`)
  assert.equal(security_group.project_id, service)
  const serverGroups = await cloud.list<{ id: string; project_id?: string }>('compute', '/os-server-groups?all_projects=1', 'server_groups')
  assert.deepEqual(
    serverGroups.map(({ project_id }) => project_id),
    topology === 'SINGLE' ? [] : [service],
  )
}

/** All but management ports, by id, with their addresses. */
async function portsThatStay({ cloud, place }: Teller, amphorae: Amphora[]): Promise<unknown> {
  const of = (query: string) =>
    cloud.list<{ id: string; network_id: string; fixed_ips: unknown; project_id: string }>('network', `/ports?${query}`, 'ports')
  const found = (await Promise.all([of('device_owner=Octavia'), ...amphorae.map(({ compute_id }) => of(`device_id=${compute_id}`))])).flat()
  return found
    .filter(({ network_id }) => network_id !== place.network_id)
    .map(({ id, fixed_ips, project_id }) => ({ id, fixed_ips, project_id }))
    .sort((a, b) => a.id.localeCompare(b.id))
}

/** Its management port is disabled; nothing of this cloud heeds that, so its host side is set down, too. */
async function replaceAmphora({ cloud, tenant, place }: Teller, load_balancer_id: string, amphorae: Amphora[]): Promise<void> {
  const [lost] = amphorae as [Amphora]
  const [port] = await cloud.list('network', `/ports?device_id=${lost.compute_id}&network_id=${place.network_id}`, 'ports')
  await cloud.admin.openstack.run('port', 'set', '--disable', port!.id)
  await exec('ip', ['link', 'set', `tap${port!.id.slice(0, 11)}`, 'down'])
  await eventually(async () => {
    const now = await amphoraeOf(cloud, load_balancer_id)
    const { provisioning_status } = await tenant.openstack.show('loadbalancer', 'show', 'lb')
    assert.deepEqual([now.length, provisioning_status], [amphorae.length, 'ACTIVE'])
    assert.ok(
      now.every(({ id }) => id !== lost.id),
      'the amphora is another',
    )
  }, REPLACED_WITHIN_MS)
  assert.equal((await cloud.try('compute', 'GET', `/servers/${lost.compute_id}`)).status, 404)
}
