import { Type } from 'typebox'
import type { Identity } from '../../../drivers/identity/driver.ts'
import { networkNotFound, subnetNotFound } from '../errors.ts'
import type { SubnetRow } from '../tables.ts'
import { closed, common, commonAttributes, flag, labels, nullable, owner } from './answers.ts'
import type { NetworkBackend } from './backend.ts'
import { allow, owns, projectFor } from './policy.ts'
import type { Resource } from './resource.ts'

const Ipv6Mode = Type.Union([Type.Literal('slaac'), Type.Literal('dhcpv6-stateful'), Type.Literal('dhcpv6-stateless')])
const maxListed = 64

const fields = {
  ...labels,
  gateway_ip: nullable(Type.String()),
  allocation_pools: Type.Optional(Type.Array(Type.Object({ start: Type.String(), end: Type.String() }, closed), { maxItems: maxListed })),
  host_routes: Type.Optional(
    Type.Array(Type.Object({ destination: Type.String(), nexthop: Type.String() }, closed), { maxItems: maxListed }),
  ),
  dns_nameservers: Type.Optional(Type.Array(Type.String(), { maxItems: maxListed })),
  enable_dhcp: flag,
}
const Create = Type.Object(
  {
    ...fields,
    ...owner,
    network_id: Type.String(),
    cidr: Type.String(),
    ip_version: Type.Optional(Type.Union([4, 6, '4', '6'].map((version) => Type.Literal(version)))),
    ipv6_ra_mode: nullable(Ipv6Mode),
    ipv6_address_mode: nullable(Ipv6Mode),
  },
  closed,
)
const Update = Type.Object(fields, closed)

export function subnets(backend: NetworkBackend): Resource<SubnetRow, typeof Create, typeof Update> {
  /** A network's owner decides over its subnets, whoever made them. */
  async function ownsSubnet(caller: Identity, row: SubnetRow): Promise<boolean> {
    const [network] = await backend.listNetworks({ id: row.network_id })
    return owns(caller, row) || (network !== undefined && owns(caller, network))
  }

  return {
    singular: 'subnet',
    plural: 'subnets',
    attributes: new Set([
      ...commonAttributes,
      'network_id',
      'cidr',
      'ip_version',
      'gateway_ip',
      'enable_dhcp',
      'ipv6_ra_mode',
      'ipv6_address_mode',
      'subnetpool_id',
    ]),
    createSchema: Create,
    updateSchema: Update,
    notFound: subnetNotFound,

    async visible(caller, id) {
      const [rows, networks] = await Promise.all([backend.listSubnets(id === undefined ? {} : { id }), backend.listNetworks()])
      const open = new Set(networks.filter((network) => network.shared || network.external || owns(caller, network)).map(({ id }) => id))
      return rows.filter((row) => owns(caller, row) || open.has(row.network_id))
    },

    async create(caller, { project_id, tenant_id, ip_version, ...wanted }) {
      const [network] = await backend.listNetworks({ id: wanted.network_id })
      if (network === undefined || !(network.shared || owns(caller, network))) throw networkNotFound(wanted.network_id)
      allow(owns(caller, network), 'create_subnet')
      return backend.createSubnet({
        ...wanted,
        ...(ip_version === undefined ? {} : { ip_version: Number(ip_version) === 6 ? 6 : 4 }),
        project_id: projectFor(caller, { project_id, tenant_id }),
      })
    },

    async update(caller, row, changes) {
      allow(await ownsSubnet(caller, row), 'update_subnet')
      return backend.updateSubnet(row.id, changes)
    },

    async delete(caller, row) {
      allow(await ownsSubnet(caller, row), 'delete_subnet')
      await backend.deleteSubnet(row.id)
    },

    answer: (row) => ({
      ...common(row),
      name: row.name,
      network_id: row.network_id,
      cidr: row.cidr,
      ip_version: row.ip_version,
      gateway_ip: row.gateway_ip,
      allocation_pools: row.allocation_pools,
      host_routes: row.host_routes,
      dns_nameservers: row.dns_nameservers,
      enable_dhcp: row.enable_dhcp,
      ipv6_ra_mode: row.ipv6_ra_mode,
      ipv6_address_mode: row.ipv6_address_mode,
      subnetpool_id: null,
      segment_id: null,
      service_types: [],
    }),
  }
}
