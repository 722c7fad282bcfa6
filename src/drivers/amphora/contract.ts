import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { aCertificate } from '../../../test/support/certificates.ts'
import { AgentError, AgentUnreachable, FencedError } from '../errors.ts'
import type { AgentAddress, AmphoraDriver } from './driver.ts'

export interface AmphoraUnderTest {
  driver: AmphoraDriver
  /** An agent that answers and has nothing plugged yet; the interface of `mac_address` is there. */
  amphora: AgentAddress
  mac_address: string
  /** Where the agent keeps files of certificates. */
  certificatesPath: string
  /** Nobody listens there. */
  silent: AgentAddress
  close?(): Promise<void>
}

const loadBalancer = '7f1b3a52-7d59-4e9f-8a0c-8fb1a7f5a7e1'
const listener = '11111111-7d59-4e9f-8a0c-8fb1a7f5a7e1'
const lvsConf = `# Configuration for Listener ${listener}
net_namespace amphora-haproxy
virtual_server_group ipv4-group {
    10.0.0.10 53
}
virtual_server group ipv4-group {
    lb_algo wrr
    lb_kind NAT
    protocol UDP
}
`
const haproxyCfg =
  'global\n    user nobody\n\ndefaults\n    mode tcp\n    timeout connect 1s\n    timeout client 1s\n    timeout server 1s\n\nfrontend f\n    bind 127.0.0.1:8089\n'

/** The promises of AmphoraDriver, as tests: every implementation that speaks to something passes them. */
export function amphoraContract(name: string, open: () => Promise<AmphoraUnderTest>): void {
  describe(`amphora driver: ${name}`, () => {
    let it: AmphoraUnderTest
    beforeEach(async () => {
      it = await open()
    })
    afterEach(async () => {
      await it.close?.()
    })
    const fence = (generation: number) => ({ flow_id: 'flow-1', generation })
    const plug = () => ({
      vip_address: '10.0.0.10',
      subnet_cidr: '10.0.0.0/24',
      gateway: '10.0.0.1',
      mac_address: it.mac_address,
      vrrp_ip: '10.0.0.11',
      mtu: 1500,
      host_routes: [],
      additional_vips: [],
    })

    test('an agent that answers says what it is', async () => {
      assert.equal((await it.driver.waitForAgent(it.amphora, 'failover')).api_version, '1.0')
    })

    test('an agent that is silent is AgentUnreachable, at once when its machine is gone', async () => {
      const began = performance.now()
      await assert.rejects(it.driver.waitForAgent(it.silent, 'booting', { stillThere: async () => false }), AgentUnreachable)
      assert.ok(performance.now() - began < 3_000)
    })

    test('a plugged VIP may be plugged again, and its interface has a name', async () => {
      await it.driver.plugVip(it.amphora, plug(), fence(1))
      await it.driver.plugVip(it.amphora, plug(), fence(1))
      assert.equal(await it.driver.getInterface(it.amphora, '10.0.0.11'), 'eth1')
      await assert.rejects(it.driver.getInterface(it.amphora, '10.9.9.9'), AgentError)
    })

    test("HAProxy's configuration may be sent again, and removed twice", async () => {
      await it.driver.applyHaproxy(it.amphora, loadBalancer, { configuration: haproxyCfg, certificates: [] }, fence(1))
      await it.driver.applyHaproxy(it.amphora, loadBalancer, { configuration: haproxyCfg, certificates: [] }, fence(1))
      await it.driver.deleteHaproxy(it.amphora, loadBalancer, fence(1))
      await it.driver.deleteHaproxy(it.amphora, loadBalancer, fence(1))
    })

    test('clients are let go, also when asked again, and are welcome after the next configuration', async () => {
      const files = { configuration: haproxyCfg.replace('mode tcp', 'mode http'), certificates: [] }
      await it.driver.applyHaproxy(it.amphora, loadBalancer, files, fence(1))
      const options = { drain_seconds: 1, release_vips: true }
      assert.deepEqual(await it.driver.handOver(it.amphora, options, fence(1)), { connections_left: 0 })
      assert.deepEqual(await it.driver.handOver(it.amphora, options, fence(1)), { connections_left: 0 })
      const applied = await it.driver.applyHaproxy(it.amphora, loadBalancer, files, fence(1))
      assert.equal(applied?.how, 'reload')
      await it.driver.deleteHaproxy(it.amphora, loadBalancer, fence(1))
    })

    test('files of certificates stay while the configuration names them, and go with it', async () => {
      const { certificate, private_key } = await aCertificate()
      const name = 'listener.default.pem'
      const configuration = haproxyCfg.replace('8089', `8089 ssl crt ${it.certificatesPath}/${loadBalancer}/${name}`)
      const held = () => it.driver.heldCertificates(it.amphora, loadBalancer, [name, 'other.pem'])
      assert.deepEqual(await held(), [])
      const certificates = [{ name, contents: certificate + private_key }]
      await it.driver.applyHaproxy(it.amphora, loadBalancer, { configuration, certificates }, fence(1))
      assert.deepEqual(await held(), [name])
      await it.driver.applyHaproxy(it.amphora, loadBalancer, { configuration, certificates: [] }, fence(1))
      assert.deepEqual(await held(), [name])
      await it.driver.deleteHaproxy(it.amphora, loadBalancer, fence(1))
      assert.deepEqual(await held(), [])
    })

    test('UDP listeners may be sent again, are listed, and may be removed twice', async () => {
      await it.driver.applyUdpListener(it.amphora, listener, lvsConf, fence(1))
      await it.driver.applyUdpListener(it.amphora, listener, lvsConf, fence(1))
      assert.deepEqual(await it.driver.listUdpListeners(it.amphora), [listener])
      await it.driver.deleteUdpListener(it.amphora, listener, fence(1))
      await it.driver.deleteUdpListener(it.amphora, listener, fence(1))
      assert.deepEqual(await it.driver.listUdpListeners(it.amphora), [])
    })

    test('a worker that has a successor is refused', async () => {
      await it.driver.deleteHaproxy(it.amphora, loadBalancer, fence(2))
      await assert.rejects(it.driver.deleteHaproxy(it.amphora, loadBalancer, fence(1)), FencedError)
    })
  })
}
