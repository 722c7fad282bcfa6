import { task } from '../context.ts'
import type { LoadBalancerRow } from '../db/tables.ts'
import type { NetworkDriver } from '../drivers/network/driver.ts'
import { timestamp } from '../lib/clock.ts'
import type { VipOnSubnet } from '../render/keepalived.ts'
import { requireLoadBalancer } from '../resources/load-balancer/tree.ts'
import { fenceOf } from './fence.ts'
import { whileMachineLives } from './machine-lives.ts'
import type { ServingAmphora } from './serving-amphorae.ts'
import type { VrrpPort } from './vrrp-port.ts'

/** Tells the agent which of its interfaces carries the VIP. Answers that interface's name. */
export const plugVip = task('plug-vip', {
  async execute(context, { load_balancer_id, amphora, port }: { load_balancer_id: string; amphora: ServingAmphora; port: VrrpPort }) {
    const { db, network, amphora: agents } = context
    const loadBalancer = await requireLoadBalancer(db, load_balancer_id)
    const { mac_address, vrrp_ip } = port
    const [{ mtu }, [vip, ...additional_vips]] = await Promise.all([
      network.getNetwork(loadBalancer.vip_network_id),
      vipsOnSubnets(network, loadBalancer),
    ])
    const { ip_address: vip_address, ...onSubnet } = vip
    return whileMachineLives(context, amphora, async () => {
      await agents.plugVip(amphora, { vip_address, ...onSubnet, mac_address, vrrp_ip, mtu, additional_vips }, fenceOf(context))
      const vrrp_interface = await agents.getInterface(amphora, vrrp_ip)
      await db
        .updateTable('amphora')
        .set({ vrrp_interface, updated_at: timestamp(context.clock.now()) })
        .where('id', '=', amphora.id)
        .execute()
      return vrrp_interface
    })
  },
})

/** Each VIP, the load balancer's own first, with what its subnet says of routes. */
export async function vipsOnSubnets(
  network: NetworkDriver,
  { vip_port_id, vip_subnet_id, vip_address, additional_vips }: LoadBalancerRow,
): Promise<[VipOnSubnet, ...VipOnSubnet[]]> {
  const onSubnet = async ({ subnet_id, ip_address }: { subnet_id: string; ip_address: string }): Promise<VipOnSubnet> => {
    const subnet = await network.getSubnet(subnet_id)
    return { ip_address, subnet_cidr: subnet.cidr, gateway: subnet.gateway_ip, host_routes: subnet.host_routes }
  }
  const subnet_id = vip_subnet_id ?? (await network.getPort(vip_port_id)).fixed_ips[0]?.subnet_id
  if (subnet_id === undefined) throw new Error(`port ${vip_port_id} is on no subnet`)
  return Promise.all([onSubnet({ subnet_id, ip_address: vip_address }), ...additional_vips.map(onSubnet)])
}
