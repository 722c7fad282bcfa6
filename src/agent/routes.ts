/** The agent's API 1.0, endpoint by endpoint, answered as upstream's agent does (`octavia/amphorae/backends/agent/api_server/`). */
import type { Agent } from './agent.ts'
import { API_VERSION, readMachine } from './details.ts'
import { loadBalancersIn, lvsListenersIn, md5, readIfThere } from './files.ts'
import type { HandoverWish } from './handover.ts'
import { type Applied, InvalidConfiguration } from './haproxy.ts'
import { InvalidCertificate } from './haproxy-certificates.ts'
import type { HostRoute, SubnetInformation } from './interfaces.ts'
import { InvalidKeepalivedConfiguration } from './keepalived.ts'
import { listenersOf } from './listeners.ts'
import { type AgentResponse, frameworkError, HttpError, type RouteTable } from './router.ts'
import { SettingsError } from './settings.ts'
import { followLog, MAX_FOLLOWERS } from './traffic-logs.ts'
import { UnreadableConfiguration } from './udp/keepalived-words.ts'
import { applyVipRules, parseVipRules } from './vip-rules.ts'

const OK = { message: 'OK' }

export function agentRoutes(agent: Agent): RouteTable {
  const { paths, haproxies, udpListeners, keepalived, network } = agent
  return {
    'GET /': () => ({ status: 200, body: { api_version: API_VERSION } }),
    'GET /1.0/info': async () => ({ status: 200, body: await agent.info }),
    'GET /1.0/details': () => details(agent),
    'GET /1.0/listeners': () => ({
      status: 200,
      body: [...loadBalancersIn(paths).flatMap((id) => listenersOf(haproxies.configuration(id) ?? '')), ...udpListeners.list()],
    }),

    'PUT /1.0/loadbalancer/:amphora_id/:lb_id/haproxy': async ({ params, body }) => {
      try {
        return { status: 202, body: OK, etag: await haproxies.upload(params.lb_id!, body) }
      } catch (error) {
        if (error instanceof InvalidConfiguration) throw new HttpError(400, { message: 'Invalid request', details: error.message })
        throw error
      }
    },
    'GET /1.0/loadbalancer/:lb_id/haproxy': ({ params }) => {
      const configuration = haproxies.configuration(params.lb_id!)
      if (configuration === null) throw loadBalancerNotFound(params.lb_id!)
      return { status: 200, body: configuration, etag: md5(configuration) }
    },
    // Ours.
    'GET /1.0/loadbalancer/:lb_id/logs': ({ params, query }) => trafficLog(agent, params.lb_id!, new URLSearchParams(query).has('follow')),
    'PUT /1.0/loadbalancer/:object_id/:action': ({ params }) => actOnLoadBalancer(agent, params.object_id!, params.action!.toLowerCase()),
    'DELETE /1.0/listeners/:object_id': ({ params }) => removeObject(agent, params.object_id!),

    'PUT /1.0/loadbalancer/:lb_id/certificates/:filename': ({ params, body }) => {
      try {
        return { status: 200, body: OK, etag: haproxies.storeCertificate(params.lb_id!, certificateName(params), body) }
      } catch (error) {
        if (error instanceof InvalidCertificate) throw new HttpError(400, { message: 'Invalid certificate', details: error.message })
        throw error
      }
    },
    'GET /1.0/loadbalancer/:lb_id/certificates/:filename': ({ params }) => {
      const pem = readIfThere(paths.certificate(params.lb_id!, certificateName(params)))
      if (pem === null)
        throw new HttpError(404, { message: 'Certificate Not Found', details: `No certificate with filename: ${params.filename}` })
      return { status: 200, body: { md5sum: md5(pem) }, etag: md5(pem) }
    },
    'DELETE /1.0/loadbalancer/:lb_id/certificates/:filename': ({ params }) => {
      haproxies.removeCertificate(params.lb_id!, certificateName(params))
      return { status: 200, body: OK }
    },

    'PUT /1.0/listeners/:amphora_id/:listener_id/udp_listener': ({ params, body }) => {
      try {
        return { status: 200, body: OK, etag: udpListeners.upload(listenerId(params), body) }
      } catch (error) {
        if (error instanceof UnreadableConfiguration) throw new HttpError(400, { message: 'Invalid request', details: error.message })
        throw error
      }
    },
    'GET /1.0/listeners/:listener_id/udp_listener': ({ params }) => {
      const configuration = udpListeners.configuration(listenerId(params))
      if (configuration === null)
        throw new HttpError(404, { message: 'UDP Listener Not Found', details: `No UDP listener with UUID: ${params.listener_id}` })
      return { status: 200, body: configuration, etag: md5(configuration) }
    },

    'POST /1.0/plug/vip/:vip': async ({ params, body }) => {
      const wanted = jsonObject(body, 'Invalid subnet information', ['subnet_cidr', 'gateway', 'mac_address'])
      const plugged = await network.plugVip({
        vips: vipsOf(params.vip!, wanted),
        mac_address: String(wanted.mac_address).toLowerCase(),
        vrrp_ip: optionalText(wanted.vrrp_ip),
        mtu: mtuOf(wanted),
      })
      return { status: 202, body: { ...OK, details: `VIPs plugged on interface eth1: ${plugged}` } }
    },
    'POST /1.0/plug/network': async ({ body }) => {
      const wanted = jsonObject(body, 'Invalid port information', ['mac_address'])
      const vip = wanted.vip_net_info as Record<string, unknown> | null | undefined
      const { name, existed } = await network.plugNetwork({
        mac_address: String(wanted.mac_address).toLowerCase(),
        mtu: mtuOf(wanted),
        fixed_ips: list(wanted.fixed_ips).map(subnetInformation),
        vips: vip ? vipsOf(String(vip.vip), vip) : undefined,
        vrrp_ip: vip ? optionalText(vip.vrrp_ip) : undefined,
      })
      return { status: 202, body: { ...OK, details: existed ? `Updated existing interface ${name}` : `Plugged on interface ${name}` } }
    },
    'GET /1.0/interface/:ip': async ({ params }) => ({ status: 200, body: { ...OK, interface: await network.interfaceOf(params.ip!) } }),
    'PUT /1.0/interface/:ip/rules': async ({ params, body }) => {
      const device = await network.interfaceOf(params.ip!)
      await applyVipRules(agent.settings.namespace, paths, device, parseVipRules(parseJson(body, 'Invalid rules information')))
      return { status: 200, body: OK }
    },

    // Ours.
    'PUT /1.0/handover': async ({ body }) => {
      const wanted = jsonObject(body, 'Invalid handover information', ['drain_seconds', 'release_vips'])
      return { status: 200, body: await agent.handover.run(handoverWish(wanted)) }
    },

    'PUT /1.0/vrrp/upload': async ({ body }) => {
      try {
        return { status: 200, body: OK, etag: await keepalived.upload(body) }
      } catch (error) {
        if (error instanceof InvalidKeepalivedConfiguration)
          throw new HttpError(400, { message: 'Invalid request', details: error.message })
        throw error
      }
    },
    'PUT /1.0/vrrp/:action': ({ params }) => actOnKeepalived(agent, params.action!.toLowerCase()),

    'PUT /1.0/certificate': ({ body }) => {
      agent.replaceCertificate(body)
      return { status: 202, body: OK }
    },
    // Ours: rotating the CA of controllers needs it.
    'PUT /1.0/client_cas': ({ body, socket }) => {
      agent.replaceClientCas(body, socket)
      return { status: 202, body: OK }
    },
    'PUT /1.0/config': ({ body }) => {
      try {
        agent.configure(body.toString('utf8'))
      } catch (error) {
        const status = error instanceof SettingsError ? 400 : 500
        throw new HttpError(status, { message: 'Unable to update amphora-agent configuration.', details: (error as Error).message })
      }
      return { status: 202, body: OK }
    },
  }
}

