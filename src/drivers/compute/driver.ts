/** Where amphorae run: Nova's model, as much of it as load balancing needs. */
import type { Fence, Made } from '../network/driver.ts'

export type WantedServer = {
  amphora_id: string
  /** `amphora-<amphora_id>`; a repeated call finds the first call's server by it. */
  name: string
  /** Management networks: the driver makes a port on each, as Nova does, and deletes it with the server. */
  network_ids: string[]
  security_group_ids: string[]
  compute_flavor: string | null
  image_id: string | null
  server_group_id: string | null
  availability_zone: string | null
  /** Path on the machine to contents: the agent's configuration and certificates (config drive). Never journaled or logged. */
  files: Record<string, string>
  made_by: string
}

export type Server = {
  compute_id: string
  status: 'BOOTING' | 'ACTIVE' | 'ERROR' | 'GONE'
  /** Why it is in ERROR, in the backend's words. */
  fault: string | null
  lb_network_ip: string | null
  image_id: string | null
  compute_flavor: string | null
  availability_zone: string | null
}

export interface ComputeDriver {
  /** False where all machines are on one host, so that anti-affinity means nothing. */
  readonly hasHosts: boolean
  /** False where machines are not really there, and hence no port of the network is theirs. */
  readonly hasPorts: boolean
  /** No machine is up sooner after it was asked for: so long the first look at a booting one waits, and later ones longer. */
  readonly firstLookMs: number
  /** So often it may be asked whether a machine is still there, while something waits for it. */
  readonly lookIntervalMs: number
  /** Starts the machine if none of that name exists; does not wait for its agent. */
  ensureServer(wanted: WantedServer, fence: Fence): Promise<{ compute_id: string }>
  /** A server that does not exist (any more) or whose init has died has the status GONE. */
  getServer(compute_id: string): Promise<Server>
  /** Those of them whose status is GONE, at the cost of few questions however many they are. */
  listGone(compute_ids: readonly string[]): Promise<string[]>
  /** All machines that were made through this driver and not deleted, dead ones among them. */
  listMadeServers(): Promise<Made[]>
  /** By `amphora-<id>`: finds what an interrupted ensureServer left. */
  findServer(name: string): Promise<string | null>
  /** Gone afterwards with its management ports; not an error if it already was. With `made_by`, another flow's machine stays. */
  deleteServer(compute_id: string, options?: { made_by?: string }): Promise<void>
  /** The port appears in the machine as an interface with its MAC address. Repeating it does nothing. */
  attachPort(compute_id: string, port_id: string, fence: Fence): Promise<void>
  /**
   * True when the machine has lost the port for certain, whether or not the machine itself answers: another may have it then. A machine that does not let go of
   * it, or whose host is silent, is an error after a while; with `soon`, after seconds, false.
   */
  detachPort(compute_id: string, port_id: string, options?: { soon?: boolean }): Promise<boolean>
  ensureServerGroup(wanted: { name: string; policy: string; made_by: string }, fence: Fence): Promise<string>
  deleteServerGroup(id: string): Promise<void>
  /** All groups of the names that load balancers' groups have, `octavia-lb-<id>`; `made_by` is empty where the backend keeps no such thing. */
  listMadeServerGroups(): Promise<Made[]>

  // Whether there is what profiles of flavors and availability zones name; each throws NotFoundError.
  checkFlavor(id: string): Promise<void>
  checkAvailabilityZone(name: string): Promise<void>
}
