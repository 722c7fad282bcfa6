/**
 * The image in Nova: given to Glance, booted as a virtual machine by our controller, reached over Neutron's management network, with network cards that Nova
 * plugs in while it runs. Clients and members are namespaces on Neutron's networks, behind its security groups. Then the amphora is lost and replaced, and at
 * last all is as it was.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { aPlace, type Place } from '../support/neutron-places.ts'
import { ensureOpenStack, machineHost } from '../support/openstack.ts'
import { type CloudUser, RealCloud, uniqueName } from '../support/openstack-cloud.ts'
import { type OctaviaPlace, prepareOctavia, startOctavia } from '../support/openstack-octavia.ts'
import { answeringProgram, curlFrom } from '../support/openstack-servers.ts'
import { printTime, timed } from './timed.ts'

/** The catalog of `openstack/up` has us there, and the client asks the catalog. */
const PORT_BASE = 9876
/** Everything in the machine is emulated, beside all services of a cloud. */
const BOOT_TIMEOUT_MS = 600_000
const STEP_TIMEOUT_MS = 180_000
const CONNECT_TIMEOUT_MS = 2_000
const AGENT_PORT = 9443
const CONSOLE_BYTES = 3_000
/** An emulated machine may be slow to say that it lives. */
const more = {
  nova: [`availability_zone = ${machineHost.zone}`],
  health_manager: ['heartbeat_interval = 3', 'heartbeat_timeout = 60'],
}

interface Amphora {
  id: string
  compute_id: string
  lb_network_ip: string
}

export async function inOpenStack(image: string): Promise<void> {
  Object.assign(process.env, await ensureOpenStack('virtual machines'))
  const cloud = await RealCloud.open()
  try {
    const prepared = await prepareOctavia(cloud, { servers: 'virtual machines' })
    const place = { ...prepared, image_tag: uniqueName('virtual-machine') }
    const controller = await startOctavia(place, { portBase: PORT_BASE, more })
    try {
      await story(cloud, place, controller, image)
    } catch (error) {
      console.error(error)
      await tellWhy(cloud, controller)
      throw error
    } finally {
      await controller.down()
    }
    await prepared.remove()
  } finally {
    // Clients that run on would keep this process from ending.
    cloud.close()
  }
}

async function story(cloud: RealCloud, place: OctaviaPlace, controller: Controller, image: string): Promise<void> {
  const tenant = await cloud.aUser(['member', 'creator'])
  const { openstack } = tenant
  const configuration = join(controller.stateDirectory, 'octavia.conf')
  await timed('given to Glance by `ottavia image upload`', () => controller.ottavia('image', 'upload', image, '--config', configuration))
  const theirs = await timed("the tenant's networks, and places on them", () => makePlaces(cloud, tenant))
  await eventually(async () => {
    const found = await cloud.list<{ id: string; status: string }>('network', '/ports?device_owner=network:dhcp', 'ports')
    assert.deepEqual(
      found.map(({ status }) => status),
      ['ACTIVE', 'ACTIVE', 'ACTIVE'],
      'each network has its DHCP server',
    )
  }, STEP_TIMEOUT_MS)
  const before = await cloud.snapshot(tenant)

  const beganAt = performance.now()
  const created = await openstack.show('loadbalancer', 'create', '--name', 'lb', '--vip-subnet-id', 'front-subnet')
  const first = await watchBoot(cloud, String(created.id))
  await timed('  its VIP on a card that Nova plugged in, and ACTIVE', () => isActive(tenant))
  printTime(beganAt, 'a load balancer, in all')

  const lb = (...args: string[]) => openstack.run('loadbalancer', ...args, '--wait')
  const ask = () => curlFrom(theirs.client, `http://${created.vip_address}/`)
  const answersOfBoth = () =>
    eventually(async () => assert.deepEqual([...new Set([await ask(), await ask(), await ask()])].sort(), ['a', 'b']), STEP_TIMEOUT_MS)
  await timed('listener, pool, two members on another network, monitor: until both answer', async () => {
    await lb('listener', 'create', '--name', 'http', '--protocol', 'HTTP', '--protocol-port', '80', 'lb')
    await lb('pool', 'create', '--name', 'web', '--protocol', 'HTTP', '--listener', 'http', '--lb-algorithm', 'ROUND_ROBIN')
    for (const member of [theirs.a, theirs.b])
      await lb('member', 'create', '--address', member.address, '--subnet-id', 'back-subnet', '--protocol-port', '80', 'web')
    await lb('healthmonitor', 'create', '--type', 'HTTP', '--delay', '3', '--timeout', '2', '--max-retries', '1', 'web')
    await answersOfBoth()
    for (const kind of ['listener', 'pool', 'healthmonitor']) {
      const [made] = await openstack.list('loadbalancer', kind, 'list')
      assert.equal((await openstack.show('loadbalancer', kind, 'show', String(made!.id))).provisioning_status, 'ACTIVE', kind)
    }
  })
  await timed('heartbeats: until load balancer and members are shown ONLINE', () =>
    eventually(async () => {
      const members = await openstack.list('loadbalancer', 'member', 'list', 'web')
      const shown = [await openstack.show('loadbalancer', 'show', 'lb'), ...members]
      assert.deepEqual(
        shown.map(({ operating_status }) => operating_status),
        ['ONLINE', 'ONLINE', 'ONLINE'],
      )
    }, STEP_TIMEOUT_MS),
  )

  await timed('its management port disabled: until another serves', async () => {
    const query = `device_id=${first.compute_id}&network_id=${place.network_id}`
    const [port] = await cloud.list('network', `/ports?${query}`, 'ports')
    await cloud.admin.openstack.run('port', 'set', '--disable', port!.id)
    await eventually(async () => {
      const [now] = await amphoraeOf(cloud, String(created.id))
      return now !== undefined && now.id !== first.id
    }, BOOT_TIMEOUT_MS)
    await isActive(tenant)
    await answersOfBoth()
    assert.equal((await cloud.try('compute', 'GET', `/servers/${first.compute_id}`)).status, 404)
  })

  await timed('deleted, and everything as before', async () => {
    // Not with --wait: kept running, the client pauses for moments only, and counts them as the seconds after which it gives up.
    await openstack.run('loadbalancer', 'delete', '--cascade', 'lb')
    await eventually(async () => assert.deepEqual(await openstack.list('loadbalancer', 'list'), []), STEP_TIMEOUT_MS)
    assert.deepEqual(await cloud.snapshot(tenant), before)
  })
  await theirs.remove()
}

