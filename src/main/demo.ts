/**
 * The demonstration of the first start: a load balancer in front of two small web servers, made through the API as any client would,
 * and ten requests through its VIP.
 */
import { get } from 'node:http'
import { retry } from '../lib/retry.ts'

const REQUESTS = 10
const REQUEST_TIMEOUT_MS = 2_000
/** The whole demonstration is given up after about this long. */
const ATTEMPTS = 200
const LONGEST_WAIT_MS = 150

export interface Demonstration {
  /** `http://127.0.0.1:9876`. */
  api: string
  token: string
  subnet_id: string
  /** Starts a lab host that runs the command; returns its address. */
  createHost(name: string, command: string[]): Promise<string>
  print(line: string): void
}

/** Answers with the server's name and reads nothing of the request; small enough for a command line. */
const serverOf = (name: string) =>
  `require('node:http').createServer((request, response) => response.end(${JSON.stringify(`${name}\n`)})).listen(80, '0.0.0.0')`

/** Throws when a step fails; what it made stays, so that it can be looked at. */
export async function demonstrate({ api, token, subnet_id, createHost, print }: Demonstration): Promise<void> {
  const names = ['web-1', 'web-2']
  const addresses = await Promise.all(names.map((name) => createHost(name, [process.execPath, '-e', serverOf(name)])))
  const started = performance.now()
  const { loadbalancer } = (await post(`${api}/v2/lbaas/loadbalancers`, token, {
    loadbalancer: {
      name: 'demo',
      vip_subnet_id: subnet_id,
      listeners: [
        {
          name: 'demo-http',
          protocol: 'HTTP',
          protocol_port: 80,
          default_pool: {
            name: 'demo-web',
            protocol: 'HTTP',
            lb_algorithm: 'ROUND_ROBIN',
            members: addresses.map((address, index) => ({ name: names[index], address, protocol_port: 80 })),
          },
        },
      ],
    },
  })) as { loadbalancer: { id: string; vip_address: string } }
  const { id, vip_address } = loadbalancer
  await retry({ attempts: ATTEMPTS, firstWaitMs: 10, longestWaitMs: LONGEST_WAIT_MS, when: (error) => !(error instanceof InError) }, () =>
    ask(vip_address).catch(async (error) => {
      await throwIfInError(`${api}/v2/lbaas/loadbalancers/${id}`, token)
      throw error
    }),
  )
  print(
    `demonstration: load balancer 'demo' at http://${vip_address}/ answered ${Math.round(performance.now() - started)} ms after the request for it`,
  )
  for (let request = 1; request <= REQUESTS; request++) print(`  request ${request}: answered by ${await ask(vip_address)}`)
}

async function post(url: string, token: string, body: unknown): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', 'x-auth-token': token },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`POST ${url}: ${response.status} ${text}`)
  return JSON.parse(text)
}

/** The load balancer will not answer any more. */
class InError extends Error {}

async function throwIfInError(url: string, token: string): Promise<void> {
  const response = await fetch(url, { headers: { accept: 'application/json', 'x-auth-token': token } })
  const { loadbalancer } = (await response.json()) as { loadbalancer: { provisioning_status: string; fault?: { message: string } } }
  if (loadbalancer.provisioning_status === 'ERROR') throw new InError(loadbalancer.fault?.message ?? 'the load balancer is in ERROR')
}

/** One request on a connection of its own, so that each can reach another member. */
function ask(address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host: address, path: '/', agent: false, timeout: REQUEST_TIMEOUT_MS }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => (response.statusCode === 200 ? resolve(text.trim()) : reject(new Error(`status ${response.statusCode}`))))
    })
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    request.on('error', reject)
  })
}
