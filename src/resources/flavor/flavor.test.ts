import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { forEachDatabase } from '../../../test/support/databases.ts'

const nil = '00000000-0000-0000-0000-000000000000'

async function withProfile() {
  const made = await aCloud().empty()
  return { ...made, profile: await made.api.createFlavorProfile({ flavor_data: '{}' }) }
}

forEachDatabase('a flavor is made, shown, listed, changed and deleted', async (open) => {
  const { api, stop } = await aCloud({ db: await open() }).empty()
  const profile = await api.createFlavorProfile({ flavor_data: '{}' })
  const { id } = await api.createFlavor(profile, { name: 'small' })
  const path = `/v2/lbaas/flavors/${id}`
  const shown = { id, name: 'small', description: '', enabled: true, flavor_profile_id: profile.id }
  assert.deepEqual(await api.show(path), shown)
  assert.deepEqual(await api.expect(200, 'GET', '/v2/lbaas/flavors'), { flavors: [shown], flavors_links: [] })
  const changes = { name: 'big', description: 'd', enabled: false }
  assert.deepEqual(await api.update(path, changes), { ...shown, ...changes })
  assert.deepEqual(await api.update(path, {}), { ...shown, ...changes })
  // Null is the default.
  assert.deepEqual(await api.update(path, { name: null, description: null, enabled: null }), { ...shown, name: '' })
  await api.delete(path)
  await assert.rejects(api.show(path), fault(404, `Flavor ${id} not found.`))
  await stop()
})

forEachDatabase('lists of flavors are filtered, sorted and paged', async (open) => {
  const { api, stop } = await aCloud({ db: await open() }).empty()
  const profile = await api.createFlavorProfile({ flavor_data: '{}' })
  for (const [name, enabled] of [
    ['a', true],
    ['b', false],
    ['c', true],
  ] as const) {
    await api.createFlavor(profile, { name, enabled })
  }
  const names = async (query: string) => (await api.list(`/v2/lbaas/flavors?${query}`)).map(({ name }) => name).join(' ')
  assert.equal(await names('sort=name:desc'), 'c b a')
  assert.equal(await names('enabled=false'), 'b')
  assert.equal(await names(`flavor_profile_id=${profile.id}&name=c`), 'c')
  // What has no tags is not filtered by them.
  assert.equal(await names('tags=x&sort=name'), 'a b c')
  const byId = (await api.list('/v2/lbaas/flavors')).map(({ id }) => id)
  assert.deepEqual(byId, [...byId].sort())
  const marker = (await api.list('/v2/lbaas/flavors?name=b'))[0]!.id
  assert.equal(await names(`sort=name&marker=${marker}`), 'c')
  assert.equal(await names(`sort=name&marker=${marker}&page_reverse=True`), 'a')
  await assert.rejects(api.list('/v2/lbaas/flavors?marker=zz'), fault(400, "Supplied pagination marker 'zz' is not valid."))
  await stop()
})

test('two flavors cannot have the same name', async () => {
  const { api, profile } = await withProfile()
  await api.createFlavor(profile, { name: 'one' })
  const other = await api.createFlavor(profile, { name: 'two' })
  await assert.rejects(api.createFlavor(profile, { name: 'one' }), fault(409, 'A flavor of one already exists.'))
  await assert.rejects(api.update(`/v2/lbaas/flavors/${other.id}`, { name: 'one' }), fault(409, 'A flavor of one already exists.'))
  await api.update(`/v2/lbaas/flavors/${other.id}`, { name: 'two' })
})

test('what is wrong with a body is said', async () => {
  const { api, profile } = await withProfile()
  const missing = (field: string) => fault(400, `Invalid input for field/attribute ${field}. Value: 'None'. Mandatory field missing.`)
  await assert.rejects(api.createFlavor(profile, {}), missing('name'))
  await assert.rejects(api.createFlavor(profile, { name: 'f', flavor_profile_id: undefined }), missing('flavor_profile_id'))
  const noUuid = "Invalid input for field/attribute flavor_profile_id. Value: 'x'. Value should be UUID format"
  await assert.rejects(api.createFlavor(profile, { name: 'f', flavor_profile_id: 'x' }), fault(400, noUuid))
  await assert.rejects(api.createFlavor(profile, { name: 'f', flavor_profile_id: nil }), fault(400, `Flavor profile ${nil} not found.`))
  assert.deepEqual(await api.list('/v2/lbaas/flavors'), [])
  const { id } = await api.createFlavor(profile, { name: 'f' })
  await assert.rejects(
    api.update(`/v2/lbaas/flavors/${id}`, { flavor_profile_id: profile.id }),
    fault(400, 'Unknown attribute for argument flavor_.flavor: flavor_profile_id'),
  )
  for (const unknown of [nil, 'x']) {
    const path = `/v2/lbaas/flavors/${unknown}`
    await assert.rejects(api.show(path), fault(404, `Flavor ${unknown} not found.`))
    await assert.rejects(api.update(path, {}), fault(404, `Flavor ${unknown} not found.`))
    await assert.rejects(api.delete(path), fault(404, `Flavor ${unknown} not found.`))
  }
  await assert.rejects(api.expect(200, 'DELETE', '/v2/lbaas/flavors'), fault(400, 'Missing argument: "flavor_id"'))
})

test('readers see flavors, admins make them', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const admin = cloud.apiAs('project-1', 'admin')
  const { id } = await admin.createFlavor(await admin.createFlavorProfile({ flavor_data: '{}' }), { name: 'f' })
  const reader = cloud.apiAs('project-2', 'reader')
  assert.equal((await reader.list('/v2/lbaas/flavors')).length, 1)
  assert.equal((await reader.show(`/v2/lbaas/flavors/${id}`)).name, 'f')
  const forbidden = fault(403, 'Policy does not allow this request to be performed.')
  await assert.rejects(reader.update(`/v2/lbaas/flavors/${id}`, { name: 'g' }), forbidden)
  await assert.rejects(reader.delete(`/v2/lbaas/flavors/${id}`), forbidden)
})
