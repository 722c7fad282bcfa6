/** The kernel's table of UDP connections in the inner namespace: who has how many, and the end of those whose member is gone. */
import { exec } from '../../lib/exec.ts'
import { formatIp, parseIp } from '../../lib/ip.ts'
import { inNamespaceArguments } from '../ip-command.ts'
import type { Endpoint } from './lvs-file.ts'
import { keyOf } from './shares.ts'

/** So many ends are not worth counting first. */
const FEW = 4

/**
 * Counted by awk, since the list of a hundred thousand connections is 15 MB. A line holds `src= dst= sport= dport=` as the client sent it, then
 * the same as the member answers. Printed: VIP, port, member, port, how many.
 */
const COUNT = `conntrack -L -p udp 2>/dev/null | awk '{
  n = 0
  for (i = 1; i <= NF; i++) {
    if (split($i, pair, "=") != 2) continue
    if (pair[1] == "src") n++
    value[n, pair[1]] = pair[2]
  }
  count[value[1, "dst"] " " value[1, "dport"] " " value[2, "src"] " " value[2, "sport"]]++
}
END { for (key in count) print key, count[key] }'`

/** Connections by VIP, then by member; both as `keyOf` writes them. */
export type ConnectionCounts = Map<string, Map<string, number>>

export async function countConnections(namespace: string): Promise<ConnectionCounts> {
  const [command, args] = inNamespaceArguments(namespace, 'sh', ['-c', COUNT])
  const { stdout } = await exec(command, args)
  const counts: ConnectionCounts = new Map()
  for (const line of stdout.split('\n')) {
    const [vip, port, member, memberPort, count] = line.split(' ')
    const ips = [parseIp(vip ?? ''), parseIp(member ?? '')] as const
    if (ips[0] === null || ips[1] === null || count === undefined) continue
    const key = keyOf({ address: formatIp(ips[0]), port: Number(port) })
    const ofVip = counts.get(key) ?? new Map<string, number>()
    counts.set(key, ofVip.set(keyOf({ address: formatIp(ips[1]), port: Number(memberPort) }), Number(count)))
  }
  return counts
}

export interface Flow {
  vip: Endpoint
  /** Null: whoever the member is. */
  member: Endpoint | null
}

/** The next packet of such a connection begins a new one, by the rules there are then. */
export async function endConnections(namespace: string, flows: readonly Flow[]): Promise<void> {
  const present = flows.length <= FEW ? flows : await amongCounted(namespace, flows)
  if (present.length === 0) return
  // One conntrack for all, content where there is nothing to end. It opens its input by name, which Node's is no file for; a shell's pipe is.
  const [command, args] = inNamespaceArguments(namespace, 'sh', ['-c', 'cat | conntrack --load-file - >/dev/null'])
  await exec(command, args, { input: present.map((flow) => `${deletion(flow)}\n`).join('') })
}

/** Each end reads the whole table, so a look at who has connections at all comes first. */
async function amongCounted(namespace: string, flows: readonly Flow[]): Promise<Flow[]> {
  const counts = await countConnections(namespace)
  return flows.filter(({ vip, member }) => {
    const ofVip = counts.get(keyOf(vip))
    return ofVip !== undefined && (member === null || ofVip.has(keyOf(member)))
  })
}

function deletion({ vip, member }: Flow): string {
  const family = vip.address.includes(':') ? 'ipv6' : 'ipv4'
  const ofMember = member === null ? '' : ` --reply-src ${member.address} --reply-port-src ${member.port}`
  return `-D -f ${family} -p udp --orig-dst ${vip.address} --orig-port-dst ${vip.port}${ofMember}`
}
