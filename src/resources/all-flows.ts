/** Every flow there is: by this list a restarted worker finds again what it was doing. */
import { configureAmphora } from './amphora/configure-flow.ts'
import { createSpareAmphora } from './amphora/create-spare-flow.ts'
import { deleteAmphora } from './amphora/delete-flow.ts'
import { failoverAmphora } from './amphora/failover-flow.ts'
import { updateAgents } from './amphora/update-agents-flow.ts'
import { createHealthMonitor } from './health-monitor/create-flow.ts'
import { deleteHealthMonitor } from './health-monitor/delete-flow.ts'
import { updateHealthMonitor } from './health-monitor/update-flow.ts'
import { createL7Policy } from './l7policy/create-flow.ts'
import { deleteL7Policy } from './l7policy/delete-flow.ts'
import { updateL7Policy } from './l7policy/update-flow.ts'
import { createL7Rule } from './l7rule/create-flow.ts'
import { deleteL7Rule } from './l7rule/delete-flow.ts'
import { updateL7Rule } from './l7rule/update-flow.ts'
import { createListener } from './listener/create-flow.ts'
import { deleteListener } from './listener/delete-flow.ts'
import { updateListener } from './listener/update-flow.ts'
import { createLoadBalancer } from './load-balancer/create-flow.ts'
import { deleteLoadBalancer } from './load-balancer/delete-flow.ts'
import { failoverLoadBalancer } from './load-balancer/failover-flow.ts'
import { refreshCertificates } from './load-balancer/refresh-certificates-flow.ts'
import { updateLoadBalancer } from './load-balancer/update-flow.ts'
import { batchUpdateMembers } from './member/batch-update-flow.ts'
import { createMember } from './member/create-flow.ts'
import { deleteMember } from './member/delete-flow.ts'
import { updateMember } from './member/update-flow.ts'
import { createPool } from './pool/create-flow.ts'
import { deletePool } from './pool/delete-flow.ts'
import { updatePool } from './pool/update-flow.ts'

export const allFlows = [
  createLoadBalancer,
  updateLoadBalancer,
  deleteLoadBalancer,
  failoverLoadBalancer,
  refreshCertificates,
  failoverAmphora,
  configureAmphora,
  createSpareAmphora,
  deleteAmphora,
  updateAgents,
  createListener,
  updateListener,
  deleteListener,
  createPool,
  updatePool,
  deletePool,
  createMember,
  updateMember,
  deleteMember,
  batchUpdateMembers,
  createHealthMonitor,
  updateHealthMonitor,
  deleteHealthMonitor,
  createL7Policy,
  updateL7Policy,
  deleteL7Policy,
  createL7Rule,
  updateL7Rule,
  deleteL7Rule,
] as const
