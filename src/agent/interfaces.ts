/**
 * An interface of the inner namespace as it should be, in the shape of upstream's `/etc/octavia/interfaces/<name>.json`
 * (`octavia/amphorae/backends/utils/interface_file.py`), and the `ip` commands that make it so.
 */
import { formatIp, parseCidr, parseIp } from '../lib/ip.ts'
import type { IpCommand } from './ip-command.ts'
import { HttpError } from './router.ts'

/** Answers of connections to a VIP leave through the VIP's network, whatever the main table says. */
const VIP_TABLE = 1

export interface InterfaceAddress {
  address: string
  prefixlen: number
  /** False: keepalived gives it to the interface and takes it away. */
  octavia_owned?: boolean
}

export interface InterfaceRoute {
  dst: string
  gateway?: string
  prefsrc?: string
  scope?: 'link'
  flags?: 'onlink'[]
  table?: number
}

export interface InterfaceRule {
  src: string
  src_len: number
  table: number
}

export interface InterfaceFile {
  name: string
  if_type: 'vip' | 'backend'
  mtu?: number
  addresses: InterfaceAddress[]
  routes: InterfaceRoute[]
  rules: InterfaceRule[]
  scripts: { up: []; down: [] }
  is_sriov: boolean
}

export interface HostRoute {
  destination: string
  nexthop: string
}

export interface SubnetInformation {
  ip_address: string
  subnet_cidr: string
  gateway: string | null
  host_routes: HostRoute[]
}

/**
 * The VIPs' interface. Where keepalived runs (`isShared`) it owns the VIPs, table 1 and its rules; the interface has its own address only.
 * Throws HttpError 400 for what is no address.
 */
export function vipInterface(
  name: string,
  wanted: { vips: SubnetInformation[]; vrrp_ip: string | undefined; fixed_ips: SubnetInformation[]; mtu: number | undefined },
  isShared: boolean,
): InterfaceFile {
  const file = emptyInterface(name, 'vip', wanted.mtu)
  const [primary] = wanted.vips
  if (wanted.vrrp_ip !== undefined && primary !== undefined)
    file.addresses.push({ address: checkedIp(wanted.vrrp_ip), prefixlen: range(primary.subnet_cidr).prefix })
  for (const vip of wanted.vips) {
    const subnet = range(vip.subnet_cidr)
    const address = checkedIp(vip.ip_address)
    const length = hostLength(subnet.version)
    file.addresses.push({ address, prefixlen: length, octavia_owned: !isShared })
    file.routes.push(...defaultRoute(vip, subnet.version), { dst: subnet.text, scope: 'link' }, ...hostRoutes(vip))
    if (isShared) continue
    file.routes.push(
      { dst: subnet.text, prefsrc: address, scope: 'link', table: VIP_TABLE },
      ...[...defaultRoute(vip, subnet.version), ...hostRoutes(vip)].map((route) => ({ ...route, table: VIP_TABLE })),
    )
    file.rules.push({ src: address, src_len: length, table: VIP_TABLE })
  }
  addFixedIps(file, wanted.fixed_ips)
  return file
}

/** An interface towards members. Throws HttpError 400 for what is no address. */
export function memberInterface(name: string, fixedIps: SubnetInformation[], mtu: number | undefined): InterfaceFile {
  const file = emptyInterface(name, 'backend', mtu)
  addFixedIps(file, fixedIps)
  return file
}

/** What keepalived takes over when it starts is no longer the agent's; returns the file without it and the commands that remove it. */
export function handOverToKeepalived(file: InterfaceFile): { file: InterfaceFile; commands: IpCommand[] } {
  const owned = file.addresses.filter((address) => address.octavia_owned === true)
  return {
    file: {
      ...file,
      addresses: file.addresses.map((address) => (address.octavia_owned === true ? { ...address, octavia_owned: false } : address)),
      routes: file.routes.filter(({ table }) => table !== VIP_TABLE),
      rules: [],
    },
    commands: [
      ...owned.map(({ address, prefixlen }) => ({
        line: `address delete ${address}/${prefixlen} dev ${file.name}`,
        unless: /Cannot assign requested address/,
      })),
      ...file.rules.map((rule) => ruleCommand('delete', rule, /No such file/)),
      ...file.routes
        .filter(({ table }) => table === VIP_TABLE)
        .map((route) => ({ line: `route delete ${routeText(route, file.name)}`, unless: /No such process/ })),
    ],
  }
}

