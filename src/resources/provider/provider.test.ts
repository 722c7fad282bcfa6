import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'

const enabled_provider_drivers = { amphora: 'The Octavia Amphora driver.', noop_driver: 'noop', other: '' }

async function names(path: string) {
  const { api } = await aCloud({ config: { api_settings: { enabled_provider_drivers } } }).empty()
  const [list] = Object.values(await api.expect<Record<string, { name: string }[]>>(200, 'GET', path))
  return list!.map(({ name }) => name)
}

test('providers are those of the configuration, unfiltered', async () => {
  assert.deepEqual(await names('/v2/lbaas/providers'), ['amphora', 'noop_driver', 'other'])
  assert.deepEqual(await names('/v2/lbaas/providers?name=amphora'), ['amphora', 'noop_driver', 'other'])
})

test('a provider tells what the profiles of its flavors and zones may say', async () => {
  const flavors = '/v2/lbaas/providers/amphora/flavor_capabilities'
  const all = ['loadbalancer_topology', 'compute_flavor', 'amp_image_tag', 'sriov_vip', 'allow_member_sriov']
  assert.deepEqual(await names(flavors), all)
  assert.deepEqual(await names(`${flavors}?foo=1`), all)
  assert.deepEqual(await names(`${flavors}?name=compute_flavor`), ['compute_flavor'])
  assert.deepEqual(await names(`${flavors}?name=compute_flavor&name=amp_image_tag`), [])
  assert.deepEqual(await names(`${flavors}?name=`), all)
  assert.deepEqual(await names(`${flavors}?description=The%20amphora%20image%20tag.`), ['amp_image_tag'])
  const zones = ['compute_zone', 'volume_zone', 'management_network', 'valid_vip_networks']
  assert.deepEqual(await names('/v2/lbaas/providers/amphora/availability_zone_capabilities'), zones)
  assert.deepEqual(await names('/v2/lbaas/providers/noop_driver/flavor_capabilities'), ['amp_image_tag'])
  assert.deepEqual(await names('/v2/lbaas/providers/noop_driver/availability_zone_capabilities'), ['compute_zone', 'volume_zone'])
})

test('fields are chosen, and providers that are not there are told apart', async () => {
  const { api } = await aCloud({ config: { api_settings: { enabled_provider_drivers } } }).empty()
  const path = '/v2/lbaas/providers/amphora/flavor_capabilities?name=sriov_vip&fields=name'
  assert.deepEqual(await api.expect(200, 'GET', path), { flavor_capabilities: [{ name: 'sriov_vip' }] })
  for (const kind of ['flavor_capabilities', 'availability_zone_capabilities']) {
    await assert.rejects(api.list(`/v2/lbaas/providers/nobody/${kind}`), fault(400, "Provider 'nobody' is not enabled."))
    await assert.rejects(api.list(`/v2/lbaas/providers/other/${kind}`), fault(501, "Provider 'other' was not found."))
  }
})
