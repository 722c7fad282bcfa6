/** Every call to a driver is counted, here for all drivers and all their operations. */
import { AgentUnreachable, FencedError, IdentityUnavailable, NotFoundError, RefusedError } from '../drivers/errors.ts'
import { inSpan } from '../lib/activity.ts'
import type { Metrics } from './metrics.ts'

/**
 * The same driver, watched from outside: what its operations call of each other is not counted. All operations of drivers answer with promises. `name`
 * is the driver's kind: compute, network, ...
 */
export function watchDriver<D extends object>(driver: D, name: string, metrics: Metrics): D {
  const watched = new Map<string, unknown>()
  return new Proxy(driver, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function' || typeof property !== 'string') return value
      const known = watched.get(property)
      if (known !== undefined) return known
      const about = { driver: name, operation: property }
      const operation = (...given: unknown[]): Promise<unknown> =>
        inSpan(`${name}.${property}`, {}, () => observe(metrics, about, async () => value.apply(target, given) as unknown))
      watched.set(property, operation)
      return operation
    },
  })
}

async function observe(metrics: Metrics, about: { driver: string; operation: string }, call: () => Promise<unknown>): Promise<unknown> {
  const beganAt = performance.now()
  let outcome = 'ok'
  try {
    return await call()
  } catch (error) {
    outcome = outcomeOf(error)
    throw error
  } finally {
    metrics.driver_calls_total.add({ ...about, outcome })
    metrics.driver_call_duration_seconds.observe(about, (performance.now() - beganAt) / 1000)
  }
}

function outcomeOf(error: unknown): string {
  if (error instanceof NotFoundError) return 'not_found'
  if (error instanceof RefusedError) return 'refused'
  if (error instanceof FencedError) return 'fenced'
  if (error instanceof AgentUnreachable || error instanceof IdentityUnavailable) return 'unreachable'
  return 'error'
}
