/** What clients notice of an amphora that is replaced: as planned, dead, hanging; and what is left when its replacement fails. */
import assert from 'node:assert/strict'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { type Client, DataPlane, type Made } from './support/data-plane.ts'
import { delays, knockDuring, refused, unanswered } from './support/knocks.ts'
import { TestCa } from './support/tls-material.ts'

/** Nobody but the test begins a failover. */
const CONFIG = '[health_manager]\nfailover_threshold = 1\n'
const REPLACED_WITHIN_MS = 20_000
const SOURCES = 6
const port = { web: 80, source: 81, app: 82, far: 83, tls: 443, udp: 5001 } as const
/** What a replacement keeps, and what it has anew. */
const kept = ['role', 'status', 'loadbalancer_id', 'vrrp_ip', 'ha_ip', 'vrrp_port_id', 'ha_port_id', 'vrrp_id', 'vrrp_priority'] as const
const fresh = ['id', 'compute_id', 'lb_network_ip'] as const

type Amphora = Record<(typeof kept)[number] | (typeof fresh)[number], string>

describe('an amphora is replaced', () => {
  let plane: DataPlane
  let client: Client
  let client6: Client
  let ca: TestCa
  let certificate: string
  let sources: string[]
  let far: string
  let farSubnet: string
  let web: string

  before(async () => {
    plane = await DataPlane.start({ portBase: 23_300, config: CONFIG })
    web = await plane.members('web', { http: [8001, 8002, 8003], udp: [9001, 9002, 9003] })
    client = await plane.client('client')
    client6 = await plane.client('client6', 6)
    sources = await client.addAddresses(SOURCES)
    ca = await TestCa.create(join(plane.controller.stateDirectory, 'test'), 'Test CA')
    await ca.issue('one.example')
    certificate = await plane.storeSecret('one', await ca.bundle('one.example'))
    const { network } = await plane.neutron<{ network: { id: string } }>('POST', 'networks', { network: { name: 'far' } })
    const wanted = { network_id: network.id, name: 'far', ip_version: 4, cidr: '10.77.0.0/24' }
    farSubnet = (await plane.neutron<{ subnet: { id: string } }>('POST', 'subnets', { subnet: wanted })).subnet.id
    const server = `require('node:http').createServer((q, r) => r.setHeader('x-member', '8001').end('far')).listen(80)`
    far = (
      await plane.controller.ottavia('lab', 'host', 'create', 'far', '--subnet', farSubnet, '--', process.execPath, '-e', server)
    ).trim()
  })
  after(() => plane?.stop())

  describe('of a pair', () => {
    let made: Made

    before(async () => {
      made = await aLoadBalancer('ACTIVE_STANDBY')
      await everythingServes(made)
    })

    test('as planned, both one after the other: no new connection and no request fails, and all is as before', async () => {
      const persistent = await membersOfClients(made)
      const before = await byRole(made)
      const knocked = await knockDuring(client, { address: made.vip, kept: 5 }, async () => {
        await plane.change(made, 'PUT', `/v2/lbaas/loadbalancers/${made.id}/failover`)
      })
      assert.deepEqual([refused(knocked), unanswered(knocked), knocked.kept.cut], [[], [], 0])
      // They had to come back once, when the one that served was replaced.
      assert.ok(knocked.kept.askedToClose > 0)
      const now = await byRole(made)
      for (const role of ['MASTER', 'BACKUP']) replaces(now[role]!, before[role]!)
      await everythingServes(made)
      assert.deepEqual(await membersOfClients(made), persistent)
    })

    test('dead: the other serves on, and clients stay at their members', async () => {
      const persistent = await membersOfClients(made)
      const dead = await whoServes(made)
      await plane.controller.ottavia('lab', 'amphora', 'kill', dead.compute_id)
      await replace(made, dead)
      await everythingServes(made)
      assert.deepEqual(await membersOfClients(made), persistent)
    })

    test('hanging and not to be reached: it is cut off all the same', async () => {
      const hanging = await whoServes(made)
      const { ports } = await plane.neutron<{ ports: { id: string; name: string }[] }>('GET', `ports?device_id=${hanging.compute_id}`)
      const management = ports.find(({ name }) => name.startsWith(`amphora-${hanging.id}`))!
      await plane.neutron('PUT', `ports/${management.id}`, { port: { admin_state_up: false } })
      await plane.controller.ottavia('lab', 'amphora', 'exec', hanging.compute_id, '--', 'sh', '-c', 'kill -STOP -1')
      await replace(made, hanging)
      await everythingServes(made)
      const left = await plane.neutron<{ ports: unknown[] }>('GET', `ports?device_id=${hanging.compute_id}`)
      assert.deepEqual(left.ports, [], 'its management port went with it')
    })

    test('in vain, for no machine starts: the other serves, the reason is told, and a later failover mends it', async () => {
      const dead = await whoServes(made)
      await plane.controller.ottavia('lab', 'amphora', 'kill', dead.compute_id)
      await everythingServes(made)
      const mend = breakCompute()
      try {
        const knocked = await knockDuring(client, { address: made.vip }, async () => {
          await plane.put(`/v2/octavia/amphorae/${dead.id}/failover`, undefined)
          await eventually(async () => assert.equal((await shown(made)).provisioning_status, 'ERROR'), REPLACED_WITHIN_MS)
        })
        assert.deepEqual([refused(knocked), unanswered(knocked), delays(knocked)], [[], [], []])
      } finally {
        mend()
      }
      assert.equal((await shown(made)).fault?.message, 'An amphora could not be started.')
      const left = (await amphorae(made)).find(({ id }) => id === dead.id)!
      assert.deepEqual([left.status, left.vrrp_port_id], ['ERROR', dead.vrrp_port_id])

      await plane.delete(`/v2/octavia/amphorae/${dead.id}`)
      await eventually(async () => assert.equal((await amphorae(made)).length, 1))
      await everythingServes(made)
      await plane.change(made, 'PUT', `/v2/lbaas/loadbalancers/${made.id}/failover`)
      assert.deepEqual(Object.keys(await byRole(made)).sort(), ['BACKUP', 'MASTER'])
      await everythingServes(made)
    })
  })

  test('that is alone, as planned and dead: whoever comes meanwhile waits, and is answered', async () => {
    const made = await aLoadBalancer('SINGLE')
    await everythingServes(made)
    const [first] = await amphorae(made)
    const knocked = await knockDuring(client, { address: made.vip, everyMs: 10 }, () => replace(made, first!))
    assert.deepEqual([refused(knocked), unanswered(knocked)], [[], []])
    await everythingServes(made)

    const [second] = await amphorae(made)
    await plane.controller.ottavia('lab', 'amphora', 'kill', second!.compute_id)
    await replace(made, second!)
    await everythingServes(made)
  })

  async function aLoadBalancer(topology: 'SINGLE' | 'ACTIVE_STANDBY'): Promise<Made> {
    const profile = { name: topology, provider_name: 'amphora', flavor_data: JSON.stringify({ loadbalancer_topology: topology }) }
    const { flavorprofile } = await plane.post<{ flavorprofile: { id: string } }>('/v2.0/lbaas/flavorprofiles', { flavorprofile: profile })
    const { flavor } = await plane.post<{ flavor: { id: string } }>('/v2.0/lbaas/flavors', {
      flavor: { name: topology, flavor_profile_id: flavorprofile.id },
    })
    const listener = (name: keyof typeof port, protocol: string, members: object[], fields: object = {}, of_pool: object = {}) => ({
      name,
      protocol,
      protocol_port: port[name],
      default_pool: {
        name,
        protocol: protocol === 'TERMINATED_HTTPS' ? 'HTTP' : protocol,
        lb_algorithm: 'ROUND_ROBIN',
        members,
        ...of_pool,
      },
      ...fields,
    })
    const members = (first: number) => [0, 1, 2].map((n) => ({ address: web, protocol_port: first + n }))
    return plane.loadBalancer({
      flavor_id: flavor.id,
      additional_vips: [{ subnet_id: plane.subnet('ipv6-private-subnet') }],
      listeners: [
        listener('web', 'HTTP', members(8001)),
        listener('source', 'TCP', members(8001), {}, { session_persistence: { type: 'SOURCE_IP' } }),
        listener('app', 'HTTP', members(8001), {}, { session_persistence: { type: 'APP_COOKIE', cookie_name: 'SESSION' } }),
        listener('far', 'HTTP', [{ address: far, protocol_port: 80, subnet_id: farSubnet }]),
        listener('tls', 'TERMINATED_HTTPS', members(8001), { default_tls_container_ref: certificate }),
        listener('udp', 'UDP', members(9001), {}, { session_persistence: { type: 'SOURCE_IP' } }),
      ],
    })
  }

  async function everythingServes({ vip, additionalVips }: Made): Promise<void> {
    await eventually(async () => {
      const [http, behindLeg, tls, udp] = await client.ask(
        { url: `http://${vip}:${port.web}/` },
        { url: `http://${vip}:${port.far}/` },
        { url: `https://${vip}:${port.tls}/`, ca: ca.certificate, servername: 'one.example' },
        { url: `udp://${vip}:${port.udp}` },
      )
      const [ipv6] = await client6.ask({ url: `http://[${additionalVips[0]}]:${port.web}/` })
      assert.deepEqual(
        [http, behindLeg, tls, udp, ipv6].map((answer) => answer?.status ?? 0),
        [200, 200, 200, 200, 200],
      )
    }, REPLACED_WITHIN_MS)
  }

  /** The member that each address and each application session gets. */
  async function membersOfClients({ vip }: Made): Promise<unknown[]> {
    const sessions = sources.map((_, n) => `SESSION=s${n}`)
    // A session that a member has given is kept, whoever gives it anew.
    const app = `http://${vip}:${port.app}`
    const answers = await client.ask(
      ...sources.map((from) => ({ url: `http://${vip}:${port.source}/`, from })),
      ...sessions.map((cookie) => ({ url: `${app}/?cookie=${cookie}`, headers: { cookie } })),
    )
    assert.ok(answers.every(({ status }) => status === 200))
    return answers.map(({ headers }) => headers['x-member'])
  }

  async function replace(made: Made, former: Amphora): Promise<void> {
    await plane.change(made, 'PUT', `/v2/octavia/amphorae/${former.id}/failover`)
    replaces((await byRole(made))[former.role]!, former)
  }

  function replaces(now: Amphora, before: Amphora): void {
    for (const field of kept) assert.equal(now[field], before[field], field)
    for (const field of fresh) assert.notEqual(now[field], before[field], field)
  }

  async function whoServes(made: Made): Promise<Amphora> {
    return eventually(async () => {
      for (const amphora of await amphorae(made)) {
        const command = ['--inner', '--', 'ip', '-brief', 'address', 'show', 'eth1']
        const addresses = await plane.controller.ottavia('lab', 'amphora', 'exec', amphora.compute_id, ...command).catch(() => '')
        if (addresses.includes(`${made.vip}/`)) return amphora
      }
      return false
    })
  }

  async function byRole(made: Made): Promise<Record<string, Amphora>> {
    return Object.fromEntries((await amphorae(made)).map((amphora) => [amphora.role, amphora]))
  }

  async function amphorae({ id }: Made): Promise<Amphora[]> {
    return (await plane.get<{ amphorae: Amphora[] }>(`/v2/octavia/amphorae?loadbalancer_id=${id}`)).amphorae
  }

  async function shown({ id }: Made): Promise<{ provisioning_status: string; fault?: { message: string } }> {
    const answer = await plane.get<{ loadbalancer: { provisioning_status: string; fault?: { message: string } } }>(
      `/v2/lbaas/loadbalancers/${id}`,
    )
    return answer.loadbalancer
  }

  /** From now on no machine gets a disk; those that run have theirs. Answers what ends that. */
  function breakCompute(): () => void {
    const disks = join(plane.controller.stateDirectory, 'amphorae')
    renameSync(disks, `${disks}.aside`)
    writeFileSync(disks, '')
    return () => {
      rmSync(disks)
      renameSync(`${disks}.aside`, disks)
    }
  }
})