/** Gives an interface all it should have; repeating it changes nothing. Addresses come before `up`, which announces them to the neighbours. */
export function bringUp(file: InterfaceFile): IpCommand[] {
  return [
    ...(file.mtu === undefined ? [] : [{ line: `link set ${file.name} mtu ${file.mtu}` }]),
    ...file.addresses
      .filter(({ octavia_owned }) => octavia_owned !== false)
      .map(({ address, prefixlen }) => ({
        // Duplicate detection would leave an IPv6 address unusable for a second; Neutron has given it to nobody else.
        line: `address replace ${address}/${prefixlen} dev ${file.name}${address.includes(':') ? ' nodad' : ''}`,
      })),
    { line: `link set ${file.name} up` },
    ...file.routes.map((route) => ({ line: `route replace ${routeText(route, file.name)}` })),
    ...file.rules.map((rule) => ruleCommand('add', rule, /File exists/)),
  ]
}

/** The commands that take away what an earlier file gave and this one does not. */
export function takeAway(before: InterfaceFile, after: InterfaceFile): IpCommand[] {
  const kept = new Set(after.addresses.map(({ address }) => address))
  const keptRoutes = new Set(after.routes.map((route) => routeText(route, after.name)))
  return [
    ...before.routes
      .map((route) => routeText(route, before.name))
      .filter((text) => !keptRoutes.has(text))
      .map((text) => ({ line: `route delete ${text}`, unless: /No such process/ })),
    ...before.addresses
      .filter(({ address, octavia_owned }) => octavia_owned !== false && !kept.has(address))
      .map(({ address, prefixlen }) => ({
        line: `address delete ${address}/${prefixlen} dev ${before.name}`,
        unless: /Cannot assign requested address/,
      })),
  ]
}

function emptyInterface(name: string, type: InterfaceFile['if_type'], mtu: number | undefined): InterfaceFile {
  return { name, if_type: type, mtu, addresses: [], routes: [], rules: [], scripts: { up: [], down: [] }, is_sriov: false }
}

function addFixedIps(file: InterfaceFile, fixedIps: SubnetInformation[]): void {
  for (const fixed of fixedIps) {
    const subnet = range(fixed.subnet_cidr)
    const address = checkedIp(fixed.ip_address)
    if (!file.addresses.some((known) => known.address === address && known.prefixlen === subnet.prefix))
      file.addresses.push({ address, prefixlen: subnet.prefix })
    file.routes.push(...hostRoutes(fixed))
  }
}

function defaultRoute({ gateway }: SubnetInformation, version: 4 | 6): InterfaceRoute[] {
  if (gateway === null || gateway === '') return []
  return [{ dst: version === 4 ? '0.0.0.0/0' : '::/0', gateway: checkedIp(gateway), flags: ['onlink'] }]
}

function hostRoutes({ host_routes }: SubnetInformation): InterfaceRoute[] {
  return host_routes.map(({ destination, nexthop }) => ({ dst: range(destination).text, gateway: checkedIp(nexthop), flags: ['onlink'] }))
}

function routeText({ dst, gateway, prefsrc, scope, flags, table }: InterfaceRoute, device: string): string {
  const words = [
    dst,
    gateway && `via ${gateway}`,
    `dev ${device}`,
    prefsrc && `src ${prefsrc}`,
    scope && `scope ${scope}`,
    flags?.join(' '),
  ]
  return [...words, table && `table ${table}`].filter(Boolean).join(' ')
}

function ruleCommand(verb: 'add' | 'delete', { src, src_len, table }: InterfaceRule, unless: RegExp): IpCommand {
  return { line: `rule ${verb} from ${src}/${src_len} table ${table}`, unless, ...(src.includes(':') ? { family: 6 as const } : {}) }
}

function hostLength(version: 4 | 6): number {
  return version === 4 ? 32 : 128
}

function checkedIp(text: string): string {
  const ip = parseIp(text)
  if (ip === null) throw invalid(text)
  return formatIp(ip)
}

function range(text: string): { version: 4 | 6; prefix: number; text: string } {
  const cidr = parseCidr(text)
  if (cidr === null) throw invalid(text)
  return { version: cidr.version, prefix: cidr.prefix, text: `${formatIp({ version: cidr.version, value: cidr.first })}/${cidr.prefix}` }
}

function invalid(text: string): HttpError {
  return new HttpError(400, { message: `'${text}' is not an address` })
}
