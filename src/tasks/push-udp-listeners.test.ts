import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryAmphora } from '../drivers/amphora/memory.ts'
import { aTree, defaultConfig } from '../render/golden/pairs.ts'
import { haproxyOptions, renderHaproxy } from '../render/haproxy.ts'
import { pushUdpListeners } from './push-udp-listeners.ts'

const amphora = { id: 'amphora-1', lb_network_ip: '192.0.2.1' }
const fence = { flow_id: 'flow-1', generation: 1 }
const udp = { protocol: 'UDP', protocol_port: 53 } as const

async function pushed(agents: MemoryAmphora, loadBalancer: ReturnType<typeof aTree>, missedChanges = false): Promise<string[]> {
  await pushUdpListeners({ amphora: agents }, amphora, loadBalancer, { missedChanges, fence })
  return [...(agents.agents.get(amphora.id)?.udp.keys() ?? [])]
}

test('an amphora has the files of the UDP and SCTP listeners that are enabled, and no others', async () => {
  const agents = new MemoryAmphora()
  const listeners = [udp, { ...udp, protocol: 'SCTP' as const }, { protocol: 'HTTP' as const, protocol_port: 80 }]
  const loadBalancer = aTree({ listeners })
  const [first, second] = loadBalancer.listeners.map(({ id }) => id)
  assert.deepEqual(await pushed(agents, loadBalancer), [first, second])
  assert.match(agents.agents.get(amphora.id)!.udp.get(first!)!, /Configuration for Listener/)

  const [enabled, ...others] = listeners
  assert.deepEqual(await pushed(agents, aTree({ listeners: [{ ...enabled!, admin_state_up: false }, ...others] })), [second])
  assert.deepEqual(await pushed(agents, aTree({ listeners: [{ ...enabled!, provisioning_status: 'PENDING_DELETE' }, ...others] })), [
    second,
  ])
  assert.deepEqual(await pushed(agents, aTree({ admin_state_up: false, listeners })), [])
})

test('an amphora that missed changes loses the listeners whose rows are gone', async () => {
  const agents = new MemoryAmphora()
  const [first, second] = aTree({ listeners: [udp, udp] }).listeners.map(({ id }) => id)
  assert.deepEqual(await pushed(agents, aTree({ listeners: [udp, udp] })), [first, second])
  assert.deepEqual(await pushed(agents, aTree({ listeners: [udp] })), [first, second])
  assert.deepEqual(await pushed(agents, aTree({ listeners: [udp] }), true), [first])
})

test('a load balancer of UDP listeners alone has no HAProxy', () => {
  assert.equal(renderHaproxy(aTree({ listeners: [udp] }), haproxyOptions(defaultConfig)), null)
})
