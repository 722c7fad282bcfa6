/** The rows of the embedded network service (migration 0002): Neutron's objects, with Neutron's names. */

interface Kept {
  id: string
  project_id: string
  name: string
  description: string
  /** The flow that made it; null for what a user or the start made. Names are unique among what flows made. */
  made_by: string | null
  created_at: string
  updated_at: string
}

/** What a network is to this host: `private` and `management` have an address of the host on their bridge, all others are isolated. */
export type NetworkRole = 'private' | 'management'

export interface NetworkRow extends Kept {
  mtu: number
  shared: boolean
  /** On the wire `router:external`. */
  external: boolean
  admin_state_up: boolean
  port_security_enabled: boolean
  status: 'ACTIVE' | 'DOWN'
  role: NetworkRole | null
}

export type AllocationPool = { start: string; end: string }
export type Ipv6Mode = 'slaac' | 'dhcpv6-stateful' | 'dhcpv6-stateless'

export interface SubnetRow extends Kept {
  network_id: string
  cidr: string
  ip_version: 4 | 6
  gateway_ip: string | null
  allocation_pools: AllocationPool[]
  host_routes: { destination: string; nexthop: string }[]
  dns_nameservers: string[]
  enable_dhcp: boolean
  ipv6_ra_mode: Ipv6Mode | null
  ipv6_address_mode: Ipv6Mode | null
}

export type AddressPair = { ip_address: string; mac_address?: string }

export interface PortRow extends Kept {
  network_id: string
  mac_address: string
  fixed_ips: { subnet_id: string; ip_address: string }[]
  device_owner: string
  device_id: string
  admin_state_up: boolean
  port_security_enabled: boolean
  security_group_ids: string[]
  allowed_address_pairs: AddressPair[]
  qos_policy_id: string | null
  /** ACTIVE while it is plugged into a machine and not disabled. */
  status: 'ACTIVE' | 'DOWN'
}

export interface SecurityGroupRow extends Kept {
  /** Each project has one, made when it is first needed; it cannot be deleted. */
  is_default: boolean
}

export interface SecurityGroupRuleRow {
  id: string
  project_id: string
  security_group_id: string
  direction: 'ingress' | 'egress'
  ethertype: 'IPv4' | 'IPv6'
  /** A name (tcp, udp, icmp, ...) or number; null is any. */
  protocol: string | null
  /** Of ICMP: type and code. */
  port_range_min: number | null
  port_range_max: number | null
  remote_ip_prefix: string | null
  remote_group_id: string | null
  description: string
  created_at: string
  updated_at: string
}

/** The newest generation seen of each flow; an older one is refused. Shared by the embedded drivers of all processes. */
export interface FenceRow {
  flow_id: string
  generation: number
  seen_at_ms: number
}

export interface EmbeddedNetworkTables {
  embedded_network: NetworkRow
  embedded_subnet: SubnetRow
  embedded_port: PortRow
  embedded_security_group: SecurityGroupRow
  embedded_security_group_rule: SecurityGroupRuleRow
  embedded_fence: FenceRow
}
