/**
 * keepalived.conf of one amphora of a pair, in two timings (design, decision 7): with whole seconds as upstream configures it (VRRPv2 with a
 * password), with a fraction VRRPv3 at real-time priority, where a dead HAProxy is told by a file instead of being asked after.
 */
import { createHmac } from 'node:crypto'
import type { Config } from '../config/config.ts'
import type { HostRoute } from '../drivers/network/driver.ts'
import { formatIp, parseCidr, parseIp } from '../lib/ip.ts'
import type { LoadBalancerTree } from '../resources/load-balancer/tree.ts'
import { address, block, print } from './keepalived-words.ts'

/** What an agent says that keeps the track file and may run keepalived with VRRPv3 at real-time priority. */
export const FRACTIONAL_ADVERT = 'fractional-advert'

const CHECK_SCRIPT = '/var/lib/octavia/vrrp/check_script.sh'
/** The agent writes `0` there while HAProxy runs, and `1` the moment it dies. */
const STATUS_FILE = '/var/lib/octavia/vrrp/haproxy-status'
/** Upstream's table of the VIP's routes, and the priority of its rules. */
const ROUTE_TABLE = 1
const RULE_PRIORITY = 100
/** VRRP's passwords have eight characters at most; upstream's have seven. */
const PASSWORD_LENGTH = 7
/** With these no load of the machine makes the backup take over by mistake (measured down to 0.01 s); the default limit kills the process. */
const REALTIME_PRIORITY = 40
const REALTIME_LIMIT_MICROSECONDS = 1_000_000

export type VipOnSubnet = { ip_address: string; subnet_cidr: string; gateway: string | null; host_routes: HostRoute[] }

export interface KeepalivedOptions {
  /** Seconds; a fraction selects VRRPv3. */
  advertInterval: number
  checkInterval: number
  failCount: number
  successCount: number
  garpRefreshInterval: number
  garpRefreshCount: number
  /** The secret from which each load balancer's password is derived, so that it need not be kept. */
  passwordKey: string
}

/** An agent that doesn't offer fractions gets the next whole second. */
export function keepalivedOptions(
  { keepalived_vrrp, health_manager }: Pick<Config, 'keepalived_vrrp' | 'health_manager'>,
  capabilities: string[],
): KeepalivedOptions {
  if (health_manager.heartbeat_key === null) throw new Error('[health_manager] heartbeat_key is not set')
  const { vrrp_advert_int } = keepalived_vrrp
  return {
    advertInterval: capabilities.includes(FRACTIONAL_ADVERT) ? vrrp_advert_int : Math.ceil(vrrp_advert_int),
    checkInterval: keepalived_vrrp.vrrp_check_interval,
    failCount: keepalived_vrrp.vrrp_fail_count,
    successCount: keepalived_vrrp.vrrp_success_count,
    garpRefreshInterval: keepalived_vrrp.vrrp_garp_refresh_interval,
    garpRefreshCount: keepalived_vrrp.vrrp_garp_refresh_count,
    passwordKey: health_manager.heartbeat_key,
  }
}

/**
 * The file for one amphora of the load balancer; all of its amphorae must have their VRRP addresses and this one its interface.
 * `vips` begins with the load balancer's own VIP.
 */
