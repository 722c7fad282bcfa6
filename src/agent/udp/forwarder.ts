import type { StatRow } from '../haproxy-socket.ts'
import type { ForwardedListener } from './lvs-file.ts'

/** How an amphora's kernel forwards the packets of UDP and SCTP listeners. Listeners are named by their ids. */
export interface Forwarder {
  /** SCTP needs IPVS. */
  readonly protocols: readonly ForwardedListener['protocol'][]
  /** Forwards as the file says from now on, whatever was before. `path`: where the file lies. Throws an Error with the tool's own words. */
  apply(listener_id: string, listener: ForwardedListener, path: string): Promise<void>
  /** The same for a listener that an earlier agent may have left at work. */
  resume(listener_id: string, listener: ForwardedListener, path: string): Promise<void>
  /** Content when it was not forwarded. */
  remove(listener_id: string): Promise<void>
  /** Reads the counters anew, for `rows`. */
  refresh(): Promise<void>
  /** What heartbeats say of the listeners that are forwarded. */
  rows(): StatRow[]
  /** To be called now and then: sees what died. */
  check(): void
  /** The agent ends; what the kernel forwards goes on. */
  stop(): void
}
