import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { FencedError, NotFoundError } from '../errors.ts'
import type { NetworkDriver } from '../network/driver.ts'
import type { ComputeDriver, WantedServer } from './driver.ts'

export interface ComputeUnderTest {
  driver: ComputeDriver
  network: NetworkDriver
  /** Where machines get their management port. */
  management_network_id: string
  /** What machines boot from. */
  image_id: string
  /** Null where machines need none. */
  compute_flavor: string | null
  /** Whether a worker that has a successor is refused by the driver itself. */
  refusesOldFences: boolean
  /** A subnet to make ports on, and its network. */
  tenant: { network_id: string; subnet_id: string }
  /** What a machine of this driver needs to come up. */
  files: Record<string, string>
  /** Ends the machine's init as a crash would. */
  kill(compute_id: string): Promise<void>
  /** The MAC addresses of the machine's interfaces; undefined where the driver can't look inside. */
  macAddresses?(compute_id: string): Promise<string[]>
  /** Waits until the condition holds; fails after a bounded time. */
  eventually(condition: () => Promise<void>): Promise<void>
  close?(): Promise<void>
}

/** The promises of ComputeDriver, as tests: every implementation that keeps state passes them. */
export function computeContract(name: string, open: () => Promise<ComputeUnderTest>): void {
  describe(`compute driver: ${name}`, () => {
    let it: ComputeUnderTest
    beforeEach(async () => {
      it = await open()
    })
    afterEach(async () => {
      await it.close?.()
    })
    const amphora_id = '6e8dbe1c-3c0c-4b0a-8f5e-0a4a3b1b7a01'
    const wanted = (changes: Partial<WantedServer> = {}): WantedServer => ({
      amphora_id,
      name: `amphora-${amphora_id}`,
      network_ids: [it.management_network_id],
      security_group_ids: [],
      compute_flavor: it.compute_flavor,
      image_id: it.image_id,
      server_group_id: null,
      availability_zone: null,
      files: it.files,
      made_by: 'flow-1',
      ...changes,
    })
    const fence = { flow_id: 'flow-1', generation: 1 }
    const running = (compute_id: string) =>
      it.eventually(async () => assert.equal((await it.driver.getServer(compute_id)).status, 'ACTIVE'))

    test('a machine is made once, by name, and gets an address on the management network', async () => {
      const { compute_id } = await it.driver.ensureServer(wanted(), fence)
      assert.deepEqual(await it.driver.ensureServer(wanted({ made_by: 'flow-2' }), { flow_id: 'flow-2', generation: 1 }), { compute_id })
      assert.equal(await it.driver.findServer(`amphora-${amphora_id}`), compute_id)
      await running(compute_id)
      const { lb_network_ip } = await it.driver.getServer(compute_id)
      const ports = await it.network.listPortsOfDevice(compute_id)
      assert.deepEqual(
        ports.map((port) => port.fixed_ips[0]?.ip_address),
        [lb_network_ip],
      )
    })

    test('a machine that never was is GONE', async () => {
      assert.equal((await it.driver.getServer('00000000-0000-4000-8000-00000000dead')).status, 'GONE')
      assert.deepEqual(await it.driver.listGone([]), [])
      assert.equal(await it.driver.findServer('amphora-nobody'), null)
    })

    test('a machine whose init has died is GONE, and can be deleted', async () => {
      const { compute_id } = await it.driver.ensureServer(wanted(), fence)
      await running(compute_id)
      const nobody = '00000000-0000-4000-8000-00000000dead'
      assert.deepEqual(await it.driver.listGone([compute_id, nobody]), [nobody])
      const made = [{ id: compute_id, name: `amphora-${amphora_id}`, made_by: 'flow-1' }]
      await it.kill(compute_id)
      await it.eventually(async () => assert.equal((await it.driver.getServer(compute_id)).status, 'GONE'))
      assert.deepEqual(await it.driver.listGone([nobody, compute_id]), [nobody, compute_id])
      assert.deepEqual(await it.driver.listMadeServers(), made)
      await it.driver.deleteServer(compute_id)
      assert.deepEqual(await it.driver.listMadeServers(), [])
      assert.deepEqual(await it.network.listPortsOfDevice(compute_id), [])
      assert.equal(await it.driver.findServer(`amphora-${amphora_id}`), null)
    })

    test('deleting takes the management port, leaves the ports that were attached, and may be repeated', async () => {
      const { compute_id } = await it.driver.ensureServer(wanted(), fence)
      const port = await it.network.ensurePort(leg('a'))
      await it.driver.attachPort(compute_id, port.id, fence)
      await it.driver.deleteServer(compute_id, { made_by: 'flow-2' })
      assert.equal(await it.driver.findServer(`amphora-${amphora_id}`), compute_id)
      await it.driver.deleteServer(compute_id, { made_by: 'flow-1' })
      await it.driver.deleteServer(compute_id)
      assert.equal((await it.driver.getServer(compute_id)).status, 'GONE')
      assert.equal((await it.network.getPort(port.id)).id, port.id)
      assert.deepEqual(await it.network.listPortsOfDevice(compute_id), [])
    })

    test('a port is attached while the machine starts or runs, shown as its, and detached, each as often as asked', async () => {
      const { compute_id } = await it.driver.ensureServer(wanted(), fence)
      const port = await it.network.ensurePort(leg('a'))
      await it.driver.attachPort(compute_id, port.id, fence)
      await it.driver.attachPort(compute_id, port.id, fence)
      assert.equal((await it.network.getPort(port.id)).device_id, compute_id)
      const { macAddresses } = it
      if (macAddresses !== undefined) {
        await it.eventually(async () => assert.ok((await macAddresses(compute_id)).includes(port.mac_address)))
      }
      await it.driver.detachPort(compute_id, port.id)
      await it.driver.detachPort(compute_id, port.id)
      assert.notEqual((await it.network.getPort(port.id)).device_id, compute_id)
      if (macAddresses !== undefined) {
        await it.eventually(async () => assert.ok(!(await macAddresses(compute_id)).includes(port.mac_address)))
      }
    })

    test('a worker that has a successor is refused, where the backend can', async () => {
      if (!it.refusesOldFences) return
      const { compute_id } = await it.driver.ensureServer(wanted(), { flow_id: 'flow-1', generation: 2 })
      const port = await it.network.ensurePort(leg('a'))
      await assert.rejects(it.driver.attachPort(compute_id, port.id, fence), FencedError)
      await assert.rejects(it.driver.ensureServer(wanted({ name: 'amphora-late' }), fence), FencedError)
      assert.equal(await it.driver.findServer('amphora-late'), null)
    })

    test('a server group is made once, by name, where machines have hosts', async () => {
      if (!it.driver.hasHosts) return
      const group = { name: 'octavia-lb-1', policy: 'anti-affinity', made_by: 'flow-1' }
      const id = await it.driver.ensureServerGroup(group, fence)
      assert.equal(await it.driver.ensureServerGroup(group, fence), id)
      const listed = async () => (await it.driver.listMadeServerGroups()).filter((made) => made.id === id).map(({ name }) => name)
      assert.deepEqual(await listed(), [group.name])
      await it.driver.deleteServerGroup(id)
      await it.driver.deleteServerGroup(id)
      assert.deepEqual(await listed(), [])
    })

    test('zones and flavors that there are not are told from those that there are', async () => {
      await it.driver.checkAvailabilityZone('nova')
      await assert.rejects(it.driver.checkAvailabilityZone('nowhere'), NotFoundError)
      await assert.rejects(it.driver.checkFlavor('none'), NotFoundError)
    })

    function leg(name: string) {
      return {
        name,
        network_id: it.tenant.network_id,
        fixed_ips: [{ subnet_id: it.tenant.subnet_id }],
        project_id: null,
        device_owner: '',
        device_id: '',
        admin_state_up: true,
        security_group_ids: [],
        allowed_address_pairs: [],
        made_by: 'flow-1',
      }
    }
  })
}