/** From the request to the agent that answers, step by step. */
async function watchBoot(cloud: RealCloud, load_balancer_id: string): Promise<Amphora> {
  const amphora = await timed('  until Nova has its machine running', () =>
    eventually(async () => {
      const [found] = await amphoraeOf(cloud, load_balancer_id)
      if (!found?.compute_id || !found.lb_network_ip) return false
      const { server } = await cloud.ask<{ server: { status: string } }>('compute', 'GET', `/servers/${found.compute_id}`)
      assert.notEqual(server.status, 'ERROR')
      return server.status === 'ACTIVE' && found
    }, STEP_TIMEOUT_MS),
  )
  await timed('  until its agent listens', () => eventually(() => listens(amphora.lb_network_ip), BOOT_TIMEOUT_MS))
  return amphora
}

async function isActive({ openstack }: CloudUser): Promise<void> {
  await eventually(async () => {
    const { provisioning_status } = await openstack.show('loadbalancer', 'show', 'lb')
    assert.equal(provisioning_status, 'ACTIVE')
  }, BOOT_TIMEOUT_MS)
}

/** VIPs are on one network, members on another; the tenant lets everybody reach port 80 of what is his. */
async function makePlaces(cloud: RealCloud, tenant: CloudUser): Promise<{ client: Place; a: Place; b: Place; remove(): Promise<void> }> {
  const { openstack } = tenant
  const networks: Record<string, string> = {}
  for (const [name, range] of [
    ['front', '10.20.0.0/24'],
    ['back', '10.20.1.0/24'],
  ] as const) {
    networks[name] = String((await openstack.show('network', 'create', name)).id)
    await openstack.run('subnet', 'create', '--network', name, '--subnet-range', range, `${name}-subnet`)
  }
  await openstack.run('security', 'group', 'rule', 'create', '--protocol', 'tcp', '--dst-port', '80', 'default')
  const on = (network: string, name: string) => aPlace(cloud, tenant, { name, network_id: networks[network]! })
  const places = { client: await on('front', 'client'), a: await on('back', 'a'), b: await on('back', 'b') }
  const servers = [places.a, places.b].map(({ namespace }) => serve(namespace))
  return {
    ...places,
    async remove() {
      for (const server of servers) server.kill('SIGKILL')
      for (const place of Object.values(places)) await place.remove()
      await openstack.run('network', 'delete', 'front', 'back')
    },
  }
}

/** Answers every request in that namespace with its name. */
function serve(namespace: string): ChildProcess {
  return spawn('ip', ['netns', 'exec', namespace, process.execPath, '-e', answeringProgram(namespace)], { stdio: 'ignore' })
}

async function amphoraeOf({ admin }: RealCloud, load_balancer_id: string): Promise<Amphora[]> {
  const found = await admin.openstack.list('loadbalancer', 'amphora', 'list', '--loadbalancer', load_balancer_id)
  const shown: Amphora[] = []
  for (const { id } of found) shown.push((await admin.openstack.show('loadbalancer', 'amphora', 'show', String(id))) as unknown as Amphora)
  return shown
}

function listens(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: AGENT_PORT, timeout: CONNECT_TIMEOUT_MS })
    const answer = (isThere: boolean) => {
      socket.destroy()
      resolve(isThere)
    }
    socket
      .on('connect', () => answer(true))
      .on('timeout', () => answer(false))
      .on('error', () => answer(false))
  })
}

/** What the tenant saw says little of why. */
async function tellWhy(cloud: RealCloud, controller: Controller): Promise<void> {
  console.error(await controller.ottavia('flow', 'list'))
  const servers = await cloud.list<{ id: string; name: string; status: string; fault?: { message: string } }>(
    'compute',
    '/servers/detail?all_tenants=1',
    'servers',
  )
  for (const { id, name, status, fault } of servers) {
    console.error(`${name}: ${status} ${fault?.message ?? ''}`)
    const { body } = await cloud.try('compute', 'POST', `/servers/${id}/action`, { body: { 'os-getConsoleOutput': { length: null } } })
    console.error(JSON.stringify(body).slice(-CONSOLE_BYTES).replaceAll('\\n', '\n'))
  }
}
