import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { forEachDatabase } from '../../../test/support/databases.ts'
import { servedByAmphorae } from '../../drivers/amphora/capabilities.ts'

const nil = '00000000-0000-0000-0000-000000000000'
const unsupported = (detail: string) => fault(501, `Provider 'amphora' does not support a requested option: ${detail}`)

forEachDatabase('a flavor profile is made, shown, listed, changed and deleted', async (open) => {
  const { api, stop } = await aCloud({ db: await open() }).empty()
  const flavor_data = '{"loadbalancer_topology": "SINGLE"}'
  const { id } = await api.createFlavorProfile({ name: 'one', flavor_data })
  const path = `/v2/lbaas/flavorprofiles/${id}`
  assert.deepEqual(await api.show(path), { id, name: 'one', provider_name: 'amphora', flavor_data })
  assert.deepEqual(await api.expect(200, 'GET', '/v2.0/flavorprofiles?name=one&fields=name'), {
    flavorprofiles: [{ name: 'one' }],
    flavorprofile_links: [],
  })
  const changed = await api.update(path, { name: 'two', flavor_data: '{}' })
  assert.deepEqual(changed, { id, name: 'two', provider_name: 'amphora', flavor_data: '{}' })
  assert.deepEqual(await api.update(path, {}), changed)
  await api.delete(path)
  await assert.rejects(api.show(path), fault(404, `Flavor Profile ${id} not found.`))
  await assert.rejects(api.delete(path), fault(404, `Flavor profile ${id} not found.`))
  await stop()
})

test('a list of flavor profiles is paged by id', async () => {
  const { api } = await aCloud().empty()
  const made: string[] = []
  for (const name of ['a', 'b', 'c']) made.push((await api.createFlavorProfile({ name, flavor_data: '{}' })).id)
  made.sort()
  type Page = { flavorprofiles: { id: string }[]; flavorprofile_links: { rel: string; href: string }[] }
  const first = await api.expect<Page>(200, 'GET', '/v2/lbaas/flavorprofiles?limit=2')
  assert.deepEqual(
    first.flavorprofiles.map(({ id }) => id),
    made.slice(0, 2),
  )
  const [next] = first.flavorprofile_links
  assert.equal(next?.rel, 'next')
  const second = await api.expect<Page>(200, 'GET', next.href.replace(/^https?:\/\/[^/]+/, ''))
  assert.deepEqual(
    second.flavorprofiles.map(({ id }) => id),
    made.slice(2),
  )
  await assert.rejects(
    api.expect(200, 'GET', '/v2/lbaas/flavorprofiles?sort=created_at'),
    fault(400, "Supplied sort key 'created_at' is not valid."),
  )
  await assert.rejects(
    api.expect(200, 'GET', '/v2/lbaas/flavorprofiles?project_id=p'),
    fault(400, 'One or more arguments are either duplicate or invalid'),
  )
})

test('data that is no JSON is refused, and so is data the provider does not understand', async () => {
  const { api } = await aCloud().empty()
  const create = (flavor_data: unknown, provider_name: unknown = 'amphora') => api.createFlavorProfile({ flavor_data, provider_name })
  await assert.rejects(create('xx'), fault(400, 'xx is not a valid option for flavor_data'))
  await assert.rejects(create(''), fault(400, ' is not a valid option for flavor_data'))
  await assert.rejects(create(null), fault(400, 'None is not a valid option for flavor_data'))
  await assert.rejects(create('x', 'nobody'), fault(400, 'x is not a valid option for flavor_data'))
  await assert.rejects(create('{}', 'nobody'), fault(400, "Provider 'nobody' is not enabled."))
  await assert.rejects(create('[]'), unsupported("[] is not of type 'object'"))
  await assert.rejects(create('null'), unsupported("None is not of type 'object'"))
  await assert.rejects(create('{"x":1}'), unsupported("Additional properties are not allowed ('x' was unexpected)"))
  await assert.rejects(create('{"b":1,"a":2}'), unsupported("Additional properties are not allowed ('a', 'b' were unexpected)"))
  await assert.rejects(create('{"loadbalancer_topology":1}'), unsupported("loadbalancer_topology 1 is not of type 'string'"))
  const topologies = "loadbalancer_topology 'X' is not one of ['ACTIVE_STANDBY', 'SINGLE']"
  await assert.rejects(create('{"loadbalancer_topology":"X"}'), unsupported(topologies))
  await assert.rejects(create('{"sriov_vip":"yes"}'), unsupported("sriov_vip 'yes' is not of type 'boolean'"))
  await assert.rejects(create('{"amp_image_tag":2,"compute_flavor":1}'), unsupported("compute_flavor 1 is not of type 'string'"))
})

