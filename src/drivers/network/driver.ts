/** Where VIPs and the amphorae's legs live: Neutron's model, as much of it as load balancing needs. */

export type FixedIp = { subnet_id: string; ip_address: string }
export type HostRoute = { destination: string; nexthop: string }

export type Network = {
  id: string
  name: string
  project_id: string
  subnet_ids: string[]
  mtu: number
  port_security_enabled: boolean
  /** Whether every project may use it; undefined where the backend cannot tell. */
  shared?: boolean
}

export type Subnet = {
  id: string
  name: string
  project_id: string
  network_id: string
  ip_version: 4 | 6
  cidr: string
  gateway_ip: string | null
  host_routes: HostRoute[]
  /** Addresses that can still be given out; undefined where the backend cannot tell, or was not asked. */
  free_addresses?: number
  /** True where nothing is kept: it is on whatever network and holds whatever address it is asked for. */
  anywhere?: boolean
}

export type Port = {
  id: string
  name: string
  project_id: string
  network_id: string
  mac_address: string
  /** Also such as nobody asked for: a network's SLAAC subnets give each port an address. */
  fixed_ips: FixedIp[]
  device_owner: string
  device_id: string
  admin_state_up: boolean
  status: string
  security_group_ids: string[]
  allowed_address_pairs: { ip_address: string; mac_address?: string }[]
  qos_policy_id: string | null
}

export type WantedPort = {
  /** Unique per purpose: a repeated call finds the first call's port by it. */
  name: string
  /** No port ever gets this name by `updatePort`: it need not be looked for before it is made. */
  never_renamed?: boolean
  network_id: string
  /** Without an address one is chosen; an empty list takes any subnet of the network. */
  fixed_ips: { subnet_id: string; ip_address?: string }[]
  /** Null: the service's own project. */
  project_id: string | null
  device_owner: string
  device_id: string
  admin_state_up: boolean
  /** Empty: none is asked for; a cloud may have one that it gives to all (Neutron: the project's `default`). */
  security_group_ids: string[]
  allowed_address_pairs: { ip_address: string }[]
  qos_policy_id?: string | null
  /** `direct` is an SR-IOV port; default: normal. Asked for only where the amphora driver's capabilities have `sriov`. */
  vnic_type?: 'normal' | 'direct'
  /** The flow that makes it, kept with the port (its description). */
  made_by: string
}

/** An address that a device should have by a port of its own. */
export type PortOfDevice = { device_id: string; ip_address: string }

export type SecurityGroup = { id: string; project_id: string }

export type SecurityGroupRule = {
  direction: 'ingress' | 'egress'
  ethertype: 'IPv4' | 'IPv6'
  /** tcp, udp, sctp, or an IP protocol number; null is any. */
  protocol: string | null
  port: number | null
  remote_ip_prefix: string | null
}

export type Fence = { flow_id: string; generation: number }

export interface QosPolicy {
  id: string
  /** Empty where the backend cannot tell; then everybody may use it. */
  project_id: string
  shared: boolean
}

/** Something that a flow or request made, and who: `made_by` as it was asked for. Never a user's own. */
export type Made = { id: string; name: string; made_by: string }

/** The user with this token. */
export type Viewer = { token: string }

/**
 * Ids that do not exist throw NotFoundError; what a user can mend throws RefusedError. `ensure` calls find an earlier call's work and
 * return it; removing calls are content when the thing is gone. No call changes the database of load balancers.
 */
export interface NetworkDriver {
  /** What a viewer may not see does not exist for calls that are given one. Where false, such calls show everything, and callers compare projects. */
  readonly knowsViewers: boolean
  getNetwork(id: string, viewer?: Viewer): Promise<Network>
  getSubnet(id: string, viewer?: Viewer): Promise<Subnet>
  /** Of a network, with `free_addresses`. */
  listSubnets(network_id: string): Promise<Subnet[]>
  getPort(id: string, viewer?: Viewer): Promise<Port>
  /** The port of that exact name in that project (default: the service's own), or null. */
  findPort(name: string, project_id?: string): Promise<Port | null>
  /** Ports whose device_id is this. */
  listPortsOfDevice(device_id: string): Promise<Port[]>
  /** Those that no port has any more, or one whose `admin_state_up` is false; at the cost of few questions however many they are. */
  listDown(ports: readonly PortOfDevice[]): Promise<PortOfDevice[]>
  /** All ports, and all security groups, that were made through this driver and are there. */
  listMadePorts(): Promise<Made[]>
  listMadeSecurityGroups(): Promise<Made[]>
  getQosPolicy(id: string, viewer?: Viewer): Promise<QosPolicy>
  getSecurityGroup(id: string, viewer?: Viewer): Promise<SecurityGroup>

  ensurePort(wanted: WantedPort, fence?: Fence): Promise<Port>
  /** With `made_by`, a port that another flow made stays. */
  deletePort(id: string, options?: { made_by?: string }): Promise<void>
  updatePort(
    id: string,
    changes: {
      name?: string
      device_owner?: string
      device_id?: string
      admin_state_up?: boolean
      security_group_ids?: string[]
      allowed_address_pairs?: { ip_address: string }[]
      qos_policy_id?: string | null
    },
    fence?: Fence,
  ): Promise<void>

  /** Finds or makes the group of that name in the service's project; returns its id, or null where there are no security groups at all. */
  ensureSecurityGroup(wanted: { name: string; made_by: string }, fence?: Fence): Promise<string | null>
  /** Of several, which lost answers have left, those go that nobody uses, as where it is made. */
  findSecurityGroup(name: string): Promise<string | null>
  /** Afterwards the group has exactly these ingress rules (egress stays open). */
  setSecurityGroupRules(id: string, rules: SecurityGroupRule[], fence?: Fence): Promise<void>
  deleteSecurityGroup(id: string, options?: { made_by?: string }): Promise<void>
}
