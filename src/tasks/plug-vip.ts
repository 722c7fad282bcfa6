import { task } from '../context.ts'
import { timestamp } from '../lib/clock.ts'
import { requireTree } from '../resources/load-balancer/tree.ts'
import { fenceOf } from './fence.ts'
import { whileMachineLives } from './machine-lives.ts'
import type { ServingAmphora } from './serving-amphorae.ts'
import type { VrrpPort } from './vrrp-port.ts'

/** Tells the agent which of its interfaces carries the VIP. Answers that interface's name. */
export const plugVip = task('plug-vip', {
  async execute(context, { load_balancer_id, amphora, port }: { load_balancer_id: string; amphora: ServingAmphora; port: VrrpPort }) {
    const { db, network, amphora: agents } = context
    const loadBalancer = await requireTree(db, load_balancer_id)
    const { mac_address, vrrp_ip } = port
    const onSubnet = async ({ subnet_id, ip_address }: { subnet_id: string; ip_address: string }) => {
      const subnet = await network.getSubnet(subnet_id)
      return { ip_address, subnet_cidr: subnet.cidr, gateway: subnet.gateway_ip, host_routes: subnet.host_routes }
    }
    const vip_subnet_id = loadBalancer.vip_subnet_id ?? (await network.getPort(port.port_id)).fixed_ips[0]?.subnet_id
    if (vip_subnet_id === undefined) throw new Error(`port ${port.port_id} is on no subnet`)
    const [{ mtu }, { ip_address: vip_address, ...vip }, additional_vips] = await Promise.all([
      network.getNetwork(loadBalancer.vip_network_id),
      onSubnet({ subnet_id: vip_subnet_id, ip_address: loadBalancer.vip_address }),
      Promise.all(loadBalancer.additional_vips.map(onSubnet)),
    ])
    return whileMachineLives(context, amphora, async () => {
      await agents.plugVip(amphora, { vip_address, ...vip, mac_address, vrrp_ip, mtu, additional_vips }, fenceOf(context))
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
