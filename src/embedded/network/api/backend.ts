/** What the HTTP service needs of the embedded network; `EmbeddedNetwork` in `../service.ts` is it. Ids that don't exist throw Neutron's faults. */
import type { Filter } from '../filter.ts'
import type { EmbeddedNetworkView, NetworkCreate, NetworkUpdate, SubnetCreate, SubnetUpdate } from '../networks.ts'
import type { PortCreate, PortUpdate } from '../ports.ts'
import type { RuleCreate, SecurityGroupCreate, SecurityGroupUpdate, SecurityGroupView } from '../security-groups.ts'
import type { NetworkRow, PortRow, SecurityGroupRow, SecurityGroupRuleRow, SubnetRow } from '../tables.ts'

export interface NetworkBackend {
  listNetworks(filter?: Filter<NetworkRow>): Promise<EmbeddedNetworkView[]>
  createNetwork(wanted: NetworkCreate): Promise<EmbeddedNetworkView>
  updateNetwork(id: string, changes: NetworkUpdate): Promise<EmbeddedNetworkView>
  deleteNetwork(id: string): Promise<void>

  listSubnets(filter?: Filter<SubnetRow>): Promise<SubnetRow[]>
  createSubnet(wanted: SubnetCreate): Promise<SubnetRow>
  updateSubnet(id: string, changes: SubnetUpdate): Promise<SubnetRow>
  deleteSubnet(id: string): Promise<void>

  listPorts(filter?: Filter<PortRow>): Promise<PortRow[]>
  createPort(wanted: PortCreate): Promise<PortRow>
  updatePort(id: string, changes: PortUpdate): Promise<PortRow>
  deletePort(id: string): Promise<unknown>

  listSecurityGroups(filter?: Filter<SecurityGroupRow>): Promise<SecurityGroupView[]>
  /** Makes the project's group `default` if it has none; returns its id. */
  ensureDefaultSecurityGroup(project_id: string): Promise<string>
  createSecurityGroup(wanted: SecurityGroupCreate): Promise<SecurityGroupView>
  updateSecurityGroup(id: string, changes: SecurityGroupUpdate): Promise<SecurityGroupView>
  deleteSecurityGroup(id: string): Promise<void>

  listSecurityGroupRules(filter?: Filter<SecurityGroupRuleRow>): Promise<SecurityGroupRuleRow[]>
  createSecurityGroupRule(wanted: RuleCreate): Promise<SecurityGroupRuleRow>
  deleteSecurityGroupRule(id: string): Promise<void>
}
