import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ApiClient } from '../../test/support/api-client.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { apiRules, type PolicyName } from './policy-defaults.ts'
import { createApi } from './server.ts'

const directory = mkdtempSync(join(tmpdir(), 'ottavia-asked-policies-'))
after(() => rmSync(directory, { recursive: true }))

/** An API whose callers may do everything but what `forbid` names last, over one object of each kind. */
async function aForbiddingApi() {
  const { cloud, api, loadBalancer, listener, pool } = await aCloud({ worker: true }).withPool()
  const path = `/v2/lbaas/loadbalancers/${loadBalancer.id}`
  const made = async <T extends { id: string }>(object: Promise<T>): Promise<string> => {
    const { id } = await object
    await api.waitFor(path)
    return id
  }
  const member = await made(api.createMember(pool, { address: '10.0.0.9', protocol_port: 80 }))
  const monitor = await made(api.createHealthMonitor(pool, { type: 'HTTP', delay: 5, timeout: 4, max_retries: 3 }))
  const l7policy = await api.createL7Policy(listener, { action: 'REJECT' })
  await api.waitFor(path)
  const rule = await made(api.createL7Rule(l7policy, { type: 'PATH', compare_type: 'STARTS_WITH', value: '/' }))
  const data = { provider_name: 'amphora' }
  const flavorProfile = await api.createFlavorProfile({ ...data, name: 'fp', flavor_data: '{}' })
  const flavor = await api.createFlavor(flavorProfile, { name: 'f' })
  const zoneProfile = await api.createAvailabilityZoneProfile({ ...data, name: 'zp', availability_zone_data: '{}' })
  await api.createAvailabilityZone(zoneProfile, { name: 'z' })
  await api.expect(202, 'PUT', '/v2/lbaas/quotas/project-1', { quota: { pool: 100 } })
  const [amphora] = await api.list('/v2/octavia/amphorae')
  const group = cloud.network.addSecurityGroup({ project_id: 'project-1' })

  /** What stands for a path's parameter, by the segment before it. */
  const ids: Record<string, string> = {
    loadbalancers: loadBalancer.id,
    listeners: listener.id,
    pools: pool.id,
    members: member,
    healthmonitors: monitor,
    l7policies: l7policy.id,
    rules: rule,
    flavors: flavor.id,
    flavorprofiles: flavorProfile.id,
    availabilityzones: 'z',
    availabilityzoneprofiles: zoneProfile.id,
    amphorae: amphora!.id,
    quotas: 'project-1',
    providers: 'amphora',
  }
  const aPool = { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }
  const bodies: Record<string, object> = {
    'POST loadbalancers': { loadbalancer: cloud.aBody({ vip_sg_ids: [group.id] }) },
    'PUT loadbalancers': { loadbalancer: { vip_sg_ids: [group.id] } },
    'POST listeners': { listener: { loadbalancer_id: loadBalancer.id, protocol: 'HTTP', protocol_port: 81 } },
    'PUT listeners': { listener: {} },
    'POST pools': { pool: { ...aPool, loadbalancer_id: loadBalancer.id } },
    'PUT pools': { pool: {} },
    'POST members': { member: { address: '10.0.0.8', protocol_port: 80 } },
    'PUT members': { member: {} },
    'POST healthmonitors': { healthmonitor: { pool_id: pool.id, type: 'HTTP', delay: 5, timeout: 4, max_retries: 3 } },
    'PUT healthmonitors': { healthmonitor: {} },
    'POST l7policies': { l7policy: { listener_id: listener.id, action: 'REJECT' } },
    'PUT l7policies': { l7policy: {} },
    'POST rules': { rule: { type: 'PATH', compare_type: 'STARTS_WITH', value: '/' } },
    'PUT rules': { rule: {} },
    'PUT quotas': { quota: { pool: 1 } },
    'POST flavors': { flavor: { name: 'g', flavor_profile_id: flavorProfile.id } },
    'PUT flavors': { flavor: { name: 'g' } },
    'POST flavorprofiles': { flavorprofile: { ...data, name: 'g', flavor_data: '{}' } },
    'PUT flavorprofiles': { flavorprofile: { name: 'g' } },
    'POST availabilityzones': { availability_zone: { name: 'g', availability_zone_profile_id: zoneProfile.id } },
    'PUT availabilityzones': { availability_zone: { description: 'g' } },
    'POST availabilityzoneprofiles': { availability_zone_profile: { ...data, name: 'g', availability_zone_data: '{}' } },
    'PUT availabilityzoneprofiles': { availability_zone_profile: { name: 'g' } },
    // Of the whole collection.
    'PUT pools/members': { members: [{ address: '10.0.0.7', protocol_port: 80 }] },
  }

  const file = join(directory, 'policy.yaml')
  writeFileSync(file, '{}')
  let monotonic = 0
  const { config } = cloud
  const server = createApi({
    ...cloud.context,
    config: { ...config, oslo_policy: { ...config.oslo_policy, policy_file: file } },
    clock: { now: () => cloud.clock.now(), monotonic: () => monotonic },
  })
  after(() => server.close())
  const everyone = new ApiClient(server, { 'x-project-id': 'project-1' })
  return {
    announced: server.announced,
    everyone,
    /** Nothing else is forbidden from here on. */
    forbid(...names: PolicyName[]) {
      writeFileSync(file, JSON.stringify(Object.fromEntries(names.map((name) => [name, '!']))))
      monotonic += 1_000
    },
    ask: (method: string, pattern: string, as = everyone) => {
      const segments = pattern.split('/').slice(3)
      const path = pattern.replaceAll(/(\w+)\/:\w+/g, (_, collection: string) => `${collection}/${ids[collection]}`)
      const [collection = '', , child] = segments
      const isWholeCollection = method === 'PUT' && child === 'members' && segments.length === 3
      const nested = child === 'members' || child === 'rules' ? child : collection
      const isAction = method === 'PUT' && (child === 'failover' || child === 'config')
      const body = bodies[isWholeCollection ? 'PUT pools/members' : `${method} ${nested}`]
      return as.request(method, path, isAction ? undefined : body)
    },
  }
}

test('each route really asks for each policy it names', async () => {
  const { announced, ask, forbid, everyone } = await aForbiddingApi()
  const wrong: string[] = []
  for (const { method, path, policies } of announced) {
    for (const name of policies) {
      const isGlobal = name.endsWith('-global')
      // Who may list everybody's objects need not ask whether he may list his own.
      forbid(name, ...(isGlobal ? [] : policies.filter((other) => other.endsWith('-global'))))
      if (!isGlobal) {
        const { status, body } = await ask(method, path)
        if (status !== 403) wrong.push(`${method} ${path} without ${name}: ${status} ${JSON.stringify(body)}`)
        continue
      }
      const ofAnother = everyone.as({ 'x-project-id': 'another' })
      const count = async () => Object.values((await ask(method, path, ofAnother)).body as Record<string, unknown[]>)[0]!.length
      const own = await count()
      forbid()
      if (own > 0 || (await count()) === 0) wrong.push(`${method} ${path} does not ask for ${name}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('there is no policy that no route asks for', async () => {
  const { announced } = await aForbiddingApi()
  const asked = new Set(announced.flatMap(({ policies }) => policies))
  assert.deepEqual(
    Object.keys(apiRules).filter((name) => !asked.has(name as PolicyName)),
    [],
  )
})
