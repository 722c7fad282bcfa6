import type { AmphoraOfTree, LoadBalancerTree } from '../resources/load-balancer/tree.ts'

/** What is needed to reach an amphora; goes through the journal. */
export type ServingAmphora = { id: string; compute_id: string; lb_network_ip: string }

/** Amphorae that should have the configuration. One in ERROR missed an earlier change: it is tried again. */
export function servingAmphorae(loadBalancer: LoadBalancerTree): ServingAmphora[] {
  return loadBalancer.amphorae.filter(serves).map(({ id, compute_id, lb_network_ip }) => ({ id, compute_id, lb_network_ip }))
}

function serves(amphora: AmphoraOfTree): amphora is AmphoraOfTree & { compute_id: string; lb_network_ip: string } {
  const { status, compute_id, lb_network_ip } = amphora
  return ['ALLOCATED', 'ERROR', 'FAILOVER_STOPPED'].includes(status) && compute_id !== null && lb_network_ip !== null
}
