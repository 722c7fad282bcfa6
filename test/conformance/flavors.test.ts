/** Flavors and availability zones as an operator sets them up with the `openstack` command, and what they do on the embedded cloud. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { ClientSession } from '../support/client-session.ts'
import { Controller } from '../support/controller.ts'

const client = '/usr/bin/openstack'
const missing = existsSync(client) ? '' : ` (skipped: no ${client})`

test(`a flavor makes a pair, and a zone says which networks VIPs may be on${missing}`, { skip: missing !== '' }, async () => {
  const controller = await new Controller({ portBase: 23_000 }).start()
  const openstack = new ClientSession('openstack', controller.credentials())
  const loadbalancer = (...args: string[]) => openstack.json('loadbalancer', ...args)
  const list = (...args: string[]) => openstack.list('loadbalancer', ...args)
  const refused = (...args: string[]) => openstack.refused('loadbalancer', ...args)
  try {
    assert.deepEqual((await list('provider', 'capability', 'list', 'amphora')).map(({ type, name }) => `${type} ${name}`).sort(), [
      ...['availability_zone compute_zone', 'availability_zone management_network', 'availability_zone valid_vip_networks'],
      ...['availability_zone volume_zone', 'flavor allow_member_sriov', 'flavor amp_image_tag', 'flavor compute_flavor'],
      ...['flavor loadbalancer_topology', 'flavor sriov_vip'],
    ])
    const flavorData = '{"loadbalancer_topology": "ACTIVE_STANDBY", "compute_flavor": "amphora"}'
    const profile = ['--name', 'pairs', '--provider', 'amphora', '--flavor-data']
    await loadbalancer('flavorprofile', 'create', ...profile, flavorData)
    // What this cloud does not have, or not yet, is said.
    assert.match(await refused('flavorprofile', 'create', ...profile, '{"compute_flavor": "huge"}'), /Nova flavor huge not found/)
    assert.match(await refused('flavorprofile', 'create', ...profile, '{"amp_image_tag": "old"}'), /Image with tag old not found/)
    assert.match(await refused('flavorprofile', 'create', ...profile, '{"sriov_vip": true}'), /does not support sriov_vip of flavors yet/)
    await loadbalancer('flavor', 'create', '--name', 'pair', '--flavorprofile', 'pairs', '--enable')
    await openstack.run('loadbalancer', 'flavor', 'set', '--disable', 'pair')
    assert.match(await refused('create', '--vip-subnet-id', 'private-subnet', '--flavor', 'pair'), /The selected flavor is not allowed/)
    await openstack.run('loadbalancer', 'flavor', 'set', '--enable', 'pair')

    const vip = ['--vip-subnet-id', 'private-subnet', '--wait']
    const single = await loadbalancer('create', '--name', 'single', ...vip)
    const pair = await loadbalancer('create', '--name', 'pair', '--flavor', 'pair', ...vip)
    const roles = async (id: unknown) => (await list('amphora', 'list', '--loadbalancer', String(id))).map(({ role }) => role).sort()
    assert.deepEqual(await roles(single.id), ['STANDALONE'])
    const [alone] = await list('amphora', 'list', '--loadbalancer', String(single.id))
    const { compute_flavor, cached_zone, image_id } = await loadbalancer('amphora', 'show', String(alone?.id))
    assert.deepEqual([compute_flavor, cached_zone, image_id], ['amphora', 'nova', 'amphora'])
    assert.deepEqual(await roles(pair.id), ['BACKUP', 'MASTER'])
    assert.match(await refused('flavor', 'delete', 'pair'), /is in use and cannot be modified/)
    assert.match(await refused('flavorprofile', 'delete', 'pairs'), /is in use and cannot be modified/)

    const network = await openstack.json('network', 'show', 'private')
    const other = await openstack.json('network', 'create', 'other')
    const zones = ['--provider', 'amphora', '--availability-zone-data']
    const zoneData = (...ids: unknown[]) => JSON.stringify({ compute_zone: 'nova', valid_vip_networks: ids })
    await loadbalancer('availabilityzoneprofile', 'create', '--name', 'here', ...zones, zoneData(network.id))
    await loadbalancer('availabilityzoneprofile', 'create', '--name', 'there', ...zones, zoneData(other.id))
    const moon = await refused('availabilityzoneprofile', 'create', '--name', 'moon', ...zones, '{"compute_zone": "moon"}')
    assert.match(moon, /Nova availability zone moon not found/)
    for (const name of ['here', 'there']) {
      await loadbalancer('availabilityzone', 'create', '--name', name, '--availabilityzoneprofile', name, '--enable')
    }
    assert.match(await refused('create', '--availability-zone', 'there', ...vip), /Supplied VIP network_id is not allowed/)
    const placed = await loadbalancer('create', '--name', 'placed', '--availability-zone', 'here', ...vip)
    assert.equal(placed.availability_zone, 'here')
    const [amphora] = await list('amphora', 'list', '--loadbalancer', String(placed.id))
    assert.equal((await loadbalancer('amphora', 'show', String(amphora?.id))).cached_zone, 'nova')
    await openstack.run('loadbalancer', 'availabilityzone', 'set', '--disable', 'here')
    assert.match(await refused('create', '--availability-zone', 'here', ...vip), /The selected availability_zone is not allowed/)

    for (const name of ['pair', 'placed']) await openstack.run('loadbalancer', 'delete', '--wait', name)
    await openstack.run('loadbalancer', 'flavor', 'delete', 'pair')
    await openstack.run('loadbalancer', 'flavorprofile', 'delete', 'pairs')
    for (const name of ['here', 'there']) {
      await openstack.run('loadbalancer', 'availabilityzone', 'delete', name)
      await openstack.run('loadbalancer', 'availabilityzoneprofile', 'delete', name)
    }
    for (const noun of ['flavor', 'flavorprofile', 'availabilityzone', 'availabilityzoneprofile']) {
      assert.deepEqual(await list(noun, 'list'), [])
    }
  } finally {
    openstack.close()
    await controller.down()
  }
})
