/** What can be done with each noun, by the client's operations. */
import type { LoadBalancing, Page } from '../../client/index.ts'
import type { NounName } from './table.ts'

/** An object as it is shown; which keys it has, the table says. */
export type Shown = Readonly<Record<string, unknown>>

/**
 * `parent` is the id of what it stands in, empty where it stands alone. Bodies and queries are made of what the user typed by the table's
 * fields, hence `never`: the service says what is wrong with them.
 */
export interface Operations {
  list(client: LoadBalancing, query: never, parent: string): Promise<Page<object>>
  get(client: LoadBalancing, id: string, parent: string): Promise<object>
  create?(client: LoadBalancing, body: never, parent: string): Promise<object>
  update?(client: LoadBalancing, id: string, body: never, parent: string): Promise<object>
  delete?(client: LoadBalancing, id: string, query: never, parent: string): Promise<void>
  /** The load balancer it belongs to. */
  loadBalancerOf?(client: LoadBalancing, object: never, parent: string): Promise<string>
}

type InLoadBalancer = { loadbalancers: { id: string }[] }

async function loadBalancerOfPool(client: LoadBalancing, pool_id: string): Promise<string> {
  return (await client.getPool(pool_id)).loadbalancers[0]!.id
}

async function loadBalancerOfPolicy(client: LoadBalancing, listener_id: string): Promise<string> {
  return (await client.getListener(listener_id)).loadbalancers[0]!.id
}

export const operations: Record<NounName, Operations> = {
  'load balancer': {
    list: (client, query) => client.listLoadBalancers(query),
    get: (client, id) => client.getLoadBalancer(id),
    create: (client, body) => client.createLoadBalancer(body),
    update: (client, id, body) => client.updateLoadBalancer(id, body),
    delete: (client, id, query) => client.deleteLoadBalancer(id, query),
    loadBalancerOf: async (_, { id }: { id: string }) => id,
  },
  listener: {
    list: (client, query) => client.listListeners(query),
    get: (client, id) => client.getListener(id),
    create: (client, body) => client.createListener(body),
    update: (client, id, body) => client.updateListener(id, body),
    delete: (client, id) => client.deleteListener(id),
    loadBalancerOf: async (_, { loadbalancers }: InLoadBalancer) => loadbalancers[0]!.id,
  },
  pool: {
    list: (client, query) => client.listPools(query),
    get: (client, id) => client.getPool(id),
    create: (client, body) => client.createPool(body),
    update: (client, id, body) => client.updatePool(id, body),
    delete: (client, id) => client.deletePool(id),
    loadBalancerOf: async (_, { loadbalancers }: InLoadBalancer) => loadbalancers[0]!.id,
  },
  member: {
    list: (client, query, pool) => client.listMembers(pool, query),
    get: (client, id, pool) => client.getMember(pool, id),
    create: (client, body, pool) => client.createMember(pool, body),
    update: (client, id, body, pool) => client.updateMember(pool, id, body),
    delete: (client, id, _, pool) => client.deleteMember(pool, id),
    loadBalancerOf: (client, _, pool) => loadBalancerOfPool(client, pool),
  },
  'health monitor': {
    list: (client, query) => client.listHealthMonitors(query),
    get: (client, id) => client.getHealthMonitor(id),
    create: (client, body) => client.createHealthMonitor(body),
    update: (client, id, body) => client.updateHealthMonitor(id, body),
    delete: (client, id) => client.deleteHealthMonitor(id),
    loadBalancerOf: (client, { pools }: { pools: { id: string }[] }) => loadBalancerOfPool(client, pools[0]!.id),
  },
  l7policy: {
    list: (client, query) => client.listL7Policies(query),
    get: (client, id) => client.getL7Policy(id),
    create: (client, body) => client.createL7Policy(body),
    update: (client, id, body) => client.updateL7Policy(id, body),
    delete: (client, id) => client.deleteL7Policy(id),
    loadBalancerOf: (client, { listener_id }: { listener_id: string }) => loadBalancerOfPolicy(client, listener_id),
  },
  l7rule: {
    list: (client, query, policy) => client.listL7Rules(policy, query),
    get: (client, id, policy) => client.getL7Rule(policy, id),
    create: (client, body, policy) => client.createL7Rule(policy, body),
    update: (client, id, body, policy) => client.updateL7Rule(policy, id, body),
    delete: (client, id, _, policy) => client.deleteL7Rule(policy, id),
    loadBalancerOf: async (client, _, policy) => loadBalancerOfPolicy(client, (await client.getL7Policy(policy)).listener_id),
  },
  flavor: {
    list: (client, query) => client.listFlavors(query),
    get: (client, id) => client.getFlavor(id),
    create: (client, body) => client.createFlavor(body),
    update: (client, id, body) => client.updateFlavor(id, body),
    delete: (client, id) => client.deleteFlavor(id),
  },
  'flavor profile': {
    list: (client, query) => client.listFlavorProfiles(query),
    get: (client, id) => client.getFlavorProfile(id),
    create: (client, body) => client.createFlavorProfile(body),
    update: (client, id, body) => client.updateFlavorProfile(id, body),
    delete: (client, id) => client.deleteFlavorProfile(id),
  },
  'availability zone': {
    list: (client, query) => client.listAvailabilityZones(query),
    get: (client, name) => client.getAvailabilityZone(name),
    create: (client, body) => client.createAvailabilityZone(body),
    update: (client, name, body) => client.updateAvailabilityZone(name, body),
    delete: (client, name) => client.deleteAvailabilityZone(name),
  },
  'availability zone profile': {
    list: (client, query) => client.listAvailabilityZoneProfiles(query),
    get: (client, id) => client.getAvailabilityZoneProfile(id),
    create: (client, body) => client.createAvailabilityZoneProfile(body),
    update: (client, id, body) => client.updateAvailabilityZoneProfile(id, body),
    delete: (client, id) => client.deleteAvailabilityZoneProfile(id),
  },
  amphora: {
    list: (client, query) => client.listAmphorae(query),
    get: (client, id) => client.getAmphora(id),
    delete: (client, id) => client.deleteAmphora(id),
  },
}