async function actOnLoadBalancer(agent: Agent, id: string, action: string): Promise<AgentResponse> {
  if (!isAction(action)) throw unknownAction(action)
  const { haproxies, udpListeners, keepalived, network } = agent
  if (haproxies.configuration(id) === null) {
    if (udpListeners.configuration(id) !== null) return actOnUdpListener(agent, id, action)
    throw loadBalancerNotFound(id)
  }
  try {
    const wasRunning = haproxies.isRunning(id)
    const applied: Applied | void = await haproxies[action](id)
    // Where keepalived runs it tells the neighbours itself.
    if (!wasRunning && action !== 'stop' && !keepalived.isConfigured()) await network.announceVips()
    const details =
      wasRunning || action === 'stop' ? `Listener ${id} ${action}ed` : `Configuration file is valid\nhaproxy daemon for ${id} started`
    return { status: 202, body: { ...OK, details, applied } }
  } catch (error) {
    throw new HttpError(500, { message: `Error ${action}ing haproxy`, details: (error as Error).message })
  }
}

/** `details` as upstream words it, by which its controllers' logs say what happened. */
async function actOnUdpListener({ udpListeners }: Agent, id: string, action: Action): Promise<AgentResponse> {
  try {
    await udpListeners[action](id)
  } catch (error) {
    throw new HttpError(500, { message: `Failed to ${action} keepalivedlvs listener ${id}`, details: (error as Error).message })
  }
  // Upstream's agent starts it anew, too, when a reload is asked for.
  return { status: 202, body: { ...OK, details: `keepalivedlvs listener ${id} ${action === 'reload' ? 'restart' : action}ed` } }
}

function trafficLog({ logs }: Agent, id: string, follows: boolean): AgentResponse {
  const lastLines = logs.lastLines(id)
  if (lastLines === null) throw loadBalancerNotFound(id)
  if (!follows) return { status: 200, body: lastLines.map((line) => `${line}\n`).join('') }
  if (!logs.mayFollow(id)) throw new HttpError(503, { message: 'Too many follow this log', details: `${MAX_FOLLOWERS} at once may` })
  return { status: 200, body: (response) => followLog(logs, id, response) }
}

