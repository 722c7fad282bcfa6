import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { aConfig, aLoadBalancerRow, anAmphoraRow } from '../../test/support/builders.ts'
import { Cloud } from '../../test/support/cloud.ts'
import { forEachDatabase } from '../../test/support/databases.ts'
import { eventually } from '../../test/support/eventually.ts'
import type { Db } from '../db/connection.ts'
import { RefusedError } from '../drivers/errors.ts'
import { blocksOf } from '../lib/pem.ts'
import { openTrust } from '../main/trust.ts'
import { allFlows } from '../resources/all-flows.ts'
import { recordNewAgent } from '../resources/amphora/agents.ts'
import { agentConfigurationOf } from '../tasks/agent-configuration.ts'
import { beginRotation, cancelRotation, findRotation } from '../trust/rotation.ts'
import { credentialsOf, type TrustMaterial } from '../trust/trust.ts'
import { startWorker } from '../worker/worker.ts'
import { advanceRotation } from './advance-rotation.ts'

const AMPHORAE = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002']
/** More than anything of a rotation waits. */
const STEP_SECONDS = 10
const MAX_STEPS = 30

const ends: (() => Promise<void>)[] = []
after(async () => {
  for (const end of ends) await end()
})

/** Two amphorae that were made with what the controllers made at their first start, and two controllers of which one looks only now and then. */
async function anInstallation(db: Db) {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'ottavia-trust-'))
  const made = aConfig({ health_manager: { heartbeat_key: 'made at the first start' } })
  const config = { ...made, stateDirectory, given: new Set<string>() }
  const cloud = new Cloud(db, {})
  const { clock } = cloud
  const { log } = cloud.context
  const trust = await openTrust({ db, config, clock, log })
  const other = await openTrust({ db, config, clock, log })
  const context = { ...cloud.context, config, trust }
  await db
    .insertInto('load_balancer')
    .values(aLoadBalancerRow({ id: 'lb' }))
    .execute()
  for (const id of AMPHORAE) {
    await db
      .insertInto('amphora')
      .values(anAmphoraRow({ id, loadbalancer_id: 'lb', cert_expiration: '2036-01-01T00:00:00' }))
      .execute()
    await recordNewAgent(db, id, credentialsOf(trust.current))
    const fence = { flow_id: 'create', generation: 1 }
    const { certificate, key } = await trust.current.serverCa.issue({ common_name: id, usage: 'server', validitySeconds: 3600 })
    const address = { id, lb_network_ip: '192.0.2.1' }
    await cloud.amphora.replaceServerCertificate(address, certificate + key, fence)
    await cloud.amphora.replaceClientCas(address, trust.current.clientCas, fence)
    await cloud.amphora.updateAgentConfiguration(address, agentConfigurationOf(context, id, 'SINGLE'), fence)
  }
  const worker = startWorker({ context, flows: allFlows })
  const end = async () => {
    await worker.stop()
    await trust.stop()
    await other.stop()
    await cloud.server.close()
    rmSync(stateDirectory, { recursive: true })
  }
  ends.push(end)

  /** A run of the job, and what came of it. */
  async function step(): Promise<void> {
    clock.passSeconds(STEP_SECONDS)
    await advanceRotation.run(context)
    await eventually(async () => (await db.selectFrom('flow').select('id').where('ended_at_ms', 'is', null).execute()).length === 0)
  }
  const known = (by: TrustMaterial) => AMPHORAE.every((id) => knowEachOther(by, id, cloud))
  return { cloud, db, trust, other, context, config, step, known }
}

function knowEachOther(by: TrustMaterial, id: string, { amphora, config }: Cloud): boolean {
  const { serverCas, client, heartbeatKeys } = by
  const { serverCertificate, clientCas, agentConfiguration } = amphora.agents.get(id)!
  const isOfOne = (certificate: string, cas: string) =>
    blocksOf(cas, 'CERTIFICATE').some((ca) => new X509Certificate(certificate).verify(new X509Certificate(ca).publicKey))
  const lineOfKey = (current: TrustMaterial) =>
    /^heartbeat_key = .*$/m.exec(agentConfigurationOf({ config, trust: { current, refresh: async () => {} } }, id, 'SINGLE'))![0]
  return (
    isOfOne(serverCertificate!, serverCas) &&
    isOfOne(client.certificate, clientCas!) &&
    heartbeatKeys.some((key) => agentConfiguration!.includes(lineOfKey({ ...by, heartbeatKeys: [key] })))
  )
}

type Installation = Awaited<ReturnType<typeof anInstallation>>

