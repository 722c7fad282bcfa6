/**
 * What a tenant and an operator of an OpenStack cloud do with us, told by the `openstack` command with users of Keystone: amphorae are servers of Nova, their
 * addresses and the VIP Neutron's, the certificate lies in Barbican; requests pass; an amphora is replaced; afterwards all is as it was.
 */
import { after, before, describe, test } from 'node:test'
import { noOpenStack } from '../support/openstack.ts'
import { RealCloud } from '../support/openstack-cloud.ts'
import { type OctaviaPlace, prepareOctavia, startOctavia } from '../support/openstack-octavia.ts'
import { aServerKind, type ServerKind } from '../support/openstack-servers.ts'
import { tellStory } from './story.ts'

/** The catalog of `openstack/up` has us there, and the client asks the catalog. */
const PORT_BASE = 9876

describe('a tenant of a real OpenStack balances over servers of his own', { skip: noOpenStack ?? false }, () => {
  let cloud: RealCloud
  let place: OctaviaPlace
  let kind: ServerKind

  before(async () => {
    cloud = await RealCloud.open()
    place = await prepareOctavia(cloud)
    kind = await aServerKind(cloud)
  })
  after(async () => {
    try {
      await kind?.remove()
      await place?.remove()
    } finally {
      // Clients that run on would keep this file from ending.
      cloud?.close()
    }
  })

  for (const topology of ['SINGLE', 'ACTIVE_STANDBY'] as const) {
    test(topology, async () => {
      const controller = await startOctavia(place, { portBase: PORT_BASE, topology })
      try {
        await tellStory({ cloud, tenant: await cloud.aUser(['member', 'creator']), place, kind, topology })
      } catch (error) {
        // What the tenant saw says little of why.
        console.error(error, await controller.ottavia('flow', 'list'))
        throw error
      } finally {
        await controller.down()
      }
    })
  }
})