async function removeObject({ haproxies, udpListeners }: Agent, id: string): Promise<AgentResponse> {
  try {
    await udpListeners.remove(id)
  } catch (error) {
    throw new HttpError(500, { message: 'Error stopping keepalivedlvs', details: (error as Error).message })
  }
  if (haproxies.configuration(id) === null) return { status: 200, body: OK }
  try {
    await haproxies.remove(id)
  } catch (error) {
    throw new HttpError(500, { message: 'Error stopping haproxy', details: (error as Error).message })
  }
  return { status: 200, body: OK }
}

async function actOnKeepalived({ keepalived }: Agent, action: string): Promise<AgentResponse> {
  if (!isAction(action)) throw unknownAction(action)
  try {
    await keepalived[action]()
  } catch (error) {
    throw new HttpError(500, { message: `Failed to ${action} octavia-keepalived service`, details: (error as Error).message })
  }
  return { status: 202, body: { ...OK, details: `keepalived ${action}ed` } }
}

async function details({ info, paths, haproxies, udpListeners, logs, network, settings }: Agent): Promise<AgentResponse> {
  const loadBalancers = loadBalancersIn(paths)
  const listeners = loadBalancers.flatMap((id) => listenersOf(haproxies.configuration(id) ?? '').map(({ uuid }) => uuid))
  const udpListenerIds = lvsListenersIn(paths)
  return {
    status: 200,
    body: {
      ...(await info),
      ...readMachine(),
      networks: await network.traffic(),
      active: true,
      haproxy_count: loadBalancers.filter((id) => haproxies.isRunning(id)).length,
      lvs_listener_process_count: udpListenerIds.filter((id) => udpListeners.isForwarded(id)).length,
      topology: settings.topology,
      topology_status: 'OK',
      listeners: [...new Set([...listeners, ...udpListenerIds])].sort(),
      packages: {},
      // Ours.
      log_lines_dropped: logs.dropped(),
      haproxies: haproxies.report(),
    },
  }
}

type Action = 'start' | 'stop' | 'reload'

function isAction(text: string): text is Action {
  return ['start', 'stop', 'reload'].includes(text)
}

function unknownAction(action: string): HttpError {
  return new HttpError(400, { message: 'Invalid Request', details: `Unknown action: ${action}` })
}

function loadBalancerNotFound(id: string): HttpError {
  return new HttpError(404, { message: 'Loadbalancer Not Found', details: `No loadbalancer with UUID: ${id}` })
}

/** It also becomes part of the name of a table in the kernel. */
function listenerId({ listener_id }: Record<string, string>): string {
  if (!/^[\w-]{1,64}$/.test(listener_id!)) throw new HttpError(400, { message: 'Invalid request', details: 'this is no listener id' })
  return listener_id!
}

function certificateName({ filename }: Record<string, string>): string {
  if (!/^[\w.-]+\.pem$/.test(filename!)) throw new HttpError(400, { message: 'Filename has wrong format' })
  return filename!
}

// What controllers send is checked as far as the agent's own commands need it; addresses are checked where they are used.

function parseJson(body: Buffer, refusal: string): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    throw frameworkError(400, refusal)
  }
}

function jsonObject(body: Buffer, refusal: string, required: string[]): Record<string, unknown> {
  const value = parseJson(body, refusal)
  if (typeof value !== 'object' || value === null || Array.isArray(value) || required.some((name) => !(name in value)))
    throw frameworkError(400, refusal)
  return value as Record<string, unknown>
}

/** No longer than any controller waits for an answer. */
const MAX_DRAIN_SECONDS = 300

function handoverWish({ drain_seconds, release_vips }: Record<string, unknown>): HandoverWish {
  const seconds = typeof drain_seconds === 'number' ? drain_seconds : Number.NaN
  if (!(seconds >= 0 && seconds <= MAX_DRAIN_SECONDS)) throw frameworkError(400, 'Invalid handover information')
  return { drain_seconds: seconds, release_vips: release_vips === true }
}

function vipsOf(vip: string, wanted: Record<string, unknown>): SubnetInformation[] {
  return [subnetInformation({ ...wanted, ip_address: vip }), ...list(wanted.additional_vips).map(subnetInformation)]
}

function subnetInformation(value: unknown): SubnetInformation {
  const { ip_address, subnet_cidr, gateway, host_routes } = (value ?? {}) as Record<string, unknown>
  return {
    ip_address: String(ip_address),
    subnet_cidr: String(subnet_cidr),
    gateway: optionalText(gateway) ?? null,
    host_routes: list(host_routes).map((route) => {
      const { destination, nexthop } = (route ?? {}) as Partial<HostRoute>
      return { destination: String(destination), nexthop: String(nexthop) }
    }),
  }
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function optionalText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function mtuOf({ mtu }: Record<string, unknown>): number | undefined {
  return Number.isInteger(mtu) && (mtu as number) > 0 ? (mtu as number) : undefined
}