/** To the end. At every step agents and both controllers know each other. */
async function rotate(
  { db, step, trust, other, known, cloud }: Installation,
  what: Parameters<typeof beginRotation>[1],
): Promise<string[]> {
  const seen: string[] = []
  await beginRotation(db, what, cloud.clock.now())
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    const rotation = await findRotation(db)
    if (rotation === undefined) return seen
    if (seen.at(-1) !== rotation.stage) seen.push(rotation.stage)
    await step()
    assert.ok(known(trust.current), `after ${rotation.stage}`)
    assert.ok(known(other.current), `after ${rotation.stage}, by a controller that is late`)
    await other.refresh()
    assert.ok(known(other.current), `after ${rotation.stage}, by another controller`)
  }
  throw new Error(`not at its end after ${MAX_STEPS} steps: ${seen}`)
}

const STAGES = ['begin', 'spread', 'use', 'leave', 'drop']

forEachDatabase('CAs are exchanged, and all know each other at any time', async (open) => {
  const it = await anInstallation(await open())
  const { current: before } = it.trust
  assert.deepEqual(await rotate(it, 'ca'), STAGES)
  const { current: now } = it.trust
  assert.notEqual(now.serverCas, before.serverCas)
  assert.ok(!it.known(before), 'who has only what was before is not known any more')
  assert.ok(AMPHORAE.every((id) => it.cloud.amphora.agents.get(id)!.clientCas === now.clientCas))
  const file = (name: string) => readFileSync(join(it.config.stateDirectory, 'certs', name), 'utf8')
  assert.equal(file('server_ca.pem'), now.serverCas)
  assert.ok(file('client.pem').includes(now.client.key.trim()))
  assert.deepEqual(now.heartbeatKeys, before.heartbeatKeys)
})

forEachDatabase("the controllers' certificate is exchanged without a word to agents", async (open) => {
  const it = await anInstallation(await open())
  const { current: before } = it.trust
  await rotate(it, 'client-certificate')
  assert.notEqual(it.trust.current.client.certificate, before.client.certificate)
  assert.equal(it.trust.current.clientCas, before.clientCas)
  assert.equal((await it.db.selectFrom('flow').select('id').execute()).length, 0)
})

forEachDatabase('the heartbeat key is exchanged, one rotation after another', async (open) => {
  const it = await anInstallation(await open())
  const [before] = it.trust.current.heartbeatKeys
  for (let times = 0; times < 2; times++) assert.deepEqual(await rotate(it, 'heartbeat-key'), STAGES)
  assert.equal(it.trust.current.heartbeatKeys.length, 1)
  assert.notEqual(it.trust.current.heartbeatKeys[0], before)
})

forEachDatabase('a rotation waits for an amphora that is silent, and for one that cannot be told until it is gone', async (open) => {
  const it = await anInstallation(await open())
  const [first, second] = AMPHORAE as [string, string]
  const stage = async () => (await findRotation(it.db))?.stage
  it.cloud.amphora.disconnect(first)
  it.cloud.amphora.takeNoClientCas = true
  await beginRotation(it.db, 'ca', it.cloud.clock.now())
  await assert.rejects(beginRotation(it.db, 'heartbeat-key', it.cloud.clock.now()), RefusedError)
  for (let steps = 0; steps < 5; steps++) await it.step()
  assert.equal(await stage(), 'spread')
  it.cloud.amphora.reconnect(first)
  it.cloud.clock.passSeconds(600)
  for (let steps = 0; steps < 5; steps++) await it.step()
  assert.equal(await stage(), 'spread', 'they are of upstream')
  await it.db.updateTable('amphora').set({ status: 'DELETED' }).where('id', 'in', [first, second]).execute()
  for (let steps = 0; steps < 5; steps++) await it.step()
  assert.equal(await stage(), undefined)
})

forEachDatabase('what nobody uses yet is taken back', async (open) => {
  const it = await anInstallation(await open())
  const { current: before } = it.trust
  await beginRotation(it.db, 'ca', it.cloud.clock.now())
  await it.step()
  assert.notEqual(it.trust.current.clientCas, before.clientCas)
  assert.equal(await cancelRotation(it.db, it.cloud.clock.now()), true)
  await it.trust.refresh()
  assert.deepEqual(credentialsOf(it.trust.current), credentialsOf(before))
  assert.equal(await cancelRotation(it.db, it.cloud.clock.now()), false)
  assert.equal(await rotate(it, 'ca').then((stages) => stages.at(-1)), 'drop')
})
