import { FencedError } from './errors.ts'
import type { Fence } from './network/driver.ts'

/** Remembers the newest generation of each flow it has seen, and refuses an older one. For drivers that keep their state in this process. */
export class Fences {
  private readonly newest = new Map<string, number>()

  /** Throws FencedError when a later worker has already been here. */
  check(subject: string, fence: Fence | undefined): void {
    if (fence === undefined) return
    const newest = this.newest.get(fence.flow_id) ?? 0
    if (fence.generation < newest) throw new FencedError(subject)
    this.newest.set(fence.flow_id, fence.generation)
  }
}
