import type { Fence } from '../drivers/network/driver.ts'
import type { StepContext } from '../flow/define.ts'

/** What drivers are shown, so that they can refuse a worker that has a successor. */
export function fenceOf({ flow_id, generation }: StepContext): Fence {
  return { flow_id, generation }
}
