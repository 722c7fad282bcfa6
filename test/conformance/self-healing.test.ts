/** Nobody asks for anything: amphorae that die, or that an operator takes out of service, are replaced, and clients are served all the while. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ClientSession } from '../support/client-session.ts'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { eventuallyAnswers } from './story.ts'

const REPLACED_WITHIN_MS = 20_000

type Amphora = Record<string, unknown>

describe('a pair whose controller keeps a spare amphora', () => {
  const config =
    '[controller_worker]\nloadbalancer_topology = ACTIVE_STANDBY\n[health_manager]\nheartbeat_timeout = 4\n[house_keeping]\nspare_amphora_pool_size = 1\n'
  const controller = new Controller({ portBase: 22_700, config })
  let openstack: ClientSession
  let vip: string
  before(async () => {
    await controller.start()
    openstack = new ClientSession('openstack', controller.credentials('openrc'))
    const server = "require('node:http').createServer((q, r) => r.end('web')).listen(80, '0.0.0.0')"
    const host = await controller.ottavia(
      'lab',
      'host',
      'create',
      'web',
      '--subnet',
      'private-subnet',
      '--',
      process.execPath,
      '-e',
      server,
    )
    const created = await openstack.show('loadbalancer', 'create', '--name', 'lb', '--vip-subnet-id', 'private-subnet', '--wait')
    vip = String(created.vip_address)
    const loadbalancer = (...args: string[]) => openstack.run('loadbalancer', ...args, '--wait')
    await loadbalancer('listener', 'create', '--name', 'l', '--protocol', 'HTTP', '--protocol-port', '80', 'lb')
    await loadbalancer('pool', 'create', '--name', 'p', '--protocol', 'HTTP', '--listener', 'l', '--lb-algorithm', 'ROUND_ROBIN')
    await loadbalancer('member', 'create', '--address', host.trim(), '--protocol-port', '80', 'p')
    await eventuallyAnswers(vip, 'web')
  })
  after(async () => {
    openstack?.close()
    await controller.down()
  })

  const amphorae = async (status: string): Promise<Amphora[]> => {
    const listed = await openstack.list('loadbalancer', 'amphora', 'list', '--status', status)
    return Promise.all(listed.map(({ id }) => openstack.show('loadbalancer', 'amphora', 'show', String(id))))
  }
  const ofRole = async (role: string): Promise<Amphora> => {
    const found = (await amphorae('ALLOCATED')).filter((amphora) => amphora.role === role)
    assert.equal(found.length, 1, `one ${role}`)
    return found[0]!
  }
  /** Of this role, once it is another and all is well. */
  const successorOf = async (former: Amphora): Promise<Amphora> =>
    eventually(async () => {
      const successor = await ofRole(String(former.role))
      assert.notEqual(successor.id, former.id)
      const { provisioning_status, operating_status } = await openstack.show('loadbalancer', 'show', 'lb')
      assert.deepEqual([provisioning_status, operating_status], ['ACTIVE', 'ONLINE'])
      return successor
    }, REPLACED_WITHIN_MS)
  const tenantsSide = ({ vrrp_ip, ha_ip, vrrp_port_id, ha_port_id }: Amphora) => ({ vrrp_ip, ha_ip, vrrp_port_id, ha_port_id })
  const spare = () =>
    eventually(async () => {
      const [ready] = await amphorae('READY')
      assert.ok(ready !== undefined, 'a spare amphora is there')
      return ready
    }, REPLACED_WITHIN_MS)

  test('an amphora that dies is replaced by the spare one, which is replaced itself', async () => {
    const ready = await spare()
    const former = await ofRole('MASTER')
    await controller.ottavia('lab', 'amphora', 'kill', String(former.compute_id))
    const successor = await successorOf(former)
    assert.equal(successor.id, ready.id)
    assert.deepEqual(tenantsSide(successor), tenantsSide(former))
    await eventuallyAnswers(vip, 'web')
    assert.notEqual((await spare()).id, ready.id)
  })

  test('an amphora whose management port is disabled is replaced', async () => {
    const former = await ofRole('BACKUP')
    const [port] = await openstack.list('port', 'list', '--fixed-ip', `ip-address=${former.lb_network_ip}`)
    await openstack.run('port', 'set', '--disable', String(port!.ID))
    const successor = await successorOf(former)
    assert.deepEqual(tenantsSide(successor), tenantsSide(former))
    assert.notEqual(successor.compute_id, former.compute_id)
    assert.notEqual(successor.lb_network_ip, former.lb_network_ip)
    await eventuallyAnswers(vip, 'web')
    const servers = (await openstack.list('server', 'list')).map(({ ID }) => ID)
    assert.equal(servers.includes(former.compute_id), false, 'its machine is gone')
  })
})
