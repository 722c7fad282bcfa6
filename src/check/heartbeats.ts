/** Heartbeats: whether their port can be had here, and whether amphorae are told addresses that lead to it. */
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Config } from '../config/config.ts'
import { cidrContains, parseCidr, parseIp } from '../lib/ip.ts'
import type { Look } from './check.ts'
import { error, ok, type Said, warning } from './finding.ts'
import { found, type Services } from './services.ts'

const SECTION = '[health_manager]'
/** Shorter ones can be guessed from a heartbeat that was seen. */
const KEY_LENGTH = 16
/** Of upstream's samples and DevStack. */
const KNOWN_KEYS = ['insecure']

export async function checkHeartbeats(look: Look): Promise<Said[]> {
  const { config } = look
  if (config.controller_worker.amphora_driver === 'amphora_noop_driver') return [ok('amphora_noop_driver: no heartbeats')]
  const isRemote = config.controller_worker.compute_driver === 'compute_nova_driver'
  return [...(await port(config)), ...(isRemote ? [...reach(config), ...key(config), ...(await addresses(look))] : [])]
}

/** The ports that amphorae send to. */
export function heartbeatPorts({ health_manager: { controller_ip_port_list, bind_port } }: Config): number[] {
  const ports = controller_ip_port_list.map((place) => Number(place.split(':').at(-1)))
  return [...new Set(ports.length === 0 ? [bind_port] : ports)]
}

async function port({ health_manager: { bind_ip, bind_port } }: Config): Promise<Said[]> {
  const code = await bindable(bind_ip, bind_port)
  const place = `${bind_ip} port ${bind_port}/udp`
  if (code === null) return [ok(`heartbeats can be received on ${place}`)]
  if (code === 'EADDRINUSE')
    return [warning(`${place} is in use: by a health manager that runs already, or by something else`, `ss -ulpn 'sport = :${bind_port}'`)]
  if (code === 'EADDRNOTAVAIL') return [error(`${SECTION} bind_ip = ${bind_ip}: not an address of this machine`, 'ip -brief address')]
  return [error(`heartbeats cannot be received on ${place}: ${code}`, `${SECTION} bind_ip, bind_port`)]
}

function bindable(address: string, port: number): Promise<string | null> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  return new Promise((resolve) => {
    socket.once('error', (failure: NodeJS.ErrnoException) => {
      socket.close()
      resolve(failure.code ?? failure.message)
    })
    socket.bind(port, address, () => socket.close(() => resolve(null)))
  })
}

function reach({ health_manager: { bind_ip } }: Config): Said[] {
  if (!/^(127\.|::1$)/.test(bind_ip)) return []
  return [
    error(
      `${SECTION} bind_ip = ${bind_ip}: no amphora reaches that address`,
      'bind_ip = the address of this machine on the management network',
    ),
  ]
}

function key({ health_manager: { heartbeat_key } }: Config): Said[] {
  const make = `heartbeat_key = $(openssl rand -hex 32)`
  if (heartbeat_key === null) return [ok('the key of heartbeats is made at the first start, for all controllers of the database')]
  if (KNOWN_KEYS.includes(heartbeat_key))
    return [warning(`${SECTION} heartbeat_key is that of a sample: anybody can forge heartbeats`, make)]
  if (heartbeat_key.length < KEY_LENGTH) return [warning(`${SECTION} heartbeat_key has fewer than ${KEY_LENGTH} characters`, make)]
  return [ok('heartbeats are signed with a key of your own')]
}

async function addresses({ config, services }: Look): Promise<Said[]> {
  const { controller_ip_port_list: places, bind_port } = config.health_manager
  const option = `${SECTION} controller_ip_port_list`
  if (places.length === 0)
    return [error(`${option} is missing: amphorae know of nobody to send heartbeats to`, `controller_ip_port_list = ADDRESS:${bind_port}`)]
  const said: Said[] = []
  const own = new Set(Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)))
  const ranges = services === null ? [] : await managementRanges(config, services)
  for (const place of places) {
    const address = place.slice(0, place.lastIndexOf(':')).replace(/^\[|\]$/g, '')
    const ip = parseIp(address)
    if (ip === null) {
      said.push(warning(`${option}: ${place} is a name, which amphorae have to resolve`))
    } else if (/^(127\.|0\.0\.0\.0|::1?$)/.test(address)) {
      said.push(
        error(
          `${option}: ${place} leads to the amphora itself`,
          `${option.split(' ')[1]} = the address of the health manager on the management network`,
        ),
      )
    } else if (ranges.length > 0 && !ranges.some((range) => cidrContains(range, ip))) {
      said.push(ok(`${place} is not on the management network: amphorae need a route to it`))
    } else {
      said.push(ok(`amphorae send heartbeats to ${place}${own.has(address) ? ', which is this machine' : ''}`))
    }
  }
  const isListed = heartbeatPorts(config).includes(bind_port)
  if (!isListed)
    said.push(
      error(
        `${option} has no entry with the port ${bind_port} (${SECTION} bind_port): this controller would hear nothing`,
        `add ADDRESS:${bind_port}`,
      ),
    )
  return said
}

async function managementRanges({ controller_worker: { amp_boot_network_list } }: Config, { neutron }: Services) {
  const [id] = amp_boot_network_list
  if (id === undefined) return []
  // What is wrong with Neutron is said elsewhere.
  const network = await found<{ network: { subnets: string[] } }>(neutron, `/v2.0/networks/${encodeURIComponent(id)}`).catch(() => null)
  const subnets = await Promise.all(
    (network?.network.subnets ?? []).map((subnet) =>
      found<{ subnet: { cidr: string } }>(neutron, `/v2.0/subnets/${subnet}`).catch(() => null),
    ),
  )
  return subnets.flatMap((body) => parseCidr(body?.subnet.cidr ?? '') ?? [])
}
