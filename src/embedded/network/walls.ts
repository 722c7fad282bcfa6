/**
 * What may pass (docs/decisions/0004-walls.md): a pure function from the rows to the chains, sets and maps of two nft tables, one in
 * family `inet` (what this host takes and forwards) and one in `bridge` (anti-spoofing and security groups, port by port). `ruleset.ts`
 * brings the kernel from one such state to the next.
 */

import { answersTo, directMatch, groupChain, remoteSet } from './group-filters.ts'
import { bridgeMac, type NetworkNames } from './names.ts'
import { fromPort, portFiltering, toPort } from './port-filters.ts'
import type { Ruleset, Table } from './ruleset.ts'
import type { NetworkRow, PortRow, SecurityGroupRuleRow } from './tables.ts'

export interface WallsInput {
  networks: NetworkRow[]
  /** Those that are plugged in; frames of any other port are dropped. */
  ports: PortRow[]
  /** Of all groups that these ports have, or that such a group's rules name. */
  rules: SecurityGroupRuleRow[]
  /** All ports of groups that rules name as their remote, plugged in or not. */
  remotePorts: PortRow[]
  /** The host's own addresses on the management network; heartbeats go there. */
  managementAddresses: string[]
  heartbeatPorts: number[]
}

export function wallsOf(names: NetworkNames, input: WallsInput): Ruleset {
  return { name: names.table, tables: { inet: hostTable(names, input), bridge: bridgeTable(names, input) } }
}

function hostTable(names: NetworkNames, { networks, managementAddresses, heartbeatPorts }: WallsInput): Table {
  const anyBridge = `"${names.bridge('').slice(0, 8)}*"`
  const bridgeOf = (role: NetworkRow['role']) =>
    networks.filter((network) => network.role === role).map(({ id }) => `"${names.bridge(id)}"`)
  const heartbeats = heartbeatPorts.length === 0 ? '' : `udp dport { ${heartbeatPorts.join(', ')} } accept`
  return {
    sets: {
      isolated: { type: 'ifname', elements: bridgeOf(null) },
      private: { type: 'ifname', elements: bridgeOf('private') },
      management: { type: 'ifname', elements: bridgeOf('management') },
      // A host with br_netfilter also shows what stays within a bridge to its forward hook.
      within: { type: 'ifname . ifname', elements: networks.map(({ id }) => `"${names.bridge(id)}" . "${names.bridge(id)}"`) },
    },
    maps: {},
    chains: {
      // An isolated network may have the host's own ranges: its connections must not be taken for the host's.
      untracked: { hook: 'type filter hook prerouting priority raw; policy accept;', rules: ['iifname @isolated notrack'] },
      input: {
        hook: 'type filter hook input priority filter - 10; policy accept;',
        rules: [`iifname != ${anyBridge} accept`, 'iifname @private jump from_private', 'iifname @management jump from_management', 'drop'],
      },
      from_private: {
        rules: [
          'ct state established,related accept',
          'ip protocol icmp accept',
          'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request, echo-reply, nd-neighbor-solicit, nd-neighbor-advert } accept',
        ],
      },
      from_management: {
        rules: [
          'ct state established,related accept',
          ...(heartbeats === '' ? [] : managementAddresses.map((ip) => `${ip.includes(':') ? 'ip6' : 'ip'} daddr ${ip} ${heartbeats}`)),
        ],
      },
      forward: {
        hook: 'type filter hook forward priority filter - 10; policy accept;',
        rules: [`iifname != ${anyBridge} oifname != ${anyBridge} accept`, 'iifname . oifname @within accept', 'drop'],
      },
    },
  }
}

function bridgeTable(names: NetworkNames, { networks, ports, rules, remotePorts }: WallsInput): Table {
  const anyPort = `"${names.port('').slice(0, 8)}*"`
  const reached = new Set(networks.filter((network) => network.role !== null).map((network) => network.id))
  const table: Table = {
    sets: {
      host_ports: {
        type: 'ifname',
        elements: ports.filter((port) => reached.has(port.network_id)).map((port) => `"${names.port(port.id)}"`),
      },
    },
    maps: { from_port: { type: 'ifname : verdict', elements: {} }, to_port: { type: 'ifname : verdict', elements: {} } },
    chains: {
      ...portFiltering,
      prerouting: {
        hook: 'type filter hook prerouting priority filter; policy accept;',
        rules: [`iifname != ${anyPort} accept`, 'iifname vmap @from_port', 'drop'],
      },
      postrouting: {
        hook: 'type filter hook postrouting priority filter; policy accept;',
        rules: [`oifname != ${anyPort} accept`, 'oifname vmap @to_port', 'drop'],
      },
      // Frames to the bridge itself: an isolated network finds nobody there, whatever addresses the host has elsewhere.
      input: {
        hook: 'type filter hook input priority filter; policy accept;',
        rules: [`iifname ${anyPort} iifname != @host_ports drop`],
      },
    },
  }
  const networksById = new Map(networks.map((network) => [network.id, network]))
  for (const port of ports) {
    const link = names.port(port.id)
    const network = networksById.get(port.network_id)
    table.chains[`from_${link}`] = { rules: fromPort(port, network?.role ? bridgeMac(port.network_id) : null) }
    table.chains[`to_${link}`] = { rules: toPort(port) }
    table.maps.from_port!.elements[`"${link}"`] = `jump from_${link}`
    table.maps.to_port!.elements[`"${link}"`] = `jump to_${link}`
  }
  addGroups(table, ports, rules, remotePorts)
  return table
}

function addGroups(table: Table, ports: PortRow[], rules: SecurityGroupRuleRow[], remotePorts: PortRow[]): void {
  const byGroup = Map.groupBy(rules, (rule) => rule.security_group_id)
  for (const group of new Set(ports.flatMap((port) => port.security_group_ids))) {
    const ofGroup = byGroup.get(group) ?? []
    for (const side of ['ingress', 'egress'] as const) {
      table.chains[groupChain(group, side)] = {
        rules: ofGroup.flatMap((rule) => (rule.direction === side ? [directMatch(rule)] : answersTo(rule, ofGroup))),
      }
    }
    for (const { remote_group_id, ethertype } of ofGroup) {
      if (remote_group_id === null) continue
      const version = ethertype === 'IPv4' ? 4 : 6
      const members = remotePorts.filter((port) => port.security_group_ids.includes(remote_group_id))
      const addresses = members.flatMap((port) => [...port.fixed_ips, ...port.allowed_address_pairs].map(({ ip_address }) => ip_address))
      table.sets[remoteSet(remote_group_id, version)] = {
        type: version === 4 ? 'ipv4_addr' : 'ipv6_addr',
        interval: true,
        elements: [...new Set(addresses.filter((address) => address.includes(':') === (version === 6)))],
      }
    }
  }
}
