/**
 * The requests of Octavia 11.0 (Debian's python3-octavia) for a load balancer with nothing but a VIP subnet, counted in its source: the API's checks, its flow
 * `get_create_load_balancer_flow` (controller/worker/v2/flows/load_balancer_flows.py), the tasks of it and their drivers. Not measured. A driver of Neutron is made anew for
 * each check of a request and each task, and asks for four extensions then (network/drivers/neutron/base.py, allowed_address_pairs.py); a token is there already.
 */

export interface UpstreamCalls {
  Nova: string[]
  Neutron: string[]
  Glance: string[]
}

const newDriver = ['allowed-address-pairs', 'security-group', 'dns-integration', 'qos'].map((alias) => `GET /extensions/${alias}`)
const twice = (calls: string[]) => [...calls, ...calls]

/** api/v2/controllers/load_balancer.py, common/validate.py and api/drivers/amphora_driver/v2/driver.py. */
const api = {
  subnet_exists: [...newDriver, 'GET /subnets/{id}'],
  _validate_subnets_share_network_but_no_duplicates: [...newDriver, 'GET /subnets/{id}'],
  create_vip_port: [...newDriver, 'GET /networks/{id}', 'GET /extensions/project-id', 'POST /ports'],
}

/** controller/worker/v2/tasks/network_tasks.py. */
const forAll = {
  AllocateVIP: [...newDriver, 'GET /ports/{id}'],
  UpdateVIPSecurityGroup: [...newDriver, 'GET /security-groups', 'POST /security-groups', 'GET /security-group-rules', 'PUT /ports/{id}'],
  GetSubnetFromVIP: [...newDriver, 'GET /subnets/{id}'],
}

/** `get_network_configs`: first of the VIP, then of each amphora. */
const ofVip = ['GET /subnets/{id}', 'GET /ports/{id}']
const ofAmphora = ['GET /ports/{id}', 'GET /subnets/{id}', 'GET /networks/{id}', 'GET /ports/{id}', 'GET /subnets/{id}']

const forEachAmphora = {
  PlugVIPAmphora: [
    ...newDriver,
    'GET /subnets/{id}',
    'GET /ports',
    'POST /ports',
    'PUT /ports/{id}',
    'GET /security-groups',
    'PUT /ports/{id}',
  ],
  GetAmphoraNetworkConfigs: [...newDriver, ...ofVip, ...ofAmphora],
}

const forPair = {
  // `_update_security_group_rules`: VRRP, and its authentication header.
  UpdateVIPSecurityGroup: twice(['POST /security-group-rules']),
  // `get_vrrp_subflow` in controller/worker/v2/flows/amphora_flows.py.
  GetAmphoraeNetworkConfigs: [...newDriver, ...ofVip, ...twice(ofAmphora)],
}

/** compute/drivers/nova_driver.py; a server is ACTIVE at the second look, ten seconds after the first. */
const look = ['GET /servers/{id}', 'GET /servers/{id}/os-interface']
const machine = ['POST /servers', ...look, ...look, 'POST /servers/{id}/os-interface']
const image = ['GET /images']

const callsOf = (...parts: Record<string, string[]>[]) => parts.flatMap((part) => Object.values(part).flat())

/** With anti-affinity, as the other column has it. */
export const upstreamCreate: Record<'SINGLE' | 'ACTIVE_STANDBY', UpstreamCalls> = {
  SINGLE: { Nova: machine, Neutron: callsOf(api, forAll, forEachAmphora), Glance: image },
  ACTIVE_STANDBY: {
    Nova: ['POST /os-server-groups', ...twice(machine)],
    Neutron: callsOf(api, forAll, forEachAmphora, forEachAmphora, forPair),
    Glance: twice(image),
  },
}
