/** What the compute API shows: the embedded compute's servers and groups, as it knows them. */

export type DirectoryServer = {
  compute_id: string
  /** `amphora-<amphora id>` */
  name: string
  /** GONE: its init has died. */
  status: 'BOOTING' | 'ACTIVE' | 'ERROR' | 'GONE'
  fault: string | null
  compute_flavor: string | null
  availability_zone: string | null
  created_at: string
  /** Of all its ports, the management port's first. */
  addresses: { network_name: string; ip_address: string; mac_address: string }[]
}

export type DirectoryServerGroup = {
  id: string
  name: string
  policy: string
  /** compute_ids */
  members: string[]
}

export interface ServerDirectory {
  listServers(): Promise<DirectoryServer[]>
  /** Null when there is none of that id. */
  getServer(compute_id: string): Promise<DirectoryServer | null>
  listServerGroups(): Promise<DirectoryServerGroup[]>
}
