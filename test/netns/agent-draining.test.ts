/** Members that go while they serve, and what is left of changes when the agent or HAProxy dies in the middle. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { queryHaproxy } from '../../src/agent/haproxy-socket.ts'
import { eventually } from '../support/eventually.ts'
import { get, LISTENER, LOAD_BALANCER, POOL } from './support/agent-stage.ts'
import { ChangingLoadBalancer, fence, type Name, server, url } from './support/changing.ts'
import { startLoad } from './support/load.ts'

/** HAProxy keeps idle connections of members for some seconds. */
const PATIENCE_MS = 20_000
const RELOADS = Number(process.env.OTTAVIA_TEST_RELOADS ?? 8)

describe('what is removed or dies', () => {
  let balancer: ChangingLoadBalancer
  before(async () => {
    balancer = await ChangingLoadBalancer.open()
  })
  after(() => balancer.close())

  const sessionsOf = async (name: Name) => {
    const stat = await queryHaproxy(`${balancer.agent.base}/${LOAD_BALANCER}.sock`, 'show stat')
    const [header = '', ...rows] = stat.split('\n')
    const row = rows.find((line) => line.startsWith(`${POOL}:${LISTENER},${name},`))
    return Number(row?.split(',')[header.split(',').indexOf('scur')] ?? 0)
  }
  /** Begins an answer of this member that takes so long. */
  const slowAnswer = async (name: Name, ms: number) => {
    const outcome = get(`${url}?after=${ms}`, PATIENCE_MS).catch((error: Error) => `lost: ${error.message}`)
    await eventually(async () => (await sessionsOf(name)) > 0)
    return { outcome }
  }
  const setDelay = (seconds: number) => {
    const configuration = balancer.stage
      .agentConfiguration(balancer.agent)
      .replace('[haproxy_amphora]\n', `[haproxy_amphora]\nderegistration_delay = ${seconds}\n`)
    return balancer.stage.driver.updateAgentConfiguration(balancer.agent, configuration, fence)
  }
  const noneDrains = () => eventually(async () => (await balancer.drainingNames()).length === 0, PATIENCE_MS)

  beforeEach(async () => {
    await balancer.use([server('one')])
  })

  test('a member finishes what it has, gets nothing new, and is shown to nobody', async () => {
    const { outcome } = await slowAnswer('one', 2_500)
    assert.equal((await balancer.use([server('two')])).how, 'runtime')
    assert.deepEqual(await balancer.answering(), ['two'])
    assert.deepEqual(await balancer.drainingNames(), ['one'])
    await eventually(() => {
      const { pools } = balancer.stage.heartbeats.at(-1)!.heartbeat
      assert.deepEqual(Object.keys(pools[`${POOL}:${LISTENER}`]!.members), ['two'])
    })
    assert.equal(await outcome, 'one')
    await noneDrains()
  })

  test('also over a reload and a death of the agent', async () => {
    const { outcome } = await slowAnswer('one', 6_000)
    await balancer.use([server('two')])
    assert.equal((await balancer.use([server('two')], { frontend: '    timeout http-request 5s\n' })).how, 'reload')
    await balancer.restartAgent(async () => assert.deepEqual(await balancer.answering(), ['two']))
    assert.deepEqual(await balancer.drainingNames(), ['one'])
    assert.equal(await outcome, 'one')
  })

  test('what still runs after deregistration_delay is shut, and not before', async () => {
    await setDelay(1)
    const { outcome } = await slowAnswer('one', 6_000)
    const removed = performance.now()
    await balancer.use([server('two')])
    assert.match(await outcome, /^lost/)
    const lasted = performance.now() - removed
    assert.ok(lasted >= 1_000 && lasted < 5_000, `${lasted} ms`)
  })

  test('in an old worker as well', async () => {
    await setDelay(2)
    const { outcome } = await slowAnswer('one', 8_000)
    const removed = performance.now()
    assert.equal((await balancer.use([server('two')], { frontend: '    timeout http-request 5s\n' })).how, 'reload')
    assert.deepEqual(await balancer.drainingNames(), ['one'])
    assert.match(await outcome, /^lost/)
    const lasted = performance.now() - removed
    assert.ok(lasted >= 2_000 && lasted < 7_000, `${lasted} ms`)
    await noneDrains()
  })

  test('a member that comes back is not shut', async () => {
    await setDelay(1)
    const { outcome } = await slowAnswer('one', 3_000)
    await balancer.use([server('two')])
    assert.deepEqual(await balancer.drainingNames(), ['one'])
    assert.equal((await balancer.use([server('two'), server('one')])).how, 'runtime')
    assert.deepEqual(await balancer.drainingNames(), [])
    assert.deepEqual(await balancer.answering(), ['one', 'two'])
    assert.equal(await outcome, 'one')
    await setDelay(0)
  })

  test('an agent that dies between upload and reload goes on from what HAProxy runs', async () => {
    await balancer.upload([server('two'), server('three')])
    await balancer.restartAgent()
    assert.deepEqual(await balancer.answering(), ['one'])
    assert.equal((await balancer.reload()).how, 'runtime')
    assert.deepEqual(await balancer.answering(), ['three', 'two'])
  })

  test('HAProxy comes back from its death as it was, and not as what was uploaded meanwhile', async () => {
    await balancer.use([server('two'), server('three', 'weight 0')])
    await balancer.upload([server('one')])
    await balancer.killHaproxy()
    assert.deepEqual(await balancer.answering(), ['two'])
    assert.equal((await balancer.reload()).how, 'runtime')
    assert.deepEqual(await balancer.answering(), ['one'])
  })

  test('what HAProxy refuses while it runs is reloaded, and both agree', async () => {
    // Something that the agent does not know of is in the way.
    await queryHaproxy(`${balancer.agent.base}/${LOAD_BALANCER}/master.sock`, `@1 add server ${POOL}:${LISTENER}/two 10.0.0.99:80`)
    const { reload_reasons } = (await balancer.report()).changes
    assert.equal((await balancer.use([server('one'), server('two')])).how, 'reload')
    assert.equal((await balancer.report()).changes.reload_reasons.refused, (reload_reasons.refused ?? 0) + 1)
    assert.deepEqual(await balancer.answering(), ['one', 'two'])
    assert.equal((await balancer.use([server('one')])).how, 'runtime')
  })

  test(`${RELOADS} reloads under load lose nothing, and no old worker stays`, async () => {
    const load = startLoad(url)
    const before = (await balancer.report()).changes.reload
    for (let round = 0; round < RELOADS; round++)
      await balancer.use([server('one')], { frontend: `    timeout http-request ${5 + round}s\n` })
    await load.stop()
    assert.deepEqual(load.lost, [])
    assert.equal((await balancer.report()).changes.reload - before, RELOADS)
    await eventually(async () => {
      const processes = await queryHaproxy(`${balancer.agent.base}/${LOAD_BALANCER}/master.sock`, 'show proc')
      return !/^\d+\s+worker\s+[1-9]/m.test(processes)
    }, PATIENCE_MS)
  })
})
