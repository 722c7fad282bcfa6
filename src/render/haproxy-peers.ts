/** How HAProxies tell each other who was sent where: the two of a pair, and the one before a reload the one after it. */
import { createHash } from 'node:crypto'
import { peerName } from '../lib/peer-name.ts'
import type { LoadBalancerTree } from '../resources/load-balancer/tree.ts'
import { endpoint, type Line, type Section } from './haproxy-words.ts'

/** The peers of a pair exchange stick tables there, as upstream's do. */
export const PEER_PORT = 1025

export function peersName({ id }: Pick<LoadBalancerTree, 'id'>): string {
  return `${id.replaceAll('-', '')}_peers`
}

/** Whether stick tables can be shared: of a pair always, of a single amphora once there is one. */
export function hasPeers({ topology, amphorae }: LoadBalancerTree): boolean {
  return topology === 'ACTIVE_STANDBY' || amphorae.some(isPeer)
}

export function peersSection(loadBalancer: LoadBalancerTree): Section {
  const isPair = loadBalancer.topology === 'ACTIVE_STANDBY'
  const lines = loadBalancer.amphorae.filter(isPeer).flatMap(({ id, vrrp_ip }): Line[] => {
    const address = isPair ? vrrp_ip : loopbackAddressOf(loadBalancer.id, id)
    return address === null ? [] : [['peer', peerName(id), endpoint(address, PEER_PORT)]]
  })
  return { head: ['peers', peersName(loadBalancer)], lines }
}

function isPeer({ status }: LoadBalancerTree['amphorae'][number]): boolean {
  return status !== 'PENDING_DELETE'
}

/**
 * An address below 127.0.0.0/8 that nobody else uses: while a single amphora is replaced both are in the configuration, and neither may take
 * itself for the other.
 */
function loopbackAddressOf(load_balancer_id: string, amphora_id: string): string {
  const [a, b, c] = createHash('sha256').update(`${load_balancer_id} ${amphora_id}`).digest()
  return `127.${1 + (a! % 254)}.${b}.${1 + (c! % 254)}`
}
