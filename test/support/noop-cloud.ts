/** A controller with real identity and network services whose load balancers are rows alone: no machine, no packet. */
import type { Controller } from './controller.ts'
import { eventually } from './eventually.ts'

const SETTLED_WITHIN_MS = 20_000

/** Its octavia.conf. */
export const noopCloud = `[controller_worker]
amphora_driver = amphora_noop_driver
compute_driver = compute_noop_driver
`

const tokens = new WeakMap<Controller, Promise<string>>()

/** An admin's token, asked for once. */
export function adminToken(controller: Controller): Promise<string> {
  const token = tokens.get(controller) ?? controller.token()
  tokens.set(controller, token)
  return token
}

/** Resolves when no load balancer is PENDING. */
export async function settled(controller: Controller): Promise<void> {
  const token = await adminToken(controller)
  await eventually(async () => {
    const { body } = await controller.request<{ loadbalancers: { provisioning_status: string }[] }>(
      'GET',
      '/v2/lbaas/loadbalancers?fields=provisioning_status',
      token,
    )
    return body.loadbalancers.every(({ provisioning_status }) => !provisioning_status.startsWith('PENDING_'))
  }, SETTLED_WITHIN_MS)
}
