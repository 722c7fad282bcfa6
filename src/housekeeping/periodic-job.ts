import type { Context } from '../context.ts'

/** Work that may be done at any time and any number of times: bounded, without input, and with an answer an operator can read. */
export interface PeriodicJob {
  readonly name: string
  /** It does not retry: it will be called again. */
  readonly run: (context: Context) => Promise<Record<string, number>>
}

export function periodicJob(name: string, run: PeriodicJob['run']): PeriodicJob {
  return { name, run }
}
