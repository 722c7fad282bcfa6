/** The compute and the image driver beside a real Nova and a real Glance: their promises, and what only these two can say. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Config, loadConfig } from '../../src/config/config.ts'
import { type ComputeUnderTest, computeContract } from '../../src/drivers/compute/contract.ts'
import type { WantedServer } from '../../src/drivers/compute/driver.ts'
import { NovaCompute } from '../../src/drivers/compute/nova.ts'
import { ServiceError } from '../../src/drivers/errors.ts'
import { imageContract } from '../../src/drivers/image/contract.ts'
import { GlanceImages } from '../../src/drivers/image/glance.ts'
import type { ServiceClient } from '../../src/drivers/openstack/session.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { eventually } from '../support/eventually.ts'
import { aTenancy, type Tenancy } from '../support/neutron-tenant.ts'
import { noOpenStack } from '../support/openstack.ts'

/** A server of this cloud is there within seconds; on a busy machine in a minute. */
const SERVER_TIMEOUT_MS = 120_000
const LOOK_INTERVAL_MS = 250
const TAG = 'nova-test'
// Nova counts a file's contents as base64, of which it takes 10240 characters.
const files = { '/etc/octavia/amphora-agent.conf': '[DEFAULT]\nname = ünïcode\n', '/etc/octavia/certs/client_ca.pem': 'x'.repeat(7_680) }

