import type { Config } from '../config/config.ts'
import type { Context } from '../context.ts'

/** Work that may be done at any time and any number of times: bounded, without input, and with an answer an operator can read. */
export interface PeriodicJob {
  readonly name: string
  /** It does not retry: it will be called again. */
  readonly run: (context: Context) => Promise<Record<string, number>>
  /** Seconds between two runs. */
  readonly intervalOf: (config: Config) => number
}

const cleanupInterval: PeriodicJob['intervalOf'] = ({ house_keeping }) => house_keeping.cleanup_interval

export function periodicJob(name: string, run: PeriodicJob['run'], intervalOf = cleanupInterval): PeriodicJob {
  return { name, run, intervalOf }
}
