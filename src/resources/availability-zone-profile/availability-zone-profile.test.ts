import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { forEachDatabase } from '../../../test/support/databases.ts'

const nil = '00000000-0000-0000-0000-000000000000'
const unsupported = (detail: string) => fault(501, `Provider 'amphora' does not support a requested option: ${detail}`)

forEachDatabase('an availability zone profile is made, shown, listed, changed and deleted', async (open) => {
  const { api, stop } = await aCloud({ db: await open() }).empty()
  const availability_zone_data = '{"compute_zone": "nova", "volume_zone": "v"}'
  const { id } = await api.createAvailabilityZoneProfile({ name: 'one', availability_zone_data })
  const path = `/v2/lbaas/availabilityzoneprofiles/${id}`
  const shown = { id, name: 'one', provider_name: 'amphora', availability_zone_data }
  assert.deepEqual(await api.show(path), shown)
  assert.deepEqual(await api.expect(200, 'GET', '/v2/lbaas/availabilityzoneprofiles'), {
    availability_zone_profiles: [shown],
    availability_zone_profile_links: [],
  })
  assert.deepEqual(await api.update(path, { availability_zone_data: '{}' }), { ...shown, availability_zone_data: '{}' })
  await api.delete(path)
  await assert.rejects(api.show(path), fault(404, `Availability Zone Profile ${id} not found.`))
  await stop()
})

test('data that is no JSON is refused, and so is data the provider does not understand', async () => {
  const { api } = await aCloud().empty()
  const create = (availability_zone_data: unknown) => api.createAvailabilityZoneProfile({ availability_zone_data })
  await assert.rejects(create('x'), fault(400, 'x is not a valid option for availability_zone_data'))
  await assert.rejects(create(null), fault(400, 'None is not a valid option for availability_zone_data'))
  await assert.rejects(create('[]'), unsupported("[] is not of type 'object'"))
  await assert.rejects(create('{"x":1}'), unsupported("Additional properties are not allowed ('x' was unexpected)"))
  await assert.rejects(create('{"compute_zone":1}'), unsupported("compute_zone 1 is not of type 'string'"))
  await assert.rejects(create('{"valid_vip_networks":"x"}'), unsupported("valid_vip_networks 'x' is not of type 'array'"))
})

test('a profile may only name zones and networks that there are', async () => {
  const { api, cloud } = await aCloud().empty()
  const create = (data: object) => api.createAvailabilityZoneProfile({ availability_zone_data: JSON.stringify(data) })
  await create({ compute_zone: 'nova', management_network: cloud.vipNetwork.id, valid_vip_networks: [cloud.vipNetwork.id] })
  await assert.rejects(create({ compute_zone: 'moon' }), fault(400, 'Nova availability zone moon not found.'))
  await assert.rejects(create({ management_network: 'm' }), fault(400, 'Network m not found.'))
  await assert.rejects(create({ valid_vip_networks: [cloud.vipNetwork.id, 7] }), fault(400, 'Network 7 not found.'))
})

test('an update refuses null, and while zones use the profile also another meaning', async () => {
  const { api } = await aCloud().empty()
  const profile = await api.createAvailabilityZoneProfile({ availability_zone_data: '{}' })
  const path = `/v2/lbaas/availabilityzoneprofiles/${profile.id}`
  await assert.rejects(
    api.update(path, { availability_zone_data: null }),
    fault(400, 'None is not a valid option for availability_zone_data'),
  )
  // Upstream's word for it.
  await assert.rejects(api.update(path, { availability_zone_data: 'zz' }), fault(400, 'zz is not a valid option for flavor_data'))
  await api.createAvailabilityZone(profile, { name: 'z' })
  const inUse = fault(409, `Availability Zone Profile ${profile.id} is in use and cannot be modified.`)
  await assert.rejects(api.update(path, { availability_zone_data: '{}' }), inUse)
  await assert.rejects(api.delete(path), inUse)
  await api.update(path, { name: 'other' })
  for (const id of [nil, 'x']) {
    const unknown = `/v2/lbaas/availabilityzoneprofiles/${id}`
    await assert.rejects(api.show(unknown), fault(404, `Availability Zone Profile ${id} not found.`))
    await assert.rejects(api.update(unknown, {}), fault(404, `Availability Zone Profile ${id} not found.`))
    await assert.rejects(api.delete(unknown), fault(404, `Availability Zone Profile ${id} not found.`))
  }
})
