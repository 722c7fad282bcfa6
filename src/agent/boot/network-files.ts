/**
 * Nova's `network_data.json` as systemd-networkd's files: one for each network card that the machine is booted with. Cards that are plugged in later are in none
 * of them, so nobody but the agent touches them.
 */
import { formatIp, parseIp } from '../../lib/ip.ts'
import { ConfigDriveError, type NetworkData } from './config-drive.ts'

type Network = NetworkData['networks'][number]

/** File name to contents. Throws ConfigDriveError for what is no address. */
export function networkFiles({ links, networks }: NetworkData): Record<string, string> {
  return Object.fromEntries(
    links.map((link, index) => {
      const mac = link.ethernet_mac_address
      if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) throw new ConfigDriveError(`network_data.json: '${mac}' is no MAC address`)
      const own = networks.filter((network) => network.link === link.id)
      const mtu = Number.isInteger(link.mtu) ? `\n[Link]\nMTUBytes=${link.mtu}\n` : ''
      return [`10-boot-${index}.network`, `[Match]\nMACAddress=${mac}\n${mtu}\n${addressing(own)}`]
    }),
  )
}

function addressing(networks: readonly Network[]): string {
  const dhcp4 = networks.some(({ type }) => type === 'ipv4_dhcp')
  // Where routers advertise, they say whether there is DHCP, too.
  const advertised = networks.some(({ type }) => type.startsWith('ipv6_'))
  const fixed = networks.filter(({ type }) => type === 'ipv4' || type === 'ipv6')
  return [
    '[Network]',
    `DHCP=${dhcp4 ? 'ipv4' : 'no'}`,
    `IPv6AcceptRA=${advertised ? 'yes' : 'no'}`,
    ...fixed.map(({ ip_address, netmask }) => `Address=${address(ip_address)}/${prefixLength(netmask)}`),
    ...fixed.flatMap(({ routes = [] }) =>
      routes.flatMap(({ network, netmask, gateway }) => [
        '',
        '[Route]',
        `Destination=${address(network)}/${prefixLength(netmask)}`,
        `Gateway=${address(gateway)}`,
      ]),
    ),
    // The name is the config drive's, and nothing here asks a name server.
    ...(dhcp4 ? ['', '[DHCPv4]', 'UseHostname=no', 'UseDNS=no', 'UseNTP=no'] : []),
    '',
  ].join('\n')
}

function address(text: string | undefined): string {
  const ip = parseIp(text ?? '')
  if (ip === null) throw new ConfigDriveError(`network_data.json: '${text}' is no address`)
  return formatIp(ip)
}

/** `255.255.255.0`, `ffff:ffff:ffff:ffff::` or a number. */
function prefixLength(netmask: string | undefined): number {
  if (/^\d{1,3}$/.test(netmask ?? '')) return Number(netmask)
  const mask = parseIp(netmask ?? '')
  const bits = mask === null ? '' : mask.value.toString(2).padStart(mask.version === 4 ? 32 : 128, '0')
  if (mask === null || !/^1*0*$/.test(bits)) throw new ConfigDriveError(`network_data.json: '${netmask}' is no netmask`)
  return bits.replace(/0+$/, '').length
}
