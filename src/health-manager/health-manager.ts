/** The health manager: what amphorae say of themselves is received and stored, and those that say nothing are looked for. */
import type { WatchContext } from './context.ts'
import { Receiver } from './receiver.ts'
import { Watch } from './watch.ts'

export interface HealthManagerOptions {
  bind: readonly { address: string; port: number }[]
  /** `[health_manager] heartbeat_key` and those before it that still count, newest first; the same array while they are the same. */
  keys: () => readonly string[]
}

/** Resolves when all addresses are bound; throws when one cannot be. `ports` are those that were bound, in the order of `bind`. */
export async function startHealthManager(
  context: WatchContext,
  { bind, keys }: HealthManagerOptions,
): Promise<{ ports: number[]; stop(): Promise<void> }> {
  const watch = new Watch(context)
  const receiver = new Receiver(context, {
    keys,
    // The addresses of no-op amphorae are made up: whoever plays them sends from another.
    checksSource: context.config.controller_worker.compute_driver !== 'compute_noop_driver',
    absences: watch,
  })
  const stop = async () => {
    await watch.stop()
    await receiver.stop()
  }
  try {
    const ports: number[] = []
    for (const { address, port } of bind) ports.push(await receiver.bind(address, port))
    watch.start(receiver)
    return { ports, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
