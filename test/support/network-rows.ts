/** The embedded network's rows without anything in the kernel, for tests of what stands on top of them. */
import type { Db, Tx } from '../../src/db/connection.ts'
import type { NetworkBackend } from '../../src/embedded/network/api/backend.ts'
import * as networks from '../../src/embedded/network/networks.ts'
import * as ports from '../../src/embedded/network/ports.ts'
import * as groups from '../../src/embedded/network/security-groups.ts'
import { timestamp } from '../../src/lib/clock.ts'

export function networkRows(db: Db): NetworkBackend {
  const inTransaction = <T>(work: (tx: Tx, now: string) => Promise<T>): Promise<T> =>
    db.transaction().execute((tx) => work(tx, timestamp(Date.now())))
  return {
    listNetworks: (filter) => networks.listNetworks(db, filter),
    createNetwork: (wanted) => inTransaction((tx, now) => networks.createNetwork(tx, wanted, now)),
    updateNetwork: (id, changes) => inTransaction((tx, now) => networks.updateNetwork(tx, id, changes, now)),
    deleteNetwork: (id) => inTransaction((tx) => networks.deleteNetwork(tx, id)),

    listSubnets: (filter) => networks.listSubnets(db, filter),
    createSubnet: (wanted) => inTransaction((tx, now) => networks.createSubnet(tx, wanted, now)),
    updateSubnet: (id, changes) => inTransaction((tx, now) => networks.updateSubnet(tx, id, changes, now)),
    async deleteSubnet(id) {
      await inTransaction((tx) => networks.deleteSubnet(tx, id))
    },

    listPorts: (filter) => ports.listPorts(db, filter),
    createPort: (wanted) => inTransaction((tx, now) => ports.createPort(tx, wanted, now)),
    updatePort: (id, changes) => inTransaction((tx, now) => ports.updatePort(tx, id, changes, false, now)),
    async deletePort(id) {
      await inTransaction((tx) => ports.deletePort(tx, id))
    },

    listSecurityGroups: (filter) => groups.listSecurityGroups(db, filter),
    ensureDefaultSecurityGroup: (project_id) => inTransaction((tx, now) => groups.ensureDefaultGroup(tx, project_id, now)),
    createSecurityGroup: (wanted) => inTransaction((tx, now) => groups.createSecurityGroup(tx, wanted, now)),
    updateSecurityGroup: (id, changes) => inTransaction((tx, now) => groups.updateSecurityGroup(tx, id, changes, now)),
    deleteSecurityGroup: (id) => inTransaction((tx) => groups.deleteSecurityGroup(tx, id)),

    listSecurityGroupRules: (filter) => groups.listRules(db, filter),
    createSecurityGroupRule: (wanted) => inTransaction((tx, now) => groups.createRule(tx, wanted, now)),
    deleteSecurityGroupRule: (id) => inTransaction((tx) => groups.deleteRule(tx, id)),
  }
}
