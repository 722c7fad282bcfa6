import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryCompute } from '../drivers/compute/memory.ts'
import { AgentUnreachable } from '../drivers/errors.ts'
import { MemoryNetwork } from '../drivers/network/memory.ts'
import { isStillThere, whileMachineLives } from './machine-lives.ts'

const { signal } = new AbortController()

async function aMachine() {
  const compute = new MemoryCompute(new MemoryNetwork())
  const wanted = { network_ids: [], security_group_ids: [], compute_flavor: null, image_id: null, server_group_id: null, files: {} }
  const names = { amphora_id: 'a', name: 'amphora-a', availability_zone: null, made_by: 'flow' }
  const { compute_id } = await compute.ensureServer({ ...wanted, ...names }, { flow_id: 'flow', generation: 1 })
  return { compute, amphora: { id: 'a', compute_id } }
}

test('a wait for an agent ends soon after its machine is gone', async () => {
  const { compute, amphora } = await aMachine()
  compute.kill(amphora.compute_id)
  const silence = new Promise<never>(() => {})
  await assert.rejects(
    whileMachineLives({ compute, signal }, amphora, () => silence),
    AgentUnreachable,
  )
})

test('a compute service that fails meanwhile does not end the wait', async () => {
  const { compute, amphora } = await aMachine()
  compute.failNext('getServer')
  const slow = new Promise<string>((resolve) => setTimeout(resolve, 1_200, 'answer'))
  assert.equal(await whileMachineLives({ compute, signal }, amphora, () => slow), 'answer')
})

test('a step that is to end does not wait for an agent', async () => {
  const { compute, amphora } = await aMachine()
  const ended = new AbortController()
  const waiting = whileMachineLives({ compute, signal: ended.signal }, amphora, () => new Promise<never>(() => {}))
  ended.abort()
  await assert.rejects(waiting, { name: 'AbortError' })
})

test('whoever asks all the time whether a machine is still there asks the compute service as seldom as it wants', async () => {
  const { compute, amphora } = await aMachine()
  const asked: string[] = []
  const dear = (lookIntervalMs: number) => ({
    lookIntervalMs,
    async getServer(compute_id: string) {
      asked.push(compute_id)
      return await compute.getServer(compute_id)
    },
  })
  const [seldom, always] = [isStillThere(dear(60_000), amphora.compute_id), isStillThere(dear(0), amphora.compute_id)]
  for (let i = 0; i < 5; i++) assert.equal(await seldom(), true)
  assert.equal(asked.length, 1)
  assert.equal(await isStillThere(dear(60_000), amphora.compute_id, { justSeen: true })(), true)
  assert.equal(asked.length, 1)
  compute.kill(amphora.compute_id)
  assert.equal(await always(), false)
})
