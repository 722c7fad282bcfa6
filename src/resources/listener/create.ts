import type { Context } from '../../context.ts'
import type { Tx } from '../../db/connection.ts'
import type { ListenerRow, LoadBalancerRow } from '../../db/tables.ts'
import { checkListenerServable } from '../servable.ts'
import { type ReferenceChecks, unchecked } from '../tls-references.ts'
import { checkListenerSupported } from '../unsupported.ts'
import { checkNewListener } from './checks.ts'
import { insertListener, listListenersOnPort } from './repository.ts'

/** Under the load balancer's lock, whether the listener comes alone or within a tree. Throws what `checkNewListener` throws, then 501, then 400 for what cannot be served. */
export async function storeNewListener(
  tx: Tx,
  context: Pick<Context, 'config' | 'amphora'>,
  listener: ListenerRow,
  loadBalancer: LoadBalancerRow,
  references: ReferenceChecks,
): Promise<void> {
  const onSamePort = await listListenersOnPort(tx, listener.load_balancer_id, listener.protocol_port)
  checkNewListener(listener, loadBalancer, onSamePort, context.config, context.amphora.capabilities.listener_tls ? references : unchecked)
  checkListenerSupported(context, loadBalancer, listener)
  checkListenerServable(context, listener)
  await insertListener(tx, listener)
}
