import type { Config } from '../config/config.ts'
import { allFlows } from '../resources/all-flows.ts'
import { failoverAmphora } from '../resources/amphora/failover-flow.ts'
import type { Places } from './worker.ts'

/**
 * What a worker runs side by side. A failover, or the boot of a spare, may hang for as long as a step may take; users' changes must not wait for it, nor
 * failovers for spares.
 */
export function placesFor({ task_flow, health_manager }: Pick<Config, 'task_flow' | 'health_manager'>): Places[] {
  const names = allFlows.map(({ name }) => name)
  const failovers: string[] = [failoverAmphora.name]
  return [
    { names, asked: true, most: task_flow.max_workers },
    { names: failovers, asked: false, most: health_manager.failover_threads },
    { names: names.filter((name) => !failovers.includes(name)), asked: false, most: task_flow.max_workers },
  ]
}
