/**
 * The requests of Octavia 11.0 (Debian's python3-octavia) for a load balancer of topology SINGLE with nothing but a VIP subnet, counted in its source: its flow
 * `get_create_load_balancer_flow`, the tasks of it and their drivers. Not measured. A driver of Neutron is made anew for each check of a request and each task,
 * and asks for four extensions then (`BaseNeutronDriver.__init__`); a token is there already.
 */

const newDriver = ['allowed-address-pairs', 'security-group', 'dns-integration', 'qos'].map((alias) => `GET /extensions/${alias}`)

const neutron = {
  // api/v2/controllers/load_balancer.py and api/drivers/amphora_driver/v2/driver.py
  'validate.subnet_exists': [...newDriver, 'GET /subnets/{id}'],
  _validate_subnets_share_network_but_no_duplicates: [...newDriver, 'GET /subnets/{id}'],
  create_vip_port: [...newDriver, 'GET /networks/{id}', 'GET /extensions/project-id', 'POST /ports'],
  // controller/worker/v2/tasks/network_tasks.py
  AllocateVIP: [...newDriver, 'GET /ports/{id}'],
  UpdateVIPSecurityGroup: [...newDriver, 'GET /security-groups', 'POST /security-groups', 'GET /security-group-rules', 'PUT /ports/{id}'],
  GetSubnetFromVIP: [...newDriver, 'GET /subnets/{id}'],
  PlugVIPAmphora: [
    ...newDriver,
    'GET /subnets/{id}',
    'GET /ports',
    'POST /ports',
    'PUT /ports/{id}',
    'GET /security-groups',
    'PUT /ports/{id}',
  ],
  GetAmphoraNetworkConfigs: [
    ...newDriver,
    'GET /subnets/{id}',
    'GET /ports/{id}',
    'GET /ports/{id}',
    'GET /subnets/{id}',
    'GET /networks/{id}',
    'GET /ports/{id}',
    'GET /subnets/{id}',
  ],
}

/** compute/drivers/nova_driver.py; of a server that is ACTIVE at the second look, ten seconds after the first. */
const look = ['GET /servers/{id}', 'GET /servers/{id}/os-interface']

export const upstreamCalls = {
  Neutron: Object.values(neutron).flat(),
  Nova: ['POST /servers', ...look, ...look, 'POST /servers/{id}/os-interface'],
  Glance: ['GET /images'],
}
