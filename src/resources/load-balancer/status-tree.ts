import type { Db } from '../../db/connection.ts'
import { listListenerIdsOfPools } from '../pool/repository.ts'
import type { StatusTree } from './schema.ts'
import type { LoadBalancerTree, PoolTree } from './tree.ts'

type Statuses = Pick<StatusTree['loadbalancer'], 'id' | 'name' | 'provisioning_status' | 'operating_status'>

function statusesOf({ id, name, provisioning_status, operating_status }: Statuses): Statuses {
  return { id, name, provisioning_status, operating_status }
}

/** As upstream shows it: pools stand under the listeners that use them, so one without a listener is missing, and l7policies too. */
export async function showStatusTree(db: Db, loadBalancer: LoadBalancerTree): Promise<StatusTree> {
  const users = await listListenerIdsOfPools(
    db,
    loadBalancer.pools.map(({ id }) => id),
  )
  const listeners = loadBalancer.listeners.map((listener) => {
    const used = loadBalancer.pools.filter((pool) => users.get(pool.id)?.includes(listener.id))
    const isDefault = (pool: PoolTree) => pool.id === listener.default_pool_id
    const pools = [...used.filter(isDefault), ...used.filter((pool) => !isDefault(pool))]
    return { ...statusesOf(listener), pools: pools.map(showPoolStatuses) }
  })
  return { loadbalancer: { ...statusesOf(loadBalancer), listeners } }
}

function showPoolStatuses(pool: PoolTree) {
  const { health_monitor, members } = pool
  return {
    ...statusesOf(pool),
    ...(health_monitor === null ? {} : { health_monitor: { ...statusesOf(health_monitor), type: health_monitor.type } }),
    members: members.map((member) => ({ ...statusesOf(member), address: member.address, protocol_port: member.protocol_port })),
  }
}
