import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aCloud } from '../../test/support/cloud.ts'
import { LoadBalancing, waitForActive, waitForDeleted } from '../client/index.ts'

/** A cloud holds every answer against what its route announces (`test/support/answers.ts`); here is one of each. */
test('every route gives the answer it announces, in a cloud that has one of everything', async () => {
  const { cloud } = await aCloud().empty()
  const endpoint = await cloud.server.listen({ host: '127.0.0.1', port: 0 })
  const client = new LoadBalancing({ endpoint, headers: { 'x-project-id': 'project-1' } })

  const profile = await client.createFlavorProfile({
    name: 'fp',
    provider_name: 'amphora',
    flavor_data: '{"loadbalancer_topology": "SINGLE"}',
  })
  const flavor = await client.createFlavor({ name: 'f', flavor_profile_id: profile.id })
  const zoneProfile = await client.createAvailabilityZoneProfile({
    name: 'zp',
    provider_name: 'amphora',
    availability_zone_data: '{"compute_zone": "nova"}',
  })
  await client.createAvailabilityZone({ name: 'z', availability_zone_profile_id: zoneProfile.id })

  const pool = { name: 'p1', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members: [{ address: '10.0.0.9', protocol_port: 80 }] } as const
  const { id } = await client.createLoadBalancer({
    vip_subnet_id: cloud.vipSubnet.id,
    flavor_id: flavor.id,
    listeners: [
      {
        protocol: 'HTTP',
        protocol_port: 80,
        default_pool: { ...pool, members: [...pool.members], healthmonitor: { type: 'HTTP', delay: 5, timeout: 3, max_retries: 3 } },
        l7policies: [{ action: 'REJECT', rules: [{ type: 'PATH', compare_type: 'EQUAL_TO', value: '/' }] }],
      },
    ],
  })
  const settled = () => waitForActive(() => client.getLoadBalancer(id))
  await settled()
  await client.updateLoadBalancer(id, { name: 'lb1', tags: ['a'] })
  await settled()
  for (const show of [client.getLoadBalancerStatus(id), client.getLoadBalancerStatuses(id), client.getLoadBalancerStats(id)]) await show
  assert.notEqual((await client.listLoadBalancerEvents(id)).items.length, 0)
  for await (const line of client.getLoadBalancerLogs(id)) assert.fail(line)

  const listener = await client.createListener({
    loadbalancer_id: id,
    protocol: 'TERMINATED_HTTPS',
    protocol_port: 443,
    default_tls_container_ref: cloud.certificates.addCertificate(),
  })
  await settled()
  await client.updateListener(listener.id, { insert_headers: { 'X-Forwarded-For': 'true' }, allowed_cidrs: ['10.0.0.0/8'] })
  await settled()
  for (const show of [client.getListener(listener.id), client.getListenerStats(listener.id)]) await show

  const other = await client.createPool({ loadbalancer_id: id, protocol: 'HTTP', lb_algorithm: 'SOURCE_IP', tls_enabled: true })
  await settled()
  await client.updatePool(other.id, { session_persistence: { type: 'SOURCE_IP' } })
  await settled()
  await client.getPool(other.id)
  const member = await client.createMember(other.id, { address: '10.0.0.8', protocol_port: 81, monitor_port: 82 })
  await settled()
  await client.updateMember(other.id, member.id, { weight: 0 })
  await settled()
  await client.getMember(other.id, member.id)
  await client.getMemberStats(other.id, member.id)
  await client.updateMembers(other.id, [{ address: '10.0.0.8', protocol_port: 81 }])
  await settled()
  const monitor = await client.createHealthMonitor({ pool_id: other.id, type: 'TCP', delay: 5, timeout: 3, max_retries: 3 })
  await settled()
  await client.updateHealthMonitor(monitor.id, { delay: 6 })
  await settled()
  await client.getHealthMonitor(monitor.id)
  const policy = await client.createL7Policy({ listener_id: listener.id, action: 'REDIRECT_TO_POOL', redirect_pool_id: other.id })
  await settled()
  await client.updateL7Policy(policy.id, { redirect_prefix: 'https://example.org', redirect_http_code: 307 })
  await settled()
  await client.getL7Policy(policy.id)
  const rule = await client.createL7Rule(policy.id, { type: 'HEADER', compare_type: 'REGEX', key: 'X-A', value: '.' })
  await settled()
  await client.updateL7Rule(policy.id, rule.id, { invert: true })
  await settled()
  await client.getL7Rule(policy.id, rule.id)

  const lists = [
    client.listLoadBalancers(),
    client.listListeners(),
    client.listPools(),
    client.listMembers(other.id),
    client.listHealthMonitors(),
    client.listL7Policies(),
    client.listL7Rules(policy.id),
    client.listFlavors(),
    client.listFlavorProfiles(),
    client.listAvailabilityZones(),
    client.listAvailabilityZoneProfiles(),
    client.listAmphorae(),
  ]
  assert.notEqual((await client.listLoadBalancerEvents(id)).items.length, 0)
  for (const list of lists) assert.notEqual((await list).items.length, 0)
  for (const list of [
    client.listProviders(),
    client.listProviderFlavorCapabilities('amphora'),
    client.listProviderAvailabilityZoneCapabilities('amphora'),
  ]) {
    assert.notEqual((await list).length, 0)
  }

  await client.updateQuota('project-1', { pool: 9 })
  assert.equal((await client.listQuotas()).items.length, 1)
  for (const show of [client.getQuota('project-1'), client.getQuotaDefault('project-1')]) await show
  await client.deleteQuota('project-1')

  const [amphora] = (await client.listAmphorae()).items
  await client.getAmphora(amphora!.id)
  await countTraffic(amphora!.id)
  assert.equal((await client.getAmphoraStats(amphora!.id)).length, 1)
  await client.configureAmphora(amphora!.id)
  await settled()
  await client.failoverAmphora(amphora!.id)
  await settled()
  await client.failoverLoadBalancer(id)
  await settled()
  const [broken] = (await client.listAmphorae()).items
  await cloud.db.updateTable('amphora').set({ status: 'ERROR' }).where('id', '=', broken!.id).execute()
  await client.deleteAmphora(broken!.id)
  await settled()

  const gone = [
    () => client.deleteL7Rule(policy.id, rule.id),
    () => client.deleteL7Policy(policy.id),
    () => client.deleteHealthMonitor(monitor.id),
    () => client.deleteMember(other.id, member.id),
    () => client.deletePool(other.id),
    () => client.deleteListener(listener.id),
  ]
  for (const remove of gone) {
    await remove()
    await settled()
  }
  await client.deleteLoadBalancer(id, { cascade: true })
  await waitForDeleted(() => client.getLoadBalancer(id))
  await client.updateFlavor(flavor.id, { description: 'x' })
  await client.getFlavor(flavor.id)
  await client.updateAvailabilityZone('z', { enabled: false })
  await client.getAvailabilityZone('z')
  for (const remove of [() => client.deleteFlavor(flavor.id), () => client.deleteAvailabilityZone('z')]) await remove()
  await client.updateFlavorProfile(profile.id, { name: 'fp2' })
  await client.getFlavorProfile(profile.id)
  await client.updateAvailabilityZoneProfile(zoneProfile.id, { name: 'zp2' })
  await client.getAvailabilityZoneProfile(zoneProfile.id)
  await client.deleteFlavorProfile(profile.id)
  await client.deleteAvailabilityZoneProfile(zoneProfile.id)

  const unheard = cloud.server.announced.map(({ method, path }) => `${method} ${path}`).filter((route) => !cloud.answered.has(route))
  assert.deepEqual(unheard, [])

  async function countTraffic(amphora_id: string): Promise<void> {
    const counters = { bytes_in: 1, bytes_out: 2, active_connections: 0, total_connections: 1, request_errors: 0 }
    await cloud.db
      .insertInto('listener_statistics')
      .values({ amphora_id, listener_id: listener.id, load_balancer_id: id, ...counters })
      .execute()
  }
})
