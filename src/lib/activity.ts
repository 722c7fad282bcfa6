/**
 * On whose behalf something is done, carried along by everything that is awaited: log lines say it, flows store it, agents are told. Nothing here is a
 * secret.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Span } from './span.ts'

export interface Activity {
  /** `req-UUID`, as the answer to the client names it. */
  readonly request_id?: string
  /** The same of the service that passed the request on. */
  readonly global_request_id?: string
  readonly flow_id?: string
  readonly load_balancer_id?: string
  /** What is being done now, where traces are made of it. */
  readonly span?: Span
  /** W3C's header as the client sent it, where no traces are made here: others may. */
  readonly traceparent?: string
}

const storage = new AsyncLocalStorage<Activity>()

export const currentActivity = (): Activity | undefined => storage.getStore()

/** Does the work as part of what is being done now, of which more is known. */
export function during<T>(more: Activity, work: () => T): T {
  return storage.run({ ...storage.getStore(), ...more }, work)
}

/** W3C's header for whoever is asked to do a part of it; undefined where nobody traces. */
export function currentTraceparent(): string | undefined {
  const activity = storage.getStore()
  return activity?.span?.traceparent ?? activity?.traceparent
}

/** The work as a span of its own below the current one; only the work where there is none. */
export function inSpan<T>(name: string, about: Parameters<Span['child']>[1], work: (span?: Span) => Promise<T>): Promise<T> {
  const parent = storage.getStore()?.span
  if (parent === undefined || !parent.sampled) return work()
  const span = parent.child(name, about)
  return during({ span }, async () => {
    try {
      const result = await work(span)
      span.end()
      return result
    } catch (error) {
      span.end(error)
      throw error
    }
  })
}