export function renderKeepalived(
  loadBalancer: LoadBalancerTree,
  amphora_id: string,
  vips: VipOnSubnet[],
  options: KeepalivedOptions,
): string {
  const amphora = loadBalancer.amphorae.find(({ id }) => id === amphora_id)
  if (amphora?.vrrp_ip == null || amphora.vrrp_interface === null || amphora.vrrp_priority === null) {
    throw new Error(`amphora ${amphora_id} has no VRRP address, interface or priority yet`)
  }
  const fractional = !Number.isInteger(options.advertInterval)
  const device = interfaceName(amphora.vrrp_interface)
  const peers = loadBalancer.amphorae
    .filter(({ id, status }) => id !== amphora_id && status !== 'PENDING_DELETE')
    .flatMap(({ vrrp_ip }) => vrrp_ip ?? [])
  const [ofOwnFamily, ofOtherFamily] = [true, false].map((same) => vips.filter((vip) => (familyOf(vip) === familyOf(vips[0]!)) === same))
  return print([
    ...(fractional
      ? [block('global_defs', [`vrrp_rt_priority ${REALTIME_PRIORITY}`, `vrrp_rlimit_rttime ${REALTIME_LIMIT_MICROSECONDS}`])]
      : []),
    block('vrrp_script check_script', [
      `script ${CHECK_SCRIPT}`,
      `interval ${options.checkInterval}`,
      `fall ${options.failCount}`,
      `rise ${options.successCount}`,
    ]),
    ...(fractional ? [block('track_file haproxy_status', [`file ${STATUS_FILE}`, 'weight 0'])] : []),
    block(`vrrp_instance ${loadBalancer.id.replaceAll('-', '')}`, [
      ...(fractional ? ['version 3', 'state BACKUP'] : []),
      `interface ${device}`,
      `virtual_router_id ${amphora.vrrp_id ?? 1}`,
      `priority ${amphora.vrrp_priority}`,
      'nopreempt',
      'accept',
      `garp_master_refresh ${options.garpRefreshInterval}`,
      `garp_master_refresh_repeat ${options.garpRefreshCount}`,
      `advert_int ${options.advertInterval}`,
      ...(fractional ? [] : [block('authentication', ['auth_type PASS', `auth_pass ${passwordOf(loadBalancer.id, options.passwordKey)}`])]),
      `unicast_src_ip ${address(amphora.vrrp_ip)}`,
      block('unicast_peer', peers.map(address)),
      block(
        'virtual_ipaddress',
        (ofOwnFamily ?? []).map((vip) => address(vip.ip_address)),
      ),
      ...(ofOtherFamily?.length
        ? [
            block(
              'virtual_ipaddress_excluded',
              ofOtherFamily.map((vip) => address(vip.ip_address)),
            ),
          ]
        : []),
      block(
        'virtual_routes',
        vips.flatMap((vip) => routesOf(vip, device)),
      ),
      block(
        'virtual_rules',
        vips.map(
          (vip) => `from ${address(vip.ip_address)}/${familyOf(vip) === 6 ? 128 : 32} table ${ROUTE_TABLE} priority ${RULE_PRIORITY}`,
        ),
      ),
      block('track_script', ['check_script']),
      ...(fractional ? [block('track_file', ['haproxy_status'])] : []),
    ]),
  ])
}

function routesOf(vip: VipOnSubnet, device: string): string[] {
  return [
    `${prefix(vip.subnet_cidr)} dev ${device} src ${address(vip.ip_address)} scope link table ${ROUTE_TABLE}`,
    ...(vip.gateway === null ? [] : [`default via ${address(vip.gateway)} dev ${device} onlink table ${ROUTE_TABLE}`]),
    ...vip.host_routes.map(
      ({ destination, nexthop }) => `${prefix(destination)} via ${address(nexthop)} dev ${device} onlink table ${ROUTE_TABLE}`,
    ),
  ]
}

/** The same for both amphorae, and for nobody who lacks the key. */
function passwordOf(load_balancer_id: string, key: string): string {
  return createHmac('sha256', key).update(`vrrp ${load_balancer_id}`).digest('hex').slice(0, PASSWORD_LENGTH)
}

function familyOf(vip: VipOnSubnet): 4 | 6 {
  return parseIp(vip.ip_address)?.version ?? 4
}

// Spelled anew, so that nothing but a range or a name can stand in its place.

function prefix(text: string): string {
  const cidr = parseCidr(text)
  if (cidr === null) throw new Error(`'${text}' is no range`)
  return `${formatIp({ version: cidr.version, value: cidr.first })}/${cidr.prefix}`
}

function interfaceName(text: string): string {
  if (!/^[\w.-]{1,15}$/.test(text)) throw new Error(`'${text}' is no interface`)
  return text
}
