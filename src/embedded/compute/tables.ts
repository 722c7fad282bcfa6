/** The rows of the embedded compute and of the lab (migration 0003). */

/** By what a sandbox's first process is recognised, also after its pid was used again or the host was restarted. All null: none was started yet. */
export interface InitColumns {
  init_pid: number | null
  /** Clock ticks since boot, from `/proc/PID/stat`. */
  init_started: number | null
  boot_id: string | null
}

export interface EmbeddedServerRow extends InitColumns {
  compute_id: string
  name: string
  /** Who owns it, by name: always `service`. */
  project: string
  /** ACTIVE: its init was started; whether it still lives is seen from the process. */
  status: 'BOOTING' | 'ACTIVE' | 'ERROR'
  /** Why it is in ERROR. */
  failure: string | null
  image: string | null
  compute_flavor: string | null
  availability_zone: string | null
  server_group_id: string | null
  /** The port on the first of its networks. */
  management_port_id: string | null
  lb_network_ip: string | null
  made_by: string
  created_at: string
}

export interface EmbeddedServerGroupRow {
  id: string
  name: string
  policy: string
  made_by: string
  created_at: string
}

export interface EmbeddedLabHostRow extends InitColumns {
  id: string
  name: string
  port_id: string
  ip_address: string
  command: string[]
  working_directory: string
  created_at: string
}

export interface EmbeddedComputeTables {
  embedded_server: EmbeddedServerRow
  embedded_server_group: EmbeddedServerGroupRow
  embedded_lab_host: EmbeddedLabHostRow
}
