import type { ListenerRow } from '../../db/tables.ts'
import { idOnly } from '../fields.ts'

/** Alone or in a list. In: the listener and the ids of its l7policies, by position. */
export function showListener(listener: ListenerRow, l7policy_ids: string[]) {
  return { ...ownFields(listener), loadbalancers: [idOnly(listener.load_balancer_id)], l7policies: l7policy_ids.map(idOnly) }
}

/** Within the answer to a fully populated create: with whole l7policies, without the way back up. */
export function showListenerInTree<P>(listener: ListenerRow, l7policies: P[]) {
  return { ...ownFields(listener), l7policies }
}

function ownFields(listener: ListenerRow) {
  const { load_balancer_id: _, fault: __, ...fields } = listener
  return {
    ...fields,
    // An empty list stands for "none" in rows, null in answers.
    allowed_cidrs: listener.allowed_cidrs?.length ? listener.allowed_cidrs : null,
    tls_versions: listener.tls_versions.length ? listener.tls_versions : null,
    alpn_protocols: listener.alpn_protocols.length ? listener.alpn_protocols : null,
    tenant_id: listener.project_id,
  }
}
