import { hostname } from 'node:os'
import { type Static, Type } from 'typebox'
import type { Identity } from '../../../drivers/identity/driver.ts'
import { isAdmin } from '../../http.ts'
import { networkNotFound, portNotFound, securityGroupNotFound } from '../errors.ts'
import type { NetworkRow, PortRow } from '../tables.ts'
import { closed, common, commonAttributes, flag, labels, nullable, owner } from './answers.ts'
import type { NetworkBackend } from './backend.ts'
import { allow, owns, projectFor } from './policy.ts'
import type { Resource } from './resource.ts'

const maxListed = 64

const fields = {
  ...labels,
  admin_state_up: flag,
  fixed_ips: Type.Optional(
    Type.Array(Type.Object({ subnet_id: Type.Optional(Type.String()), ip_address: Type.Optional(Type.String()) }, closed), {
      maxItems: maxListed,
    }),
  ),
  mac_address: Type.Optional(Type.String()),
  device_id: Type.Optional(Type.String({ maxLength: 255 })),
  device_owner: Type.Optional(Type.String({ maxLength: 255 })),
  security_groups: Type.Optional(Type.Array(Type.String(), { maxItems: maxListed, uniqueItems: true })),
  allowed_address_pairs: Type.Optional(
    Type.Array(Type.Object({ ip_address: Type.String(), mac_address: Type.Optional(Type.String()) }, closed), { maxItems: maxListed }),
  ),
  port_security_enabled: flag,
  qos_policy_id: nullable(Type.String()),
  'binding:vnic_type': Type.Optional(Type.Literal('normal')),
}
const Create = Type.Object({ ...fields, ...owner, network_id: Type.String() }, closed)
const Update = Type.Object(fields, closed)
type Update = Static<typeof Update>

export function ports(backend: NetworkBackend): Resource<PortRow, typeof Create, typeof Update> {
  return {
    singular: 'port',
    plural: 'ports',
    attributes: new Set([
      ...commonAttributes,
      'network_id',
      'mac_address',
      'fixed_ips',
      'device_id',
      'device_owner',
      'admin_state_up',
      'status',
      'port_security_enabled',
      'security_groups',
      'security_group_id',
      'qos_policy_id',
      'binding:vnic_type',
      'binding:host_id',
    ]),
    createSchema: Create,
    updateSchema: Update,
    notFound: portNotFound,

    async visible(caller, id) {
      const filter = isAdmin(caller) ? {} : { project_id: caller.project_id ?? '' }
      return backend.listPorts(id === undefined ? filter : { ...filter, id })
    },

    async create(caller, { project_id, tenant_id, network_id, ...wanted }) {
      const [network] = await backend.listNetworks({ id: network_id })
      if (network === undefined || !(network.shared || owns(caller, network))) throw networkNotFound(network_id)
      allowOnNetwork(caller, network, wanted, 'create_port')
      await checkGroups(caller, wanted.security_groups ?? [])
      return backend.createPort({ ...columns(wanted), network_id, project_id: projectFor(caller, { project_id, tenant_id }) })
    },

    async update(caller, row, changes) {
      const [network] = await backend.listNetworks({ id: row.network_id })
      allowOnNetwork(caller, network!, changes, 'update_port')
      // Groups that the port already has (a VIP's own) may stay, although they are the service's.
      await checkGroups(
        caller,
        (changes.security_groups ?? []).filter((id) => !row.security_group_ids.includes(id)),
      )
      return backend.updatePort(row.id, columns(changes))
    },

    delete: async (_caller, row) => {
      await backend.deletePort(row.id)
    },

    answer: (row, caller) => ({
      ...common(row),
      name: row.name,
      network_id: row.network_id,
      mac_address: row.mac_address,
      fixed_ips: row.fixed_ips,
      device_id: row.device_id,
      device_owner: row.device_owner,
      admin_state_up: row.admin_state_up,
      status: row.status,
      port_security_enabled: row.port_security_enabled,
      security_groups: row.security_group_ids,
      allowed_address_pairs: row.allowed_address_pairs.map((pair) => ({ mac_address: row.mac_address, ...pair })),
      extra_dhcp_opts: [],
      qos_policy_id: row.qos_policy_id,
      'binding:vnic_type': 'normal',
      ...(isAdmin(caller)
        ? {
            'binding:host_id': row.device_id === '' ? '' : hostname(),
            'binding:vif_type': row.device_id === '' ? 'unbound' : 'bridge',
            'binding:vif_details': {},
            'binding:profile': {},
          }
        : {}),
    }),
  }

  /** A project names only groups of its own: it must not learn of others', nor hang its ports to them. */
  async function checkGroups(caller: Identity, ids: string[]): Promise<void> {
    for (const id of ids) {
      const [group] = await backend.listSecurityGroups({ id })
      if (group === undefined || !owns(caller, group)) throw securityGroupNotFound(id)
    }
  }
}

/** On a network that is another's (a shared one) nobody may choose addresses or lift the guard against wrong ones. */
function allowOnNetwork(caller: Identity, network: NetworkRow, wanted: Update, action: string): void {
  if (owns(caller, network)) return
  allow(!wanted.fixed_ips?.some((fixed) => fixed.ip_address !== undefined), `${action}:fixed_ips:ip_address`)
  allow(wanted.mac_address === undefined, `${action}:mac_address`)
  allow(wanted.port_security_enabled === undefined, `${action}:port_security_enabled`)
  allow(!wanted.allowed_address_pairs?.length, `${action}:allowed_address_pairs`)
  allow(!wanted.device_owner?.startsWith('network:'), `${action}:device_owner`)
}

function columns({ security_groups, 'binding:vnic_type': _vnicType, ...rest }: Update) {
  return security_groups === undefined ? rest : { ...rest, security_group_ids: security_groups }
}
