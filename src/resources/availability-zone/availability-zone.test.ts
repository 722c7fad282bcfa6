import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { forEachDatabase } from '../../../test/support/databases.ts'

const nil = '00000000-0000-0000-0000-000000000000'

forEachDatabase('an availability zone goes by its name: made, shown, changed and deleted', async (open) => {
  const { api, stop } = await aCloud({ db: await open() }).empty()
  const profile = await api.createAvailabilityZoneProfile({ availability_zone_data: '{}' })
  const made = await api.createAvailabilityZone(profile, { name: 'north' })
  const shown = { name: 'north', description: '', enabled: true, availability_zone_profile_id: profile.id }
  assert.deepEqual(made, shown)
  const path = '/v2/lbaas/availabilityzones/north'
  assert.deepEqual(await api.show(path), shown)
  assert.deepEqual(await api.update(path, { description: 'd', enabled: false }), { ...shown, description: 'd', enabled: false })
  assert.deepEqual(await api.update(path, { description: null, enabled: null }), shown)
  await assert.rejects(api.createAvailabilityZone(profile, { name: 'north' }), fault(409, 'A availability zone of north already exists.'))
  await api.delete(path)
  await assert.rejects(api.show(path), fault(404, 'Availability Zone north not found.'))
  await stop()
})

forEachDatabase('lists of availability zones are filtered and paged by name', async (open) => {
  const { api, stop } = await aCloud({ db: await open() }).empty()
  const profile = await api.createAvailabilityZoneProfile({ availability_zone_data: '{}' })
  for (const name of ['c', 'a', 'b b&b']) await api.createAvailabilityZone(profile, { name, enabled: name !== 'c' })
  type Page = { availability_zones: { name: string }[]; availability_zones_links: { rel: string; href: string }[] }
  const list = (query: string) => api.expect<Page>(200, 'GET', `/v2/lbaas/availabilityzones${query}`)
  const names = ({ availability_zones }: Page) => availability_zones.map(({ name }) => name)
  assert.deepEqual(names(await list('?enabled=false')), ['c'])
  assert.deepEqual(names(await list('?sort=name:desc')), ['c', 'b b&b', 'a'])
  const first = await list('?limit=2')
  assert.deepEqual(names(first), ['a', 'b b&b'])
  const [next] = first.availability_zones_links
  assert.equal(next?.rel, 'next')
  assert.deepEqual(names(await list(new URL(next.href).search)), ['c'])
  await assert.rejects(list('?sort=id'), fault(400, "Supplied sort key 'id' is not valid."))
  await assert.rejects(list('?id=a'), fault(400, 'One or more arguments are either duplicate or invalid'))
  await stop()
})

test('what is wrong with a body is said, and what is not there is not found', async () => {
  const { api } = await aCloud().empty()
  const profile = await api.createAvailabilityZoneProfile({ availability_zone_data: '{}' })
  const missing = (field: string) => fault(400, `Invalid input for field/attribute ${field}. Value: 'None'. Mandatory field missing.`)
  await assert.rejects(api.createAvailabilityZone(profile, {}), missing('name'))
  await assert.rejects(api.createAvailabilityZone(profile, { name: null }), missing('name'))
  await assert.rejects(
    api.createAvailabilityZone({ ...profile, id: nil }, { name: 'z' }),
    fault(400, `Availability Zone Profile ${nil} not found.`),
  )
  await api.createAvailabilityZone(profile, { name: 'z' })
  await assert.rejects(
    api.update('/v2/lbaas/availabilityzones/z', { name: 'y' }),
    fault(400, 'Unknown attribute for argument availability_zone_.availability_zone: name'),
  )
  for (const name of [nil, 'nowhere']) {
    const path = `/v2/lbaas/availabilityzones/${name}`
    await assert.rejects(api.show(path), fault(404, `Availability Zone ${name} not found.`))
    await assert.rejects(api.update(path, {}), fault(404, `Availability Zone ${name} not found.`))
    await assert.rejects(api.delete(path), fault(404, `Availability Zone ${name} not found.`))
  }
  await assert.rejects(api.expect(200, 'DELETE', '/v2/lbaas/availabilityzones'), fault(400, 'Missing argument: "availability_zone_name"'))
  await assert.rejects(api.expect(200, 'PUT', '/v2/lbaas/availabilityzones'), fault(400, 'Missing argument: "name"'))
})
