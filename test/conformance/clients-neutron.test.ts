/** Debian's unmodified `neutron lbaas-*` commands, which speak to the network endpoint as in neutron-lbaas's time, against a controller. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { ClientSession } from '../support/client-session.ts'
import { Controller } from '../support/controller.ts'
import { noopCloud, settled } from '../support/noop-cloud.ts'

const skip = existsSync('/usr/bin/neutron') ? false : 'python3-neutronclient is not installed'

/** Agents were neutron-lbaas's own machinery; there are none. */
const withoutAgents = (command: string) => !command.includes('agent')

type Row = Record<string, unknown>

describe(`neutron lbaas-*${skip ? ` (skipped: ${skip})` : ''}`, { skip }, () => {
  let controller: Controller
  let client: ClientSession

  before(async () => {
    controller = await new Controller({ portBase: 23_500, config: noopCloud }).start()
    client = new ClientSession('neutron', controller.credentials('openrc-demo'))
  })
  after(async () => {
    client?.close()
    await controller?.down()
  })

  /** A command, once nothing is PENDING any more: the client waits for nothing. */
  async function neutron(line: string): Promise<string> {
    await settled(controller)
    return client.run(...line.split(' '))
  }
  const shown = async (line: string): Promise<Row> => {
    const answer = await neutron(`${line} -f json`)
    // `create` says first what it did.
    return JSON.parse(answer.slice(answer.indexOf('{'))) as Row
  }
  const listed = async (line: string): Promise<Row[]> => JSON.parse(await neutron(`${line} -f json`)) as Row[]
  const names = (rows: Row[]) => rows.map(({ name }) => name)

  test('a load balancer, a listener, a pool and two members, by names', async () => {
    const loadBalancer = await shown('lbaas-loadbalancer-create --name lb1 --description first --vip-address 198.18.0.77 private-subnet')
    assert.deepEqual(
      [loadBalancer.name, loadBalancer.description, loadBalancer.vip_address, loadBalancer.provisioning_status],
      ['lb1', 'first', '198.18.0.77', 'PENDING_CREATE'],
    )
    assert.equal(loadBalancer.tenant_id, loadBalancer.project_id)

    const listener = await shown(
      'lbaas-listener-create --name l1 --loadbalancer lb1 --protocol HTTP --protocol-port 80 --connection-limit 100',
    )
    assert.deepEqual([listener.protocol_port, listener.connection_limit], [80, 100])
    const pool = await shown('lbaas-pool-create --name p1 --listener l1 --protocol HTTP --lb-algorithm ROUND_ROBIN')
    assert.equal((await shown('lbaas-listener-show l1')).default_pool_id, pool.id)
    await shown('lbaas-member-create --name m1 --subnet private-subnet --address 198.18.0.50 --protocol-port 80 p1')
    const second = await shown(
      'lbaas-member-create --name m2 --subnet private-subnet --address 198.18.0.51 --protocol-port 80 --weight 5 p1',
    )
    assert.deepEqual([second.protocol_port, second.weight], [80, 5])

    assert.deepEqual(names(await listed('lbaas-loadbalancer-list')), ['lb1'])
    assert.deepEqual(names(await listed('lbaas-listener-list')), ['l1'])
    assert.deepEqual(names(await listed('lbaas-pool-list')), ['p1'])
    assert.deepEqual(names(await listed('lbaas-member-list p1 --sort-key name --sort-dir asc')), ['m1', 'm2'])
    assert.equal((await shown('lbaas-member-show m2 p1')).address, '198.18.0.51')
  })

  test('the extension is there, which some clients look for first', async () => {
    assert.equal((await shown('ext-show lbaasv2')).name, 'LoadBalancing service v2')
  })

  test('statistics and the tree of statuses', async () => {
    assert.equal((await shown('lbaas-loadbalancer-stats lb1')).total_connections, 0)
    const tree = JSON.parse(await neutron('lbaas-loadbalancer-status lb1')) as {
      loadbalancer: { provisioning_status: string; listeners: { pools: { members: Row[] }[] }[] }
    }
    assert.equal(tree.loadbalancer.provisioning_status, 'ACTIVE')
    assert.deepEqual(names(tree.loadbalancer.listeners[0]!.pools[0]!.members).sort(), ['m1', 'm2'])
  })

  test('a health monitor', async () => {
    const monitor = await shown(
      'lbaas-healthmonitor-create --name h1 --pool p1 --type HTTP --delay 5 --timeout 3 --max-retries 4 --http-method HEAD --url-path /up --expected-codes 200-204',
    )
    assert.deepEqual(
      [monitor.delay, monitor.timeout, monitor.max_retries, monitor.http_method, monitor.url_path, monitor.expected_codes],
      [5, 3, 4, 'HEAD', '/up', '200-204'],
    )
    await neutron('lbaas-healthmonitor-update --delay 7 --admin-state-up False h1')
    const changed = await shown('lbaas-healthmonitor-show h1')
    assert.deepEqual([changed.delay, changed.admin_state_up], [7, false])
    assert.deepEqual(names(await listed('lbaas-healthmonitor-list')), ['h1'])
    assert.equal((await shown('lbaas-pool-show p1')).healthmonitor_id, monitor.id)
  })

  test('a policy and its rule', async () => {
    await shown(
      'lbaas-pool-create --name p2 --loadbalancer lb1 --protocol HTTP --lb-algorithm SOURCE_IP --session-persistence type=SOURCE_IP',
    )
    const policy = await shown('lbaas-l7policy-create --name to-p2 --listener l1 --action REDIRECT_TO_POOL --redirect-pool p2 --position 1')
    assert.equal(policy.position, 1)
    const rule = await shown('lbaas-l7rule-create --type PATH --compare-type STARTS_WITH --value /api --invert-compare to-p2')
    assert.deepEqual([rule.type, rule.compare_type, rule.value], ['PATH', 'STARTS_WITH', '/api'])
    await neutron(`lbaas-l7rule-update --value /v2 ${rule.id} to-p2`)
    assert.equal((await shown(`lbaas-l7rule-show ${rule.id} to-p2`)).value, '/v2')
    assert.equal((await listed('lbaas-l7rule-list to-p2')).length, 1)
    await neutron('lbaas-l7policy-update --description second to-p2')
    assert.equal((await shown('lbaas-l7policy-show to-p2')).description, 'second')
    assert.deepEqual(names(await listed('lbaas-l7policy-list')), ['to-p2'])
    await neutron(`lbaas-l7rule-delete ${rule.id} to-p2`)
    await neutron('lbaas-l7policy-delete to-p2')
    assert.deepEqual(await listed('lbaas-l7policy-list'), [])
  })

  test('updates', async () => {
    await neutron('lbaas-loadbalancer-update --name lb2 --admin-state-up False lb1')
    const loadBalancer = await shown('lbaas-loadbalancer-show lb2')
    assert.equal(loadBalancer.admin_state_up, false)
    await neutron('lbaas-loadbalancer-update --admin-state-up True lb2')
    await neutron('lbaas-listener-update --connection-limit 7 --default-pool p1 l1')
    assert.equal((await shown('lbaas-listener-show l1')).connection_limit, 7)
    await neutron('lbaas-pool-update --lb-algorithm LEAST_CONNECTIONS --no-session-persistence p2')
    const pool = await shown('lbaas-pool-show p2')
    assert.deepEqual([pool.lb_algorithm, pool.session_persistence], ['LEAST_CONNECTIONS', null])
    await neutron('lbaas-member-update --weight 9 --admin-state-up False m1 p1')
    const member = await shown('lbaas-member-show m1 p1')
    assert.deepEqual([member.weight, member.admin_state_up], [9, false])
  })

  test("faults are Neutron's, with the API's words", async () => {
    const refused = async (line: string) => {
      await settled(controller)
      return client.refused(...line.split(' '))
    }
    assert.match(
      await refused('lbaas-loadbalancer-delete lb2'),
      /Cannot delete Load Balancer .* - it has children\n.*request_ids: \['req-/s,
    )
    assert.match(
      await refused('lbaas-listener-create --loadbalancer lb2 --protocol HTTP --protocol-port 80'),
      /Another Listener on this Load Balancer is already using protocol HTTP and protocol_port 80/,
    )
    assert.match(await refused('lbaas-loadbalancer-show nothing'), /Unable to find loadbalancer with name or id 'nothing'/)

    const token = await controller.token('openrc-demo')
    const ask = async (method: string, path: string, body?: string) => {
      const response = await fetch(`http://127.0.0.1:${controller.portBase + 2}${path}`, {
        method,
        headers: { 'x-auth-token': token, 'content-type': 'application/json' },
        body,
      })
      const answer = (await response.json()) as { NeutronError: { type: string; message: string; detail: string } }
      return { status: response.status, ...answer.NeutronError }
    }
    assert.deepEqual(await ask('GET', '/v2.0/lbaas/pools/unknown.json'), {
      ...{ status: 404, type: 'EntityNotFound', message: 'Pool unknown not found.', detail: '' },
    })
    const { id } = await shown('lbaas-loadbalancer-show lb2')
    const same = { loadbalancer_id: id, protocol: 'HTTP', protocol_port: 80 }
    assert.equal(
      (await ask('POST', '/v2.0/lbaas/listeners', JSON.stringify({ listener: same }))).type,
      'LoadBalancerListenerProtocolPortExists',
    )
    assert.deepEqual(await ask('POST', '/v2.0/lbaas/listeners.json', '{"listener"'), {
      ...{ status: 400, type: 'HTTPBadRequest', message: 'Request is not in valid JSON format', detail: '' },
    })
    assert.equal((await ask('PUT', `/v2.0/lbaas/loadbalancers/${id}/failover`)).type, 'PolicyNotAuthorized')
    // A caller nobody knows is refused as by Neutron itself.
    const stranger = await fetch(`http://127.0.0.1:${controller.portBase + 2}/v2.0/lbaas/pools`, { headers: { 'x-auth-token': 'none' } })
    assert.equal(stranger.status, 401)
  })

  test("an admin sees a tenant's objects, one by one and page by page", async () => {
    const admin = new ClientSession('neutron', controller.credentials())
    try {
      await admin.run('lbaas-listener-create', '--name', 'l2', '--loadbalancer', 'lb2', '--protocol', 'TCP', '--protocol-port', '81')
      await settled(controller)
      const rows = JSON.parse(await admin.run('lbaas-listener-list', '-P', '1', '--sort-key', 'name', '-f', 'json')) as Row[]
      assert.deepEqual(names(rows), ['l1', 'l2'])
    } finally {
      admin.close()
    }
  })

  test('deletes', async () => {
    await neutron('lbaas-healthmonitor-delete h1')
    await neutron('lbaas-member-delete m1 p1')
    await neutron('lbaas-listener-delete l1')
    await neutron('lbaas-listener-delete l2')
    await neutron('lbaas-pool-delete p1')
    await neutron('lbaas-pool-delete p2')
    await neutron('lbaas-loadbalancer-delete lb2')
    await settled(controller)
    assert.deepEqual(await listed('lbaas-loadbalancer-list'), [])
  })

  test('every command of the client was tried', async () => {
    const known = Object.keys(await client.describe('lbaas-')).filter(withoutAgents)
    assert.ok(known.length >= 37, `the client knows ${known.length} commands`)
    assert.deepEqual(
      known.filter((command) => !client.commands.some(([word]) => word === command)),
      [],
    )
  })
})
