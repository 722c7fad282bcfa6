/** Operations of load balancers that ask services of OpenStack for something, as a tenant asks for them. */
import assert from 'node:assert/strict'
import { eventually } from './eventually.ts'
import { uniqueName } from './openstack-cloud.ts'
import type { LoadBalancer, Stage as RealStage, Told } from './openstack-stage.ts'

/** What operations need of a cloud, real or not. */
export type Stage = Pick<RealStage, 'ask' | 'askAsAdministrator' | 'subnets' | 'secret_ref' | 'qos_policy_id' | 'settled'>

export interface Operation {
  name: string
  /** The load balancer comes to be by it, is gone after it, or stays. */
  kind: 'makes' | 'ends' | 'changes'
  /** In: the load balancer's id, but where it makes one. */
  act(stage: Stage, load_balancer_id: string): Promise<Told>
  /** Asked for afterwards: then there is what was there before. */
  undo?(stage: Stage, load_balancer_id: string): Promise<void>
}

/** Beyond what the controller's patience with a service lets a revert take. */
const FREE_WITHIN_MS = 60_000

const MEMBER_ADDRESSES = { front: '10.20.0.201', back: '10.20.1.201', other: '10.20.2.201' }

export const operations: Operation[] = [
  {
    name: 'create',
    kind: 'makes',
    act: ({ ask, subnets }) =>
      ask('POST', '/lbaas/loadbalancers', { loadbalancer: { name: uniqueName('lb'), vip_subnet_id: subnets.front } }),
  },
  {
    name: 'create with a listener and a member elsewhere',
    kind: 'makes',
    act: ({ ask, subnets }) => ask('POST', '/lbaas/loadbalancers', { loadbalancer: full(subnets) }),
  },
  {
    name: 'listener',
    kind: 'changes',
    act: ({ ask }, loadbalancer_id) =>
      ask('POST', '/lbaas/listeners', {
        listener: { name: 'more', loadbalancer_id, protocol: 'HTTP', protocol_port: 8080, allowed_cidrs: ['10.20.0.0/16'] },
      }),
    undo: (stage, id) => removeNamed(stage, id, 'listeners', 'more'),
  },
  {
    name: 'listener that ends TLS',
    kind: 'changes',
    act: ({ ask, secret_ref }, loadbalancer_id) =>
      ask('POST', '/lbaas/listeners', {
        listener: { name: 'tls', loadbalancer_id, protocol: 'TERMINATED_HTTPS', protocol_port: 443, default_tls_container_ref: secret_ref },
      }),
    undo: (stage, id) => removeNamed(stage, id, 'listeners', 'tls'),
  },
  {
    name: 'member on another network',
    kind: 'changes',
    act: async (stage, id) => {
      const member = { name: 'further', address: MEMBER_ADDRESSES.other, protocol_port: 80, subnet_id: stage.subnets.other }
      const found = await findPool(stage, id)
      if (found.status >= 300) return found
      return stage.ask('POST', `/lbaas/pools/${poolIn(found)}/members`, { member })
    },
    undo: async (stage, id) => removeNamed(stage, id, `pools/${poolIn(await findPool(stage, id))}/members`, 'further'),
  },
  {
    name: 'update of the VIP',
    kind: 'changes',
    act: ({ ask, qos_policy_id }, id) => ask('PUT', `/lbaas/loadbalancers/${id}`, { loadbalancer: { vip_qos_policy_id: qos_policy_id } }),
    undo: async ({ ask, settled }, id) => {
      await acceptedWhenFree(() => ask('PUT', `/lbaas/loadbalancers/${id}`, { loadbalancer: { vip_qos_policy_id: null } }))
      await settled(id)
    },
  },
  {
    name: 'failover',
    kind: 'changes',
    act: ({ askAsAdministrator }, id) => askAsAdministrator('PUT', `/lbaas/loadbalancers/${id}/failover`, {}),
  },
  { name: 'delete', kind: 'ends', act: ({ ask }, id) => ask('DELETE', `/lbaas/loadbalancers/${id}?cascade=true`) },
]

/** The answer's body; throws where it is not a good one. */
export async function accepted(answer: Promise<Told>): Promise<Record<string, unknown>> {
  const { status, body } = await answer
  assert.ok(status < 300, `${status} ${JSON.stringify(body)}`)
  return body
}

/** The answer once the load balancer is nobody else's: what failed is undone again by itself at any time. */
export function whenFree(ask: () => Promise<Told>): Promise<Told> {
  return eventually(async () => {
    const answer = await ask()
    return answer.status !== 409 && answer
  }, FREE_WITHIN_MS)
}

export const acceptedWhenFree = (ask: () => Promise<Told>) => accepted(whenFree(ask))

/** A load balancer that is ACTIVE, for operations that change or end one. */
export async function aLoadBalancer(stage: Stage): Promise<string> {
  const { loadbalancer } = (await accepted(stage.ask('POST', '/lbaas/loadbalancers', { loadbalancer: full(stage.subnets) }))) as {
    loadbalancer: LoadBalancer
  }
  assert.equal((await stage.settled(loadbalancer.id))?.provisioning_status, 'ACTIVE')
  return loadbalancer.id
}

function full({ front, back }: Stage['subnets']) {
  const members = [
    { name: 'near', address: MEMBER_ADDRESSES.front, protocol_port: 80, subnet_id: front },
    { name: 'far', address: MEMBER_ADDRESSES.back, protocol_port: 80, subnet_id: back },
  ]
  const default_pool = { name: 'web', protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', members }
  const listeners = [{ name: 'http', protocol: 'HTTP', protocol_port: 80, default_pool }]
  return { name: uniqueName('lb'), vip_subnet_id: front, listeners }
}

function findPool({ ask }: Stage, load_balancer_id: string): Promise<Told> {
  return ask('GET', `/lbaas/pools?loadbalancer_id=${load_balancer_id}&name=web`)
}

const poolIn = ({ body }: Told): string => (body.pools as [{ id: string }])[0].id

/** What of that name an operation has made, if it has. */
async function removeNamed({ ask, settled }: Stage, load_balancer_id: string, path: string, name: string): Promise<void> {
  const found = Object.values(await accepted(ask('GET', `/lbaas/${path}?name=${name}`))).find(Array.isArray) as { id: string }[]
  for (const { id } of found) {
    await acceptedWhenFree(() => ask('DELETE', `/lbaas/${path}/${id}`))
    assert.equal((await settled(load_balancer_id))?.provisioning_status, 'ACTIVE', `deletion of what is named ${name}`)
  }
}
