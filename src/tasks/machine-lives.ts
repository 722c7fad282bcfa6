import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from '../context.ts'
import type { ComputeDriver } from '../drivers/compute/driver.ts'
import { AgentUnreachable } from '../drivers/errors.ts'
import type { StepContext } from '../flow/define.ts'

/** How often a machine is asked for while its agent keeps us waiting, at most. */
const LOOK_INTERVAL_MS = 1_000

/**
 * Waits for work with an agent, but not for a machine that no longer exists: then it throws AgentUnreachable, at once instead of after all of
 * the driver's attempts. Nor does it wait any longer when the step is to end. (The driver's call goes on unheard, and ends within its own bounds.)
 */
export async function whileMachineLives<T>(
  { compute, signal }: Pick<Context & StepContext, 'compute' | 'signal'>,
  amphora: { id: string; compute_id: string },
  work: () => Promise<T>,
): Promise<T> {
  const ended = new AbortController()
  const looking = (async (): Promise<never> => {
    for (;;) {
      await sleep(Math.max(LOOK_INTERVAL_MS, compute.lookIntervalMs), undefined, { signal: AbortSignal.any([ended.signal, signal]) })
      // A compute service that doesn't answer says nothing about the machine; the work itself is still under way and decides.
      const server = await compute.getServer(amphora.compute_id).catch(() => null)
      if (server?.status === 'GONE') throw new AgentUnreachable(amphora.id, 'its machine is gone')
    }
  })()
  const working = work()
  // The one that loses the race may still fail; nobody is interested then.
  looking.catch(() => {})
  working.catch(() => {})
  try {
    return await Promise.race([working, looking])
  } finally {
    ended.abort()
  }
}

/**
 * Says whether the machine is still there, to whoever asks all the time: the compute driver is asked only as often as it wants to be.
 * `justSeen`: it was asked a moment ago.
 */
export function isStillThere(
  compute: Pick<ComputeDriver, 'getServer' | 'lookIntervalMs'>,
  compute_id: string,
  { justSeen = false }: { justSeen?: boolean } = {},
): () => Promise<boolean> {
  let askAgainAt = justSeen ? performance.now() + compute.lookIntervalMs : 0
  return async () => {
    if (performance.now() < askAgainAt) return true
    askAgainAt = performance.now() + compute.lookIntervalMs
    return (await compute.getServer(compute_id)).status !== 'GONE'
  }
}
