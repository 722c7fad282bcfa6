/** What the parts of the health manager are given. */
import type { Context } from '../context.ts'

/** For what receives and stores. */
export type HealthManagerContext = Pick<Context, 'db' | 'config' | 'clock' | 'log' | 'metrics'>

/** For what looks for dead amphorae and has them replaced. */
export type WatchContext = HealthManagerContext &
  Pick<Context, 'compute' | 'network'> & { readonly amphora: Pick<Context['amphora'], 'capabilities'> }
