/**
 * The fence between controllers. A worker that was frozen and lost its flow to a successor may wake and speak to the agent; its requests
 * carry its flow's id and the generation under which it held the flow. A request is refused when a higher generation of the same flow has
 * been here. That is all that is needed: one load balancer has one flow at a time, and a flow's generation rises with each claim. Requests
 * without the headers come from an upstream controller, which knows no fence, and are accepted.
 */
import { readFileSync } from 'node:fs'
import { writeAtomically } from './files.ts'

export const FLOW_HEADER = 'x-ottavia-flow'
export const GENERATION_HEADER = 'x-ottavia-generation'
/** By which request of a user's a controller asks; the agent's log names it. */
export const REQUEST_ID_HEADER = 'x-openstack-request-id'
/** `message` of the 409 by which a fenced worker is told apart from other conflicts. */
export const FENCED_MESSAGE = 'A later worker has taken over'

/** The flows of one amphora that were ever claimed twice and may still have a frozen worker: far fewer than this. */
const MAX_REMEMBERED_FLOWS = 256

export class Fences {
  private readonly newest: Map<string, number>
  private readonly path: string

  /** Remembers in the file `path`, so that a restart of the agent doesn't open the door. */
  constructor(path: string) {
    this.path = path
    this.newest = new Map(read(path))
  }

  /** False when a later worker of this flow has been here. */
  admits(flow: string | undefined, generation: string | undefined): boolean {
    if (flow === undefined || generation === undefined || !/^\d{1,15}$/.test(generation)) return true
    const asked = Number(generation)
    const seen = this.newest.get(flow) ?? 1
    if (asked < seen) return false
    // A first generation has no predecessor to keep out, so the common case needs neither memory nor disk.
    if (asked > seen) this.remember(flow, asked)
    return true
  }

  private remember(flow: string, generation: number): void {
    this.newest.delete(flow)
    this.newest.set(flow, generation)
    if (this.newest.size > MAX_REMEMBERED_FLOWS) this.newest.delete(this.newest.keys().next().value!)
    writeAtomically(this.path, JSON.stringify([...this.newest]), { mode: 0o600, sync: true })
  }
}

function read(path: string): [string, number][] {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as [string, number][]
  } catch {
    return [] // there is none yet, or the disk lost it: then the agent knows of no later worker
  }
}
