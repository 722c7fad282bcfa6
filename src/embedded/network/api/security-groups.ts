import { Type } from 'typebox'
import { isAdmin } from '../../http.ts'
import { securityGroupNotFound, securityGroupRuleNotFound } from '../errors.ts'
import type { SecurityGroupView } from '../security-groups.ts'
import type { SecurityGroupRuleRow } from '../tables.ts'
import { closed, common, commonAttributes, labels, nullable, owner, wholeNumber } from './answers.ts'
import type { NetworkBackend } from './backend.ts'
import { owns, projectFor } from './policy.ts'
import type { Resource } from './resource.ts'

const GroupCreate = Type.Object({ ...labels, name: Type.String({ maxLength: 255 }), ...owner }, closed)
const GroupUpdate = Type.Object(labels, closed)

export function securityGroups(backend: NetworkBackend): Resource<SecurityGroupView, typeof GroupCreate, typeof GroupUpdate> {
  return {
    singular: 'security_group',
    plural: 'security_groups',
    attributes: new Set(commonAttributes),
    createSchema: GroupCreate,
    updateSchema: GroupUpdate,
    notFound: securityGroupNotFound,

    async visible(caller, id) {
      // A project's default group is there as soon as somebody looks.
      if (caller.project_id !== null && id === undefined) await backend.ensureDefaultSecurityGroup(caller.project_id)
      const filter = isAdmin(caller) ? {} : { project_id: caller.project_id ?? '' }
      return backend.listSecurityGroups(id === undefined ? filter : { ...filter, id })
    },

    async create(caller, { project_id, tenant_id, ...wanted }) {
      return backend.createSecurityGroup({ ...wanted, project_id: projectFor(caller, { project_id, tenant_id }) })
    },

    update: (_caller, row, changes) => backend.updateSecurityGroup(row.id, changes),

    delete: (_caller, row) => backend.deleteSecurityGroup(row.id),

    answer: (row) => ({
      ...common(row),
      name: row.name,
      shared: false,
      security_group_rules: row.rules.map((rule) => ({ ...ruleAnswer(rule), tags: [] })),
    }),
  }
}

const portNumber = nullable(wholeNumber)
const RuleCreate = Type.Object(
  {
    ...owner,
    description: labels.description,
    security_group_id: Type.String(),
    direction: Type.Union([Type.Literal('ingress'), Type.Literal('egress')]),
    ethertype: Type.Optional(Type.Union([Type.Literal('IPv4'), Type.Literal('IPv6')])),
    protocol: nullable(Type.Union([Type.String(), Type.Integer()])),
    port_range_min: portNumber,
    port_range_max: portNumber,
    remote_ip_prefix: nullable(Type.String()),
    remote_group_id: nullable(Type.String()),
    remote_address_group_id: Type.Optional(Type.Null()),
  },
  closed,
)

/** Rules are made and deleted, never changed. */
export function securityGroupRules(backend: NetworkBackend): Resource<SecurityGroupRuleRow, typeof RuleCreate, typeof GroupUpdate> {
  return {
    singular: 'security_group_rule',
    plural: 'security_group_rules',
    attributes: new Set([
      ...commonAttributes,
      'security_group_id',
      'direction',
      'ethertype',
      'protocol',
      'port_range_min',
      'port_range_max',
      'remote_ip_prefix',
      'remote_group_id',
    ]),
    createSchema: RuleCreate,
    updateSchema: null,
    notFound: securityGroupRuleNotFound,

    async visible(caller, id) {
      const filter = isAdmin(caller) ? {} : { project_id: caller.project_id ?? '' }
      return backend.listSecurityGroupRules(id === undefined ? filter : { ...filter, id })
    },

    async create(caller, wanted) {
      const { project_id: _project, tenant_id: _tenant, remote_address_group_id: _addresses, ...named } = wanted
      const { protocol, port_range_min, port_range_max, ...rest } = named
      for (const id of [rest.security_group_id, rest.remote_group_id]) {
        if (id == null) continue
        const [group] = await backend.listSecurityGroups({ id })
        if (group === undefined || !owns(caller, group)) throw securityGroupNotFound(id)
      }
      return backend.createSecurityGroupRule({
        ...rest,
        protocol: protocol == null ? null : String(protocol),
        port_range_min: port_range_min == null ? null : Number(port_range_min),
        port_range_max: port_range_max == null ? null : Number(port_range_max),
      })
    },

    async update(): Promise<never> {
      throw new Error('rules are never changed')
    },

    delete: (_caller, row) => backend.deleteSecurityGroupRule(row.id),

    answer: ruleAnswer,
  }
}

const ruleAnswer = (row: SecurityGroupRuleRow) => ({
  ...common(row),
  security_group_id: row.security_group_id,
  direction: row.direction,
  ethertype: row.ethertype,
  protocol: row.protocol,
  port_range_min: row.port_range_min,
  port_range_max: row.port_range_max,
  remote_ip_prefix: row.remote_ip_prefix,
  normalized_cidr: row.remote_ip_prefix,
  remote_group_id: row.remote_group_id,
  remote_address_group_id: null,
})
