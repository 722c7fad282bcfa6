/** Which secrets listeners and pools name, for what, and in which files they lie on an amphora: a pure function of the rows. */
import type { ListenerRow, PoolRow, TlsField } from '../db/tables.ts'
import type { MaterialKind } from '../drivers/certificates/material.ts'
import {
  clientCaOf,
  clientCrlOf,
  defaultCertificateOf,
  poolCaOf,
  poolCertificateOf,
  poolCrlOf,
  sniCertificateOf,
} from '../render/certificate-files.ts'
import { isWanted, type ListenerTree, type LoadBalancerTree, type PoolTree } from './load-balancer/tree.ts'

/** A reference in one of an object's fields. */
export type NamedSecret = { field: TlsField; kind: MaterialKind; reference: string }

/** A secret of one object. `file` is its name below the load balancer's directory of certificates on an amphora. */
export type TlsPlace = NamedSecret & { object_type: 'listener' | 'pool'; object_id: string; project_id: string; file: string }

/** A row, or the body of a create or update. */
type ListenerReferences = {
  [name in 'default_tls_container_ref' | 'client_ca_tls_container_ref' | 'client_crl_container_ref']?: string | null
} & { sni_container_refs?: string[] | null }
type PoolReferences = { [name in 'tls_container_ref' | 'ca_tls_container_ref' | 'crl_container_ref']?: string | null }

/** Upstream takes an empty reference for none. */
export function secretsOfListener(listener: ListenerReferences): NamedSecret[] {
  return [
    ...secret('default_tls_container_ref', 'bundle', listener.default_tls_container_ref),
    ...[...new Set(listener.sni_container_refs ?? [])].flatMap((reference) => secret('sni_container_refs', 'bundle', reference)),
    ...secret('client_ca_tls_container_ref', 'authorities', listener.client_ca_tls_container_ref),
    ...secret('client_crl_container_ref', 'revocation_lists', listener.client_crl_container_ref),
  ]
}

export function secretsOfPool(pool: PoolReferences): NamedSecret[] {
  return [
    ...secret('tls_container_ref', 'bundle', pool.tls_container_ref),
    ...secret('ca_tls_container_ref', 'authorities', pool.ca_tls_container_ref),
    ...secret('crl_container_ref', 'revocation_lists', pool.crl_container_ref),
  ]
}

function secret(field: TlsField, kind: MaterialKind, reference: string | null | undefined): NamedSecret[] {
  return reference ? [{ field, kind, reference }] : []
}

const fileOf: Record<TlsField, (object: { id: string }, reference: string) => string> = {
  default_tls_container_ref: defaultCertificateOf,
  sni_container_refs: sniCertificateOf,
  client_ca_tls_container_ref: clientCaOf,
  client_crl_container_ref: clientCrlOf,
  tls_container_ref: poolCertificateOf,
  ca_tls_container_ref: poolCaOf,
  crl_container_ref: poolCrlOf,
}

function place(object_type: TlsPlace['object_type'], { id, project_id }: ListenerRow | PoolRow): (named: NamedSecret) => TlsPlace {
  return (named) => ({ ...named, object_type, object_id: id, project_id, file: fileOf[named.field]({ id }, named.reference) })
}

/** Without client authentication its CA and its list are of no use yet. */
function placesOfListener(listener: ListenerRow): TlsPlace[] {
  const asksClients = listener.client_authentication !== 'NONE'
  return secretsOfListener(listener)
    .filter(({ kind }) => kind === 'bundle' || asksClients)
    .map(place('listener', listener))
}

/** Nor what a pool names whose TLS is not enabled. */
function placesOfPool(pool: PoolRow): TlsPlace[] {
  return pool.tls_enabled ? secretsOfPool(pool).map(place('pool', pool)) : []
}

/** Of everything that is not being deleted, whether it is enabled or not. */
export function placesOf({ listeners, pools }: LoadBalancerTree): TlsPlace[] {
  return [...listeners.filter(isWanted).flatMap(placesOfListener), ...pools.filter(isWanted).flatMap(placesOfPool)]
}

/** Of what HAProxy is to serve: enabled listeners, and the pools that they send traffic to. */
export function servedPlacesOf(loadBalancer: LoadBalancerTree): TlsPlace[] {
  if (!loadBalancer.admin_state_up) return []
  const listeners = loadBalancer.listeners.filter((listener) => isWanted(listener) && listener.admin_state_up)
  const used = new Set(listeners.flatMap(poolIdsOf))
  const pools = loadBalancer.pools.filter((pool) => isWanted(pool) && pool.admin_state_up && used.has(pool.id))
  return [...listeners.flatMap(placesOfListener), ...pools.flatMap(placesOfPool)]
}

function poolIdsOf({ default_pool_id, l7policies }: ListenerTree): PoolTree['id'][] {
  const redirects = l7policies.filter(isWanted).map(({ redirect_pool_id }) => redirect_pool_id)
  return [default_pool_id, ...redirects].filter((id) => id !== null)
}
