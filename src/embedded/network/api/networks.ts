import { type Static, Type } from 'typebox'
import { isAdmin } from '../../http.ts'
import { networkNotFound } from '../errors.ts'
import type { EmbeddedNetworkView } from '../networks.ts'
import { closed, common, commonAttributes, flag, labels, owner, wholeNumber } from './answers.ts'
import type { NetworkBackend } from './backend.ts'
import { allow, owns, projectFor } from './policy.ts'
import type { Resource } from './resource.ts'

const fields = {
  ...labels,
  admin_state_up: flag,
  shared: flag,
  'router:external': flag,
  mtu: Type.Optional(wholeNumber),
  port_security_enabled: flag,
}
const Create = Type.Object({ ...fields, ...owner }, closed)
const Update = Type.Object(fields, closed)

export function networks(backend: NetworkBackend): Resource<EmbeddedNetworkView, typeof Create, typeof Update> {
  return {
    singular: 'network',
    plural: 'networks',
    attributes: new Set([
      ...commonAttributes,
      'admin_state_up',
      'mtu',
      'shared',
      'router:external',
      'port_security_enabled',
      'status',
      'subnets',
    ]),
    createSchema: Create,
    updateSchema: Update,
    notFound: networkNotFound,

    async visible(caller, id) {
      const all = await backend.listNetworks(id === undefined ? {} : { id })
      return all.filter((row) => row.shared || row.external || owns(caller, row))
    },

    async create(caller, wanted) {
      allow(isAdmin(caller) || !(wanted.shared || wanted['router:external']), 'create_network:shared')
      const { project_id: _project, tenant_id: _tenant, ...rest } = wanted
      return backend.createNetwork({ ...columns(rest), project_id: projectFor(caller, wanted) })
    },

    async update(caller, row, changes) {
      allow(owns(caller, row), 'update_network')
      allow(isAdmin(caller) || (changes.shared === undefined && changes['router:external'] === undefined), 'update_network:shared')
      return backend.updateNetwork(row.id, columns(changes))
    },

    async delete(caller, row) {
      allow(owns(caller, row), 'delete_network')
      await backend.deleteNetwork(row.id)
    },

    answer: (row) => ({
      ...common(row),
      name: row.name,
      admin_state_up: row.admin_state_up,
      mtu: row.mtu,
      shared: row.shared,
      'router:external': row.external,
      port_security_enabled: row.port_security_enabled,
      status: row.status,
      subnets: row.subnet_ids,
      availability_zone_hints: [],
      availability_zones: [],
      ipv4_address_scope: null,
      ipv6_address_scope: null,
      qos_policy_id: null,
    }),
  }
}

function columns({ 'router:external': external, mtu, ...rest }: Static<typeof Update>) {
  return { ...rest, ...(external === undefined ? {} : { external }), ...(mtu === undefined ? {} : { mtu: Number(mtu) }) }
}
