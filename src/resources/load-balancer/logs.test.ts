import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aCloud } from '../../../test/support/cloud.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { Fault, LoadBalancing } from '../../client/index.ts'

async function aPair() {
  const made = await aCloud({ config: { controller_worker: { loadbalancer_topology: 'ACTIVE_STANDBY' } } }).withLoadBalancer()
  const endpoint = await made.cloud.server.listen({ host: '127.0.0.1', port: 0 })
  const client = new LoadBalancing({ endpoint, headers: { 'x-project-id': 'project-1' } })
  const { id } = made.loadBalancer as { id: string }
  const amphorae = (await client.listAmphorae()).items.map((amphora) => amphora.id)
  assert.equal(amphorae.length, 2)
  return { ...made, id, client, amphorae: amphorae as [string, string] }
}

async function all(lines: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = []
  for await (const line of lines) found.push(line)
  return found
}

/** Reads until the test leaves. */
function follow(client: LoadBalancing, id: string) {
  const lines: string[] = []
  const reading = client.getLoadBalancerLogs(id, { follow: true })
  const done = (async () => {
    for await (const line of reading) lines.push(line)
  })()
  return { lines, done }
}

test('the last lines of all amphorae are shown', async () => {
  const { client, cloud, id, amphorae } = await aPair()
  for (const amphora of amphorae) cloud.amphora.logLine(amphora, `from ${amphora}`)
  const lines = await all(client.getLoadBalancerLogs(id))
  assert.deepEqual(lines.sort(), amphorae.map((amphora) => `from ${amphora}`).sort())
})

test('who follows sees that he is heard, then each line as it comes, whole and from wherever', async () => {
  const { client, cloud, id, amphorae } = await aPair()
  cloud.amphora.logLine(amphorae[0], 'earlier')
  const { lines, done } = follow(client, id)
  await eventually(() => lines.length === 1)
  assert.match(lines[0]!, /^# /)
  const logged = Array.from({ length: 500 }, (_, i) => `line ${i} ${'x'.repeat(i)}`)
  for (const [i, line] of logged.entries()) cloud.amphora.logLine(amphorae[i % 2]!, line)
  await eventually(() => lines.length === 1 + logged.length)
  assert.deepEqual(lines.slice(1).sort(), logged.sort())
  for (const amphora of amphorae) cloud.amphora.endLogs(amphora)
  await done
})

test('an amphora that does not answer is told, and all of them are a fault', async () => {
  const { client, cloud, id, amphorae } = await aPair()
  cloud.amphora.logLine(amphorae[0], 'from the one that answers')
  cloud.amphora.disconnect(amphorae[1])
  const lines = await all(client.getLoadBalancerLogs(id))
  assert.deepEqual(lines.toSorted(), ['# a part of the load balancer does not answer: its lines are not here', 'from the one that answers'])
  cloud.amphora.disconnect(amphorae[0])
  await assert.rejects(all(client.getLoadBalancerLogs(id)), { status: 503, faultstring: 'The load balancer does not answer.' })
})

test('amphorae that keep no logs are said to, and there are no logs of what is not there', async () => {
  const { client, cloud, id, amphorae } = await aPair()
  for (const amphora of amphorae) cloud.amphora.keepNoLogs(amphora)
  await assert.rejects(all(client.getLoadBalancerLogs(id)), {
    status: 501,
    faultstring: "Provider 'amphora' does not support a requested action: Its amphorae keep no logs.",
  })
  await assert.rejects(all(client.getLoadBalancerLogs('nowhere')), { status: 404 })
})

test('a bounded number follows a load balancer, and who leaves makes room', async () => {
  const { client, cloud, id, amphorae } = await aPair()
  const followers = Array.from({ length: 4 }, () => client.getLoadBalancerLogs(id, { follow: true }))
  for (const follower of followers) await follower.next()
  await assert.rejects(all(client.getLoadBalancerLogs(id)), (error) => error instanceof Fault && error.status === 503)
  await followers[0]!.return(undefined)
  await eventually(async () => (await all(client.getLoadBalancerLogs(id)).catch(() => null)) !== null)
  // The others' amphorae are left when they leave.
  for (const follower of followers) await follower.return(undefined)
  await eventually(() => amphorae.every((amphora) => cloud.amphora.agents.get(amphora)!.log!.followers.size === 0))
})

test('followers do not keep the server from ending', async () => {
  const { client, id, stop } = await aPair()
  const { lines, done } = follow(client, id)
  await eventually(() => lines.length === 1)
  await stop()
  await done
})
