/** How an agent applies changes: which of them take a reload, and that none costs a client anything. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { Changes } from '../../src/agent/haproxy.ts'
import type { Applied } from '../../src/drivers/amphora/driver.ts'
import { eventually } from '../support/eventually.ts'
import { AgentStage, filesOf, get, LISTENER, LOAD_BALANCER, POOL, type TestAgent, VIP } from './support/agent-stage.ts'
import { type Load, startLoad } from './support/load.ts'

const fence = { flow_id: 'a flow', generation: 1 }
const addresses = { one: '10.0.0.21', two: '10.0.0.22', three: '10.0.0.23' } as const
const IDLE_CONNECTIONS_MS = 20_000
type Name = keyof typeof addresses

interface Details {
  haproxies: Record<string, { changes: Changes; draining: { backend: string; server: string }[] }>
}

/** A configuration with these lines of servers, as upstream lays it out. */
function configurationOf(agent: TestAgent, servers: string[], options: { pool?: string; frontend?: string; global?: string } = {}): string {
  return `global
    daemon
    user nobody
    stats socket ${agent.base}/${LOAD_BALANCER}.sock mode 0666 level user
    server-state-file ${agent.base}/${LOAD_BALANCER}/servers-state
    maxconn 1000
    hard-stop-after 20s
${options.global ?? ''}
defaults
    retries 3
    option redispatch
    option idle-close-on-response
    timeout connect 1s
    timeout client 5s
    timeout server 15s

frontend ${LISTENER}
    maxconn 500
    bind ${VIP}:80
    mode http
    default_backend ${POOL}:${LISTENER}
${options.frontend ?? ''}
backend ${POOL}:${LISTENER}
    mode http
    http-reuse safe
    balance roundrobin
    load-server-state-from-file global
${options.pool ?? ''}${servers.map((line) => `    ${line}\n`).join('')}`
}

function server(name: Name, more = 'weight 1 check inter 200ms fall 2 rise 1'): string {
  return `server ${name} ${addresses[name]}:80 ${more}`
}

describe('changes of a running load balancer', () => {
  let stage: AgentStage
  let agent: TestAgent
  let load: Load | undefined

  before(async () => {
    stage = await AgentStage.open()
    agent = await stage.agent(1)
    await stage.plugVip(agent)
    for (const [name, address] of Object.entries(addresses)) await stage.member(name, address)
  })
  after(() => stage.close())
  beforeEach(async () => {
    await load?.stop()
    load = undefined
  })

  const apply = async (configuration: string): Promise<Applied> => {
    const applied = await stage.driver.applyHaproxy(agent, LOAD_BALANCER, filesOf(configuration), fence)
    assert.ok(applied !== null)
    return applied
  }
  const use = (...servers: string[]) => apply(configurationOf(agent, servers))
  const details = async () => {
    const answer = JSON.parse((await stage.raw(agent, 'GET', '/1.0/details')).body) as Details
    return answer.haproxies[LOAD_BALANCER]!
  }
  const reloads = async () => (await details()).changes.reload
  /** Who answers, of twelve requests. */
  const answering = async () => {
    const names = new Set<string>()
    for (let n = 0; n < 12; n++) names.add(await get(`http://${VIP}/`))
    return [...names].sort()
  }

  test('the first start, and the same again', async () => {
    assert.equal((await use(server('one'))).how, 'start')
    assert.equal((await use(server('one'))).how, 'unchanged')
  })

  test('members come, go, are weighted and switched off without a reload, and no request is lost', async () => {
    const before = await reloads()
    load = startLoad(`http://${VIP}/`)
    const steps: [string, string[], string[]][] = [
      ['a member comes', [server('one'), server('two')], ['one', 'two']],
      ['another in front', [server('three'), server('one'), server('two')], ['one', 'three', 'two']],
      ['one is drained', [server('three'), server('one', 'weight 0 check inter 200ms fall 2 rise 1'), server('two')], ['three', 'two']],
      ['and back', [server('three'), server('one'), server('two')], ['one', 'three', 'two']],
      [
        'one is off',
        [server('three'), server('one'), server('two', 'weight 1 check inter 200ms fall 2 rise 1 disabled')],
        ['one', 'three'],
      ],
      ['and on', [server('three'), server('one'), server('two')], ['one', 'three', 'two']],
      ['all but one go', [server('two')], ['two']],
      ['all are exchanged', [server('three'), server('one')], ['one', 'three']],
    ]
    for (const [what, servers, expected] of steps) {
      const { how, duration_ms } = await use(...servers)
      assert.equal(how, 'runtime', what)
      assert.ok(duration_ms > 0 && duration_ms < 2_000, `${what}: ${duration_ms} ms`)
      assert.deepEqual(await answering(), expected, what)
    }
    await load.stop()
    assert.deepEqual(load.lost, [])
    assert.ok(load.served > 100, `${load.served} requests`)
    assert.equal(await reloads(), before)
    // HAProxy keeps idle connections of members for some seconds.
    await eventually(async () => (await details()).draining.length === 0, IDLE_CONNECTIONS_MS)
  })
})
