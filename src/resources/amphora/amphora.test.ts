import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault, type Shown } from '../../../test/support/api-client.ts'
import { aCloud, type Cloud } from '../../../test/support/cloud.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { servedByAmphorae } from '../../drivers/amphora/capabilities.ts'

const nobody = '11111111-1111-4111-8111-111111111111'
const amphorae = '/v2/octavia/amphorae'

type ShownAmphora = Shown & { role: string; status: string; vrrp_ip: string; vrrp_port_id: string; loadbalancer_id: string }

async function aPair() {
  const config = { controller_worker: { loadbalancer_topology: 'ACTIVE_STANDBY' } } as const
  const { cloud, api, loadBalancer } = await aCloud({ config }).withLoadBalancer()
  return { cloud, api, loadBalancer, path: `/v2/lbaas/loadbalancers/${loadBalancer.id}` }
}

async function byRole({ api }: Cloud): Promise<Record<string, ShownAmphora>> {
  const list = (await api.list(amphorae)) as ShownAmphora[]
  return Object.fromEntries(list.map((amphora) => [amphora.role, amphora]))
}

test('amphorae are listed by every one of their fields, and by their load balancer’s project', async () => {
  const { cloud, api, loadBalancer } = await aPair()
  const { MASTER } = await byRole(cloud)
  const { body } = await api.request('GET', `${amphorae}/${MASTER!.id}`)
  const shown = (body as { amphora: Record<string, unknown> }).amphora
  for (const [name, value] of Object.entries(shown)) {
    if (value === null) continue
    const found = await api.list(`${amphorae}?${name}=${encodeURIComponent(String(value))}`)
    assert.ok(
      found.some(({ id }) => id === MASTER!.id),
      name,
    )
  }
  assert.equal((await api.list(`${amphorae}?role=MASTER&load_balancer_id=${loadBalancer.id}`)).length, 1)
  assert.equal((await api.list(`${amphorae}?project_id=project-1`)).length, 2)
  assert.deepEqual(await api.list(`${amphorae}?project_id=project-2`), [])
  assert.deepEqual(await api.list(`${amphorae}?status=ERROR`), [])
  await assert.rejects(api.list(`${amphorae}?color=red`), fault(400, 'One or more arguments are either duplicate or invalid'))
  assert.deepEqual(await api.list(`${amphorae}?role=MASTER&fields=role`), [{ role: 'MASTER' }])
})

test('what is not there is told so', async () => {
  const { api } = await aPair()
  const missing = fault(404, `Amphora ${nobody} not found.`)
  await assert.rejects(api.expect(200, 'GET', `${amphorae}/${nobody}`), missing)
  await assert.rejects(api.expect(202, 'PUT', `${amphorae}/${nobody}/failover`), missing)
  await assert.rejects(api.expect(202, 'PUT', `${amphorae}/${nobody}/config`), missing)
  await assert.rejects(api.expect(204, 'DELETE', `${amphorae}/${nobody}`), missing)
  await assert.rejects(api.expect(200, 'GET', `${amphorae}/${nobody}/stats`), fault(404, `Amphora stats for ${nobody} not found.`))
  await assert.rejects(
    api.expect(202, 'PUT', `/v2/lbaas/loadbalancers/${nobody}/failover`),
    fault(404, `Load Balancer ${nobody} not found.`),
  )
})

test('an amphora that fails over is another afterwards, with the same address and port', async () => {
  const { cloud, api, loadBalancer, path } = await aPair()
  const before = await byRole(cloud)
  await api.expect(202, 'PUT', `${amphorae}/${before.MASTER!.id}/failover`)
  await api.waitFor(path)
  const after = await byRole(cloud)
  assert.deepEqual(after.BACKUP, before.BACKUP)
  assert.notEqual(after.MASTER!.id, before.MASTER!.id)
  for (const field of ['loadbalancer_id', 'vrrp_ip', 'ha_ip', 'vrrp_port_id', 'ha_port_id', 'vrrp_id', 'vrrp_priority', 'status']) {
    assert.equal(after.MASTER![field], before.MASTER![field], field)
  }
  for (const field of ['compute_id', 'lb_network_ip']) assert.notEqual(after.MASTER![field], before.MASTER![field], field)
  await assert.rejects(api.expect(200, 'GET', `${amphorae}/${before.MASTER!.id}`), fault(404, `Amphora ${before.MASTER!.id} not found.`))
  assert.equal((await api.show(path)).vip_address, loadBalancer.vip_address)
})

test('one flow at a time: meanwhile the load balancer is locked', async () => {
  const { cloud, api, loadBalancer, path } = await aPair()
  const { MASTER, BACKUP } = await byRole(cloud)
  await cloud.db.updateTable('load_balancer').set({ provisioning_status: 'PENDING_UPDATE' }).execute()
  await assert.rejects(
    api.expect(202, 'PUT', `${amphorae}/${MASTER!.id}/failover`),
    fault(409, `Load Balancer ${loadBalancer.id} is immutable and cannot be updated.`),
  )
  await assert.rejects(
    api.expect(202, 'PUT', `${path}/failover`),
    fault(409, `Invalid state PENDING_UPDATE of loadbalancer resource ${loadBalancer.id}`),
  )
  // An amphora waits for a load balancer that serves; the whole of it may be made anew also from ERROR.
  await cloud.db.updateTable('load_balancer').set({ provisioning_status: 'ERROR' }).execute()
  await assert.rejects(api.expect(202, 'PUT', `${amphorae}/${BACKUP!.id}/failover`), fault(409, /is immutable/))
  await api.expect(202, 'PUT', `${path}/failover`)
  await api.waitFor(path)
  const after = await byRole(cloud)
  assert.ok(after.MASTER!.id !== MASTER!.id && after.BACKUP!.id !== BACKUP!.id)
})