test('a profile may only name what the compute service has', async () => {
  const { api, cloud } = await aCloud().empty()
  cloud.compute.flavors.push('large')
  await api.createFlavorProfile({ flavor_data: '{"compute_flavor":"large","amp_image_tag":"amphora"}' })
  await assert.rejects(api.createFlavorProfile({ flavor_data: '{"compute_flavor":"small"}' }), fault(400, 'Nova flavor small not found.'))
  await assert.rejects(api.createFlavorProfile({ flavor_data: '{"amp_image_tag":"old"}' }), fault(400, 'Image with tag old not found.'))
})

test('SR-IOV is offered only where amphorae have it', async () => {
  const { api, cloud } = await aCloud().empty()
  await api.createFlavorProfile({ flavor_data: '{"sriov_vip":true}' })
  cloud.amphora.capabilities = servedByAmphorae
  await api.createFlavorProfile({ flavor_data: '{"sriov_vip":false}' })
  await assert.rejects(
    api.createFlavorProfile({ flavor_data: '{"sriov_vip":true}' }),
    unsupported('Amphora provider does not support sriov_vip of flavors yet.'),
  )
})

test('the no-op provider takes any data, and no name is the amphora provider', async () => {
  const enabled_provider_drivers = { amphora: '', noop_driver: '', other: '' }
  const { api } = await aCloud({ config: { api_settings: { enabled_provider_drivers } } }).empty()
  await api.createFlavorProfile({ provider_name: 'noop_driver', flavor_data: '[1]' })
  await api.createFlavorProfile({ provider_name: '', flavor_data: '{}' })
  await assert.rejects(
    api.createFlavorProfile({ provider_name: 'other', flavor_data: '{}' }),
    fault(501, "Provider 'other' was not found."),
  )
})

test('an update refuses null, and while flavors use the profile also another meaning', async () => {
  const { api } = await aCloud().empty()
  const profile = await api.createFlavorProfile({ flavor_data: '{}' })
  const path = `/v2/lbaas/flavorprofiles/${profile.id}`
  for (const field of ['name', 'provider_name', 'flavor_data']) {
    await assert.rejects(api.update(path, { [field]: null }), fault(400, `None is not a valid option for ${field}`))
  }
  await assert.rejects(api.update(path, { flavor_data: 'zz' }), fault(400, 'zz is not a valid option for flavor_data'))
  await assert.rejects(
    api.update(path, { flavor_data: '{"a":1}' }),
    unsupported("Additional properties are not allowed ('a' was unexpected)"),
  )
  // As upstream: a provider alone is taken as it is.
  await api.update(path, { provider_name: 'nobody' })
  await assert.rejects(api.update(path, { flavor_data: '{}' }), fault(400, "Provider 'nobody' is not enabled."))
  await api.update(path, { flavor_data: '{}', provider_name: 'amphora' })

  await api.createFlavor(profile, { name: 'f' })
  const inUse = fault(409, `Flavor profile ${profile.id} is in use and cannot be modified.`)
  await assert.rejects(api.update(path, { flavor_data: 'zz' }), inUse)
  await assert.rejects(api.update(path, { provider_name: 'amphora' }), inUse)
  await assert.rejects(api.delete(path), inUse)
  assert.equal((await api.update(path, { name: 'other' })).name, 'other')
})

test('what is not there is not found, the all-zero id among it', async () => {
  const { api } = await aCloud().empty()
  for (const [id, what] of [
    [nil, 'Flavor profile'],
    ['x', 'Flavor Profile'],
  ]) {
    const path = `/v2/lbaas/flavorprofiles/${id}`
    await assert.rejects(api.show(path), fault(404, `${what} ${id} not found.`))
    await assert.rejects(api.update(path, { name: 'q' }), fault(404, `${what} ${id} not found.`))
    await assert.rejects(api.update(path, { flavor_data: '{}' }), fault(404, `${what} ${id} not found.`))
    await assert.rejects(api.delete(path), fault(404, `Flavor profile ${id} not found.`))
  }
  await assert.rejects(api.expect(200, 'DELETE', '/v2/lbaas/flavorprofiles'), fault(400, 'Missing argument: "flavor_profile_id"'))
  await assert.rejects(api.expect(200, 'PUT', '/v2/lbaas/flavorprofiles'), fault(400, 'Missing argument: "id"'))
})

test('only admins see flavor profiles', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const member = cloud.apiAs('project-1', 'member', 'reader')
  const forbidden = fault(403, 'Policy does not allow this request to be performed.')
  const { id } = await cloud.apiAs('project-1', 'admin').createFlavorProfile({ flavor_data: '{}' })
  await assert.rejects(member.list('/v2/lbaas/flavorprofiles'), forbidden)
  await assert.rejects(member.show(`/v2/lbaas/flavorprofiles/${id}`), forbidden)
  await assert.rejects(member.createFlavorProfile({ flavor_data: 'x' }), forbidden)
  await assert.rejects(member.update(`/v2/lbaas/flavorprofiles/${id}`, {}), forbidden)
  await assert.rejects(member.delete(`/v2/lbaas/flavorprofiles/${id}`), forbidden)
})
