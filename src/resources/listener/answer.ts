import type { ListenerRow } from '../../db/tables.ts'
import { idOnly } from '../fields.ts'

/** What an answer shows of a listener, alone or within a load balancer. */
function fieldsOf(listener: ListenerRow) {
  const { fault: _, load_balancer_id: __, ...fields } = listener
  return {
    ...fields,
    allowed_cidrs: emptyToNull(listener.allowed_cidrs),
    tls_versions: emptyToNull(listener.tls_versions),
    alpn_protocols: emptyToNull(listener.alpn_protocols),
    tenant_id: listener.project_id,
  }
}

export function showListener(listener: ListenerRow, l7policy_ids: string[]) {
  return { ...fieldsOf(listener), loadbalancers: [{ id: listener.load_balancer_id }], l7policies: l7policy_ids.map(idOnly) }
}

/** Within the answer to a fully populated create: whole l7policies, and no way back up. */
export function showListenerInTree<P>(listener: ListenerRow, l7policies: P[]) {
  return { ...fieldsOf(listener), l7policies }
}