test('a load balancer whose create failed serves after its failover, with all that was made with it', async () => {
  const { cloud, api } = await aCloud().empty()
  cloud.compute.failNext('ensureServer')
  const listeners = [{ protocol: 'HTTP', protocol_port: 80, default_pool: { name: 'p', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' } }]
  const { id } = await api.createLoadBalancer(cloud.aBody({ listeners }))
  const path = `/v2/lbaas/loadbalancers/${id}`
  await api.waitFor(path, 'ERROR')
  assert.deepEqual(await api.list(amphorae), [])
  await api.expect(202, 'PUT', `${path}/failover`)
  await api.waitFor(path)
  const [listener] = await api.list('/v2/lbaas/listeners')
  const [amphora] = await api.list(amphorae)
  assert.deepEqual([listener?.provisioning_status, amphora?.status], ['ACTIVE', 'ALLOCATED'])
  assert.match(cloud.amphora.haproxyCfg(amphora!.id), /bind 10\.0\.0\.2:80/)
})

test('a failover that fails leaves the old amphora, its ports and a reason', async () => {
  const { cloud, api, path } = await aPair()
  const before = await byRole(cloud)
  const { BACKUP } = before
  cloud.amphora.failNext('plugVip')
  await api.expect(202, 'PUT', `${amphorae}/${BACKUP!.id}/failover`)
  await api.waitFor(path, 'ERROR')
  const after = await byRole(cloud)
  // It has taken its configuration again, so it is not in ERROR.
  assert.deepEqual([after.BACKUP?.id, after.BACKUP?.vrrp_ip, after.BACKUP?.status], [BACKUP?.id, BACKUP?.vrrp_ip, 'ALLOCATED'])
  assert.equal(cloud.compute.servers.length, 2)
})

test('an agent gets its configuration anew', async () => {
  const { cloud, api } = await aPair()
  const { MASTER } = await byRole(cloud)
  await api.expect(202, 'PUT', `${amphorae}/${MASTER!.id}/config`)
  await eventually(() => assert.match(cloud.amphora.agents.get(MASTER!.id)?.agentConfiguration ?? '', new RegExp(MASTER!.id)))
})

test('only an amphora in ERROR can be deleted', async () => {
  const { cloud, api, path } = await aPair()
  const { MASTER, BACKUP } = await byRole(cloud)
  await assert.rejects(
    api.expect(204, 'DELETE', `${amphorae}/${BACKUP!.id}`),
    fault(409, `amphora ${BACKUP!.id} is immutable and cannot be updated.`),
  )
  await cloud.db.updateTable('amphora').set({ status: 'ERROR' }).where('id', '=', BACKUP!.id).execute()
  await api.expect(204, 'DELETE', `${amphorae}/${BACKUP!.id}`)
  await api.waitUntilGone(`${amphorae}/${BACKUP!.id}`)
  assert.equal((await api.show(path)).provisioning_status, 'ACTIVE')
  assert.equal(cloud.compute.servers.length, 1)
  assert.ok(!cloud.network.ports.some(({ id }) => id === BACKUP!.vrrp_port_id))
  // What is missing now, a failover of the load balancer makes.
  await api.expect(202, 'PUT', `${path}/failover`)
  await api.waitFor(path)
  assert.deepEqual(Object.keys(await byRole(cloud)).sort(), ['BACKUP', 'MASTER'])
  assert.notEqual((await byRole(cloud)).MASTER!.id, MASTER!.id)
})

test('where the amphora driver cannot do it, 501 says so and nothing happens', async () => {
  const { cloud, api, path } = await aPair()
  cloud.amphora.capabilities = { ...servedByAmphorae, failover: false, amphora_configuration: false, amphora_deletion: false }
  const { MASTER } = await byRole(cloud)
  await cloud.db.updateTable('amphora').set({ status: 'ERROR' }).execute()
  const refused = fault(501, /^Provider 'amphora' does not support a requested action: /)
  await assert.rejects(api.expect(202, 'PUT', `${path}/failover`), refused)
  await assert.rejects(api.expect(202, 'PUT', `${amphorae}/${MASTER!.id}/failover`), refused)
  await assert.rejects(api.expect(202, 'PUT', `${amphorae}/${MASTER!.id}/config`), refused)
  await assert.rejects(api.expect(204, 'DELETE', `${amphorae}/${MASTER!.id}`), refused)
  assert.equal((await api.show(path)).provisioning_status, 'ACTIVE')
  assert.equal((await byRole(cloud)).MASTER!.status, 'ERROR')
})
