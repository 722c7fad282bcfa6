/** What a client of the network service can do wrong, with Neutron's names, statuses and words. */

/** `type` is the name that Neutron's fault body carries. */
export class NeutronError extends Error {
  readonly status: number
  readonly type: string
  constructor(status: number, type: string, message: string) {
    super(message)
    this.name = 'NeutronError'
    this.status = status
    this.type = type
  }
}

/** The object that was named does not exist. `what` is OpenStack's word: Network, Subnet, Port, Security Group, ... */
export class NeutronNotFound extends NeutronError {
  readonly what: string
  readonly id: string
  constructor(type: string, what: string, id: string, message: string) {
    super(404, type, message)
    this.what = what
    this.id = id
  }
}

export const networkNotFound = (id: string) => new NeutronNotFound('NetworkNotFound', 'Network', id, `Network ${id} could not be found.`)
export const subnetNotFound = (id: string) => new NeutronNotFound('SubnetNotFound', 'Subnet', id, `Subnet ${id} could not be found.`)
export const portNotFound = (id: string) => new NeutronNotFound('PortNotFound', 'Port', id, `Port ${id} could not be found.`)
export const securityGroupNotFound = (id: string) =>
  new NeutronNotFound('SecurityGroupNotFound', 'Security Group', id, `Security group ${id} does not exist`)
export const securityGroupRuleNotFound = (id: string) =>
  new NeutronNotFound('SecurityGroupRuleNotFound', 'Security Group Rule', id, `Security group rule ${id} does not exist`)
export const qosPolicyNotFound = (id: string) =>
  new NeutronNotFound('QosPolicyNotFound', 'QoS Policy', id, `QoS policy ${id} could not be found.`)

export const invalidInput = (message: string) => new NeutronError(400, 'InvalidInput', `Invalid input for operation: ${message}.`)

export const networkInUse = (id: string, ports: string[]) =>
  new NeutronError(
    409,
    'NetworkInUse',
    `Unable to complete operation on network ${id}. There are one or more ports still in use on the network, id for these ports is: ${ports.join(',')}.`,
  )
export const subnetInUse = (id: string) =>
  new NeutronError(
    409,
    'SubnetInUse',
    `Unable to complete operation on subnet ${id}: One or more ports have an IP allocation from this subnet.`,
  )
export const overlappingSubnet = (cidr: string, network_id: string) =>
  invalidInput(`Requested subnet with cidr: ${cidr} for network: ${network_id} overlaps with another subnet`)
export const gatewayInPool = (ip: string, pool: { start: string; end: string }) =>
  new NeutronError(409, 'GatewayConflictWithAllocationPools', `Gateway ip ${ip} conflicts with allocation pool ${pool.start}-${pool.end}.`)
export const invalidPool = (pool: { start: string; end: string }) =>
  new NeutronError(400, 'InvalidAllocationPool', `The allocation pool ${pool.start}-${pool.end} is not valid.`)
export const poolOutOfBounds = (pool: { start: string; end: string }, cidr: string) =>
  new NeutronError(400, 'OutOfBoundsAllocationPool', `The allocation pool ${pool.start}-${pool.end} spans beyond the subnet cidr ${cidr}.`)
export const overlappingPools = (cidr: string) =>
  new NeutronError(409, 'OverlappingAllocationPools', `Found overlapping allocation pools for subnet ${cidr}.`)

export const addressInUse = (ip: string, subnet_id: string) =>
  new NeutronError(409, 'IpAddressAlreadyAllocated', `IP address ${ip} already allocated in subnet ${subnet_id}`)
export const addressNotInSubnet = (ip: string) =>
  new NeutronError(400, 'InvalidIpForSubnet', `IP address ${ip} is not a valid IP for the specified subnet.`)
export const addressNotInNetwork = (ip: string) =>
  new NeutronError(400, 'InvalidIpForNetwork', `IP address ${ip} is not a valid IP for any of the subnets on the specified network.`)
export const noAddressLeft = (network_id: string) =>
  new NeutronError(409, 'IpAddressGenerationFailure', `No more IP addresses available on network ${network_id}.`)
export const macAddressInUse = (network_id: string, mac: string) =>
  new NeutronError(409, 'MacAddressInUse', `Unable to complete operation for network ${network_id}. The mac address ${mac} is in use.`)
export const macAddressPlugged = (id: string, mac: string) =>
  new NeutronError(
    409,
    'PortBound',
    `Unable to complete operation on port ${id}, port is already bound, new MAC address ${mac} cannot be set.`,
  )
export const portHasSecurityGroup = () =>
  new NeutronError(
    409,
    'PortSecurityPortHasSecurityGroup',
    'Port has security group associated. Cannot disable port security or IP address until security group is removed.',
  )
export const pairsNeedPortSecurity = () =>
  new NeutronError(
    409,
    'AddressPairAndPortSecurityRequired',
    'Port Security must be enabled in order to have allowed address pairs on a port.',
  )

export const securityGroupInUse = (id: string) => new NeutronError(409, 'SecurityGroupInUse', `Security Group ${id} in use.`)
export const cannotRemoveDefaultGroup = () =>
  new NeutronError(409, 'SecurityGroupCannotRemoveDefault', 'Insufficient rights for removing default security group.')
export const cannotRenameDefaultGroup = () =>
  new NeutronError(409, 'SecurityGroupCannotUpdateDefault', 'Updating default security group not allowed.')
export const defaultGroupExists = () => new NeutronError(409, 'SecurityGroupDefaultAlreadyExists', 'Default security group already exists.')
export const securityGroupRuleExists = (id: string) =>
  new NeutronError(409, 'SecurityGroupRuleExists', `Security group rule already exists. Rule id is ${id}.`)
export const invalidPortRange = () =>
  new NeutronError(400, 'SecurityGroupInvalidPortRange', 'For TCP/UDP protocols, port_range_min must be <= port_range_max')
export const portRangeNeedsProtocol = () =>
  new NeutronError(400, 'SecurityGroupProtocolRequiredWithPorts', 'Must also specify protocol if port range is given.')
export const invalidProtocol = (protocol: string) =>
  new NeutronError(
    400,
    'SecurityGroupRuleInvalidProtocol',
    `Security group rule protocol ${protocol} not supported. Only protocol names and integer representations [0 to 255] are supported.`,
  )
export const remoteTwice = () =>
  new NeutronError(400, 'SecurityGroupMultipleRemoteEntites', 'Only one of remote_ip_prefix or remote_group_id may be provided.')
export const prefixOfOtherFamily = (ethertype: string, prefix: string) =>
  new NeutronError(400, 'SecurityGroupRuleParameterConflict', `Conflicting value ethertype ${ethertype} for CIDR ${prefix}`)
export const invalidMtu = () => invalidInput("'mtu' should be between 68 and 65535, or 0 for the default")
