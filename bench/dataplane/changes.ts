/** How long changes take until traffic feels them, or until the API says that they are done. */
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, DataPlane, Made } from '../../test/netns/support/data-plane.ts'
import type { TestCa } from '../../test/netns/support/tls-material.ts'
import { milliseconds } from '../table.ts'

const MOST_MS = 20_000
const BATCH = 160
const BATCH_RUNS = 5
/** Between two requests: the machine is needed for the change. */
const ASK_EVERY_MS = 1
/** Between two looks at the API, which cost the machine something, too. */
const LOOK_EVERY_MS = 5

export interface ChangesOptions {
  /** It answers on ports 8001 and 8002 with the port. */
  address: string
  runs: number
  /** With certificates for one.example and other.example. */
  ca: TestCa
  client: Client
}

/** Rows of a table. */
export async function measureChanges(plane: DataPlane, { address, runs, ca, client }: ChangesOptions): Promise<string[][]> {
  const pool = (name: string) => ({ name, protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members: [{ address, protocol_port: 8001 }] })
  const secrets = await Promise.all(['one.example', 'other.example'].map(async (name) => plane.storeSecret(name, await ca.bundle(name))))
  const made = await plane.loadBalancer({
    pools: [pool('changing')],
    listeners: [
      { name: 'http', protocol: 'HTTP', protocol_port: 80, default_pool: { name: 'changing' } },
      {
        name: 'https',
        protocol: 'TERMINATED_HTTPS',
        protocol_port: 443,
        default_pool: { name: 'changing' },
        default_tls_container_ref: secrets[0],
      },
    ],
  })
  return [
    ['POST member to the first request on it', milliseconds(await newMembers(plane, made, address, runs)), '60'],
    ['PUT of another certificate to the first handshake with it', milliseconds(await certificates(plane, made, secrets, client, runs)), ''],
    [`PUT of ${BATCH} members to ACTIVE`, milliseconds(await batches(plane, made, address)), '500'],
  ]
}

async function newMembers(plane: DataPlane, made: Made, address: string, runs: number): Promise<number[]> {
  const members = `/v2/lbaas/pools/${made.pools.changing}/members`
  const agent = new Agent({ keepAlive: true })
  const times: number[] = []
  // The first one is not counted: it warms what every later one finds warm.
  for (let run = 0; run <= runs; run++) {
    const started = performance.now()
    const posted = plane.post<{ member: { id: string } }>(members, { member: { address, protocol_port: 8002 } })
    // Members take turns: once it is there, one of two requests goes to it.
    while ((await answer(made.vip, agent)) !== '8002') {
      if (performance.now() - started > MOST_MS) throw new Error('no request reached the new member')
      await sleep(ASK_EVERY_MS)
    }
    if (run > 0) times.push(performance.now() - started)
    const { member } = await posted
    await plane.settled(made.id)
    await plane.change(made, 'DELETE', `${members}/${member.id}`)
  }
  agent.destroy()
  return times
}

async function certificates(plane: DataPlane, made: Made, secrets: string[], client: Client, runs: number): Promise<number[]> {
  const listener = `/v2/lbaas/listeners/${made.listeners.https}`
  const ask = async () => (await client.ask({ url: `https://${made.vip}/` }))[0]!.server
  const times: number[] = []
  let before = await ask()
  for (let run = 0; run < runs; run++) {
    const started = performance.now()
    const put = plane.put(listener, { listener: { default_tls_container_ref: secrets[(run + 1) % 2] } })
    while ((await ask()) === before) {
      if (performance.now() - started > MOST_MS) throw new Error('the certificate was not exchanged')
      await sleep(ASK_EVERY_MS)
    }
    times.push(performance.now() - started)
    await put
    await plane.settled(made.id)
    before = await ask()
  }
  return times
}

async function batches(plane: DataPlane, made: Made, address: string): Promise<number[]> {
  const members = `/v2/lbaas/pools/${made.pools.changing}/members`
  const few = [{ address, protocol_port: 8001 }]
  const many = Array.from({ length: BATCH }, (_, n) => ({ address, protocol_port: 8001 + n }))
  const times: number[] = []
  for (let run = 0; run < BATCH_RUNS; run++) {
    const started = performance.now()
    await plane.put(members, { members: many })
    await active(plane, made.id)
    times.push(performance.now() - started)
    await plane.change(made, 'PUT', members, { members: few })
  }
  return times
}

async function active(plane: DataPlane, id: string): Promise<void> {
  for (;;) {
    const { loadbalancer } = await plane.get<{ loadbalancer: { provisioning_status: string } }>(`/v2/lbaas/loadbalancers/${id}`)
    if (loadbalancer.provisioning_status === 'ACTIVE') return
    await sleep(LOOK_EVERY_MS)
  }
}

function answer(host: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host, agent }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve(text))
    }).on('error', reject)
  })
}
