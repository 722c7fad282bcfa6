import assert from 'node:assert/strict'
import type { Stage } from './stage.ts'

/**
 * What holds of a load balancer's amphorae at any end of a flow that replaces them: each VIP's address is on one machine at most, what serves has its
 * ports, and no machine or port is there that no row knows. Returns those that hold a VRRP port, by role.
 */
export async function holdersOfPorts(stage: Stage): Promise<Record<string, { id: string; status: string; vrrp_ip: string | null }>> {
  const amphorae = await stage.amphorae()
  const legs = await stage.db.selectFrom('amphora_member_port').selectAll().execute()
  const attached = stage.compute.servers.flatMap(({ attached_port_ids }) => attached_port_ids)
  assert.equal(new Set(attached).size, attached.length, 'no port is in two machines')
  for (const { state } of stage.compute.servers) assert.ok(amphorae.some(({ compute_id }) => compute_id === state.compute_id))

  const holders = amphorae.filter(({ vrrp_port_id }) => vrrp_port_id !== null)
  for (const { id, compute_id, vrrp_port_id } of holders) {
    const own = [vrrp_port_id!, ...legs.filter(({ amphora_id }) => amphora_id === id).map(({ port_id }) => port_id)]
    const machine = stage.compute.servers.find(({ state }) => state.compute_id === compute_id)
    assert.deepEqual([...(machine?.attached_port_ids ?? own)].sort(), [...own].sort(), 'a machine has its amphora’s ports')
    for (const { name, admin_state_up } of stage.network.ports.filter((port) => own.includes(port.id))) {
      assert.ok(name.includes(id), `${name} is of ${id}`)
      assert.ok(admin_state_up, `${name} is in service`)
    }
  }
  const known = [...holders.map(({ vrrp_port_id }) => vrrp_port_id), ...legs.map(({ port_id }) => port_id)]
  const made = stage.network.ports.filter(({ name }) => /^octavia-lb-(vrrp|member)-/.test(name))
  assert.deepEqual(made.map(({ id }) => id).sort(), known.sort(), 'every port is some row’s')
  return Object.fromEntries(holders.map(({ role, id, status, vrrp_ip }) => [role, { id, status, vrrp_ip }]))
}
