import { task } from '../context.ts'
import { RefusedError } from '../drivers/errors.ts'
import { timestamp } from '../lib/clock.ts'
import { requireLoadBalancer } from '../resources/load-balancer/tree.ts'
import { fenceOf } from './fence.ts'
import { groupsOf } from './vip.ts'

export function vrrpPortName(amphora_id: string): string {
  return `octavia-lb-vrrp-${amphora_id}`
}

export type VrrpPort = { port_id: string; mac_address: string; vrrp_ip: string }

/** The amphora's own port on the VIP's network; the VIP itself may be used on it as well (allowed address pair). */
export const makeVrrpPort = task('make-vrrp-port', {
  async execute(
    { db, network, clock, ...step },
    /** `former_ip`: of the amphora that it replaces; it gets that address if nobody else has it by now. */
    wanted: { load_balancer_id: string; amphora_id: string; security_group_id: string | null; former_ip?: string | null },
  ) {
    const { load_balancer_id, amphora_id, security_group_id, former_ip = null } = wanted
    const loadBalancer = await requireLoadBalancer(db, load_balancer_id)
    const subnet_ids = [loadBalancer.vip_subnet_id, ...loadBalancer.additional_vips.map((vip) => vip.subnet_id)]
    const withAddress = (ip_address: string | null) =>
      network.ensurePort(
        {
          name: vrrpPortName(amphora_id),
          // A replacement that takes its former's port over asks for none.
          never_renamed: true,
          network_id: loadBalancer.vip_network_id,
          fixed_ips: subnet_ids.flatMap((subnet_id) => {
            if (subnet_id === null) return []
            return ip_address !== null && subnet_id === loadBalancer.vip_subnet_id ? { subnet_id, ip_address } : { subnet_id }
          }),
          project_id: null,
          device_owner: 'Octavia',
          // Nova attaches none that says it is in use; the load balancer is found by the name.
          device_id: '',
          admin_state_up: true,
          security_group_ids: groupsOf(security_group_id, loadBalancer.vip_sg_ids),
          allowed_address_pairs: [loadBalancer.vip_address, ...loadBalancer.additional_vips.map((vip) => vip.ip_address)].map(
            (ip_address) => ({ ip_address }),
          ),
          qos_policy_id: loadBalancer.vip_qos_policy_id,
          vnic_type: loadBalancer.vip_vnic_type,
          made_by: step.flow_id,
        },
        fenceOf(step),
      )
    const port = await withAddress(former_ip).catch((error: unknown) => {
      if (former_ip === null || !(error instanceof RefusedError)) throw error
      return withAddress(null)
    })
    const fixed = port.fixed_ips.find(({ subnet_id }) => subnet_id === loadBalancer.vip_subnet_id) ?? port.fixed_ips[0]
    const vrrp_ip = fixed?.ip_address
    if (vrrp_ip === undefined) throw new Error(`port ${port.id} has no address`)
    await db
      .updateTable('amphora')
      .set({
        vrrp_ip,
        ha_ip: loadBalancer.vip_address,
        vrrp_port_id: port.id,
        ha_port_id: loadBalancer.vip_port_id,
        updated_at: timestamp(clock.now()),
      })
      .where('id', '=', amphora_id)
      .execute()
    return { port_id: port.id, mac_address: port.mac_address, vrrp_ip }
  },
  async revert({ network, flow_id }, { amphora_id }) {
    const port = await network.findPort(vrrpPortName(amphora_id))
    if (port !== null) await network.deletePort(port.id, { made_by: flow_id })
  },
})