describe('a real Nova and a real Glance', { skip: noOpenStack ?? false }, () => {
  let it: Tenancy
  let config: Config
  let nova: ServiceClient
  let glance: ServiceClient
  let driver: NovaCompute
  let place: Omit<ComputeUnderTest, 'kill' | 'eventually' | 'close'>
  /** Of one network, which manages as well as serves: two would cost twice. */
  let network_id: string

  before(async () => {
    it = await aTenancy()
    const { session, service } = it
    const overrides = { service_auth: { auth_url: process.env.OS_AUTH_URL }, controller_worker: { amp_image_owner_id: service.project_id } }
    config = loadConfig({ stateDirectory: '/nowhere', overrides })
    const [to, patience] = [{ options: config.nova, section: 'nova' }, config.compute]
    nova = session.client({ name: 'Nova', type: 'compute', patience, ...to })
    glance = session.client({ name: 'Glance', type: 'image', patience, ...to, version: '/v2' })
    driver = new NovaCompute({ config, session, clock: systemClock })
    const management = await service.aNetwork({ name: 'nova-test-management' })
    const tenant = await service.aNetwork({ name: 'nova-test-tenant' })
    network_id = management.network_id
    const flavor = { flavor: { name: `nova-test-${randomUUID()}`, ram: 128, vcpus: 1, disk: 0 } }
    const { body } = await nova.request<{ flavor: { id: string } }>('POST', '/flavors', { body: flavor })
    place = {
      driver,
      network: it.driver,
      management_network_id: network_id,
      image_id: await anImage(TAG),
      compute_flavor: body.flavor.id,
      refusesOldFences: false,
      tenant,
      files,
    }
  })
  after(async () => {
    if (place !== undefined) {
      for (const { id } of await glance.list<{ id: string }>('/v2/images', 'images', { query: { owner: it.service.project_id } })) {
        await glance.request('DELETE', `/v2/images/${id}`)
      }
      await nova.request('DELETE', `/flavors/${place.compute_flavor}`)
      for (const id of [network_id, place.tenant.network_id]) await it.removeNetwork(id)
    }
    await it?.close()
  })

  async function anImage(tag: string): Promise<string> {
    const image = { name: tag, tags: [tag], disk_format: 'raw', container_format: 'bare' }
    const { body } = await glance.request<{ id: string }>('POST', '/v2/images', { body: image })
    await glance.request('PUT', `/v2/images/${body.id}/file`, { body: 'image', headers: { 'Content-Type': 'application/octet-stream' } })
    return body.id
  }

  const act = (compute_id: string, action: object) => nova.request('POST', `/servers/${compute_id}/action`, { body: action })
  /** Each look is a question to Nova, which has only this machine. */
  const soon = async (condition: () => Promise<void>): Promise<void> => {
    const look = async () => {
      await sleep(LOOK_INTERVAL_MS)
      await condition()
    }
    await eventually(look, SERVER_TIMEOUT_MS)
  }

  async function removeAll(): Promise<void> {
    for (const { id } of await driver.listMadeServers()) await driver.deleteServer(id)
    await it.removePorts(place.tenant.network_id)
  }

  computeContract('compute_nova_driver', async () => ({
    ...place,
    kill: async (compute_id) => void (await act(compute_id, { 'os-stop': null })),
    eventually: soon,
    close: removeAll,
  }))

  imageContract('image_glance_driver', async () => ({
    driver: new GlanceImages({ config, session: it.session, log: createLog('silent') }),
    tag: TAG,
    // Glance tells them apart by whole seconds.
    async addImage(tag) {
      await sleep(1_000)
      return anImage(tag)
    },
  }))

  const wanted = (changes: Partial<WantedServer> = {}): WantedServer => {
    const amphora_id = randomUUID()
    return {
      amphora_id,
      name: `amphora-${amphora_id}`,
      network_ids: [network_id],
      security_group_ids: [],
      compute_flavor: place.compute_flavor,
      image_id: place.image_id,
      server_group_id: null,
      availability_zone: null,
      files,
      made_by: 'flow-1',
      ...changes,
    }
  }
  const settled = async (compute_id: string) => {
    let server = await driver.getServer(compute_id)
    await soon(async () => {
      server = await driver.getServer(compute_id)
      assert.notEqual(server.status, 'BOOTING')
    })
    return server
  }

  test('the machine finds its files on its config drive, and is told of as it is', async (t) => {
    t.after(removeAll)
    const { compute_id } = await driver.ensureServer(wanted({ availability_zone: 'nova' }))
    const { lb_network_ip, ...server } = await settled(compute_id)
    const { image_id, compute_flavor } = place
    assert.deepEqual(server, { compute_id, status: 'ACTIVE', fault: null, image_id, compute_flavor, availability_zone: 'nova' })
    assert.match(String(lb_network_ip), /^10\.9\.0\./)
    const [drive] = globSync(join(process.env.OPENSTACK_STATE!, '*', 'instances', compute_id, 'config', 'openstack'))
    const read = (path: string) => readFileSync(join(drive!, path), 'utf8')
    const { files: listed } = JSON.parse(read('latest/meta_data.json')) as { files: { path: string; content_path: string }[] }
    assert.deepEqual(Object.fromEntries(listed.map(({ path, content_path }) => [path, read(content_path)])), files)
    assert.match(read('latest/user_data'), /^#cloud-config\n/)
  })

  test('two machines of a pair share no host, and where that cannot be the fault is Nova’s', async (t) => {
    const group = { name: `octavia-lb-${randomUUID()}`, policy: 'anti-affinity', made_by: 'flow-1' }
    const server_group_id = await driver.ensureServerGroup(group)
    t.after(async () => {
      await removeAll()
      await driver.deleteServerGroup(server_group_id)
    })
    const one = await driver.ensureServer(wanted({ server_group_id }))
    assert.equal((await settled(one.compute_id)).status, 'ACTIVE')
    const { body } = await nova.request<{ server: Record<string, string> }>('GET', `/servers/${one.compute_id}`)
    const availability_zone = `nova:${body.server['OS-EXT-SRV-ATTR:host']}`
    const other = await driver.ensureServer(wanted({ server_group_id, availability_zone }))
    const { status, fault } = await settled(other.compute_id)
    assert.equal(status, 'ERROR')
    assert.match(String(fault), /^(Anti-affinity instance group policy was violated|No valid host was found)/)
  })

  test('a quota that is used up is said in Nova’s words', async (t) => {
    const quota = (instances: number) =>
      nova.request('PUT', `/os-quota-sets/${it.service.project_id}`, { body: { quota_set: { instances } } })
    await quota(0)
    t.after(() => quota(-1))
    await assert.rejects(driver.ensureServer(wanted()), (error: ServiceError) => {
      assert.match(
        error.message,
        /^Nova answered POST \/servers with 403: Quota exceeded for instances: Requested 1, but already used 0 of 0 instances/,
      )
      return error instanceof ServiceError
    })
    assert.deepEqual(await driver.listMadeServers(), [])
  })

  test('a machine that was shut off, or deleted by others, is noticed among those that run', async (t) => {
    t.after(removeAll)
    const ids = (await Promise.all([1, 2, 3].map(() => driver.ensureServer(wanted())))).map(({ compute_id }) => compute_id)
    for (const id of ids) assert.equal((await settled(id)).status, 'ACTIVE')
    assert.deepEqual(await driver.listGone(ids), [])
    await act(ids[0]!, { 'os-stop': null })
    await nova.request('DELETE', `/servers/${ids[2]}`)
    await soon(async () => assert.deepEqual(await driver.listGone(ids), [ids[0], ids[2]]))
  })
})
