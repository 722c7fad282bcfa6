/**
 * A tenant of a real OpenStack, a controller that reaches each service through a proxy of its own, and the operations of load balancers that ask services for
 * something. For what counts their calls, and for what lets them fail.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exec } from '../../src/lib/exec.ts'
import { aCertificate } from './certificates.ts'
import { Controller } from './controller.ts'
import { eventually } from './eventually.ts'
import { type CloudUser, RealCloud, services } from './openstack-cloud.ts'
import { type OctaviaPlace, octaviaConf, prepareOctavia, type Wanted } from './openstack-octavia.ts'
import { ServiceProxy } from './service-proxy.ts'

export const proxied = ['identity', 'compute', 'network', 'image', 'key-manager'] as const
export type Proxied = (typeof proxied)[number]

/** Longer than an operation takes while everything fails for as long as the controller has patience, on a busy machine. */
const SETTLED_WITHIN_MS = 180_000

/** A controller of another test's may have the usual one. */
const MANAGEMENT_RANGE = '10.251.0.0'

export interface Told {
  status: number
  body: Record<string, unknown>
}

export type LoadBalancer = { id: string; provisioning_status: string; vip_port_id: string }

export interface Stage {
  cloud: RealCloud
  place: OctaviaPlace
  tenant: CloudUser
  /** VIPs are on the first, members on the others. */
  subnets: { front: string; back: string; other: string }
  secret_ref: string
  qos_policy_id: string
  proxies: Record<Proxied, ServiceProxy>
  controller: Controller
  /** One request of the tenant's to the API of load balancers. */
  ask(method: string, path: string, body?: unknown): Promise<Told>
  askAsAdministrator(method: string, path: string, body?: unknown): Promise<Told>
  /** When nothing works on it any more; null when it is gone. */
  settled(load_balancer_id: string): Promise<LoadBalancer | null>
  /** The tenant takes the service user off the list of who may read it, which only the owner can (docs/decisions/0150). Once nothing uses it. */
  takeBackSecret(): Promise<void>
  /** Another process on the same state: it has no token and knows nothing of the services. */
  restart(): Promise<void>
  close(): Promise<void>
}

export async function openStage(wanted: Omit<Wanted, 'instead'>): Promise<Stage> {
  const cloud = await RealCloud.open({ isAlone: true })
  const place = await prepareOctavia(cloud, { range: MANAGEMENT_RANGE })
  const tenant = await cloud.aUser(['member', 'creator'])
  const network = await tenantNetworks(cloud, tenant)
  const policy = { name: 'limit', shared: true }
  const qos = await cloud.ask<{ policy: { id: string } }>('network', 'POST', '/qos/policies', { body: { policy } })
  const secret_ref = await storeBundle(cloud, tenant)
  const secretPath = secret_ref.replace(/^.*\/v1/, '')
  const proxies = Object.fromEntries(
    await Promise.all(proxied.map(async (service) => [service, await ServiceProxy.start(new URL(services[service]).origin)] as const)),
  ) as Record<Proxied, ServiceProxy>
  const instead = Object.fromEntries(proxied.map((service) => [service, proxies[service].url]))
  const controller = new Controller({ portBase: wanted.portBase, config: octaviaConf(place, { ...wanted, instead }) })
  await controller.start()
  const askAs =
    ({ token }: CloudUser): Stage['ask'] =>
    (method, path, body) =>
      controller.request<Record<string, unknown>>(method, `/v2${path}`, token, body)
  const ask = askAs(tenant)
  return {
    ...{ cloud, place, tenant, secret_ref, proxies, controller, ask, askAsAdministrator: askAs(cloud.admin) },
    subnets: network.subnets,
    qos_policy_id: qos.policy.id,
    settled(id) {
      return eventually(async () => {
        const { status, body } = await ask('GET', `/lbaas/loadbalancers/${id}`)
        if (status === 404) return null
        assert.equal(status, 200, JSON.stringify(body))
        const loadBalancer = body.loadbalancer as LoadBalancer
        return !loadBalancer.provisioning_status.startsWith('PENDING') && loadBalancer
      }, SETTLED_WITHIN_MS)
    },
    async takeBackSecret() {
      await cloud.ask('key-manager', 'DELETE', `${secretPath}/acl`, { as: tenant })
    },
    async restart() {
      await controller.stop()
      await controller.start()
    },
    async close() {
      try {
        await controller.down()
        for (const proxy of Object.values(proxies)) await proxy.stop()
        await cloud.ask('network', 'DELETE', `/qos/policies/${qos.policy.id}`)
        await cloud.ask('key-manager', 'DELETE', secretPath, { as: tenant })
        await network.remove()
        await place.remove()
      } finally {
        // Clients that run on would keep the caller from ending.
        cloud.close()
      }
    },
  }
}

async function tenantNetworks(cloud: RealCloud, as: CloudUser) {
  const subnets: Record<string, string> = {}
  const networks: string[] = []
  for (const [index, name] of ['front', 'back', 'other'].entries()) {
    const { network } = await cloud.ask<{ network: { id: string } }>('network', 'POST', '/networks', { body: { network: { name } }, as })
    const subnet = { name, network_id: network.id, ip_version: 4, cidr: `10.20.${index}.0/24` }
    const made = await cloud.ask<{ subnet: { id: string } }>('network', 'POST', '/subnets', { body: { subnet }, as })
    networks.push(network.id)
    subnets[name] = made.subnet.id
  }
  const remove = async () => {
    for (const id of networks) await cloud.ask('network', 'DELETE', `/networks/${id}`, { as })
  }
  return { subnets: subnets as Stage['subnets'], remove }
}

/** A certificate with its key as Octavia's guide stores it, a PKCS#12 bundle. */
async function storeBundle(cloud: RealCloud, as: CloudUser): Promise<string> {
  const bundle = await pkcs12Of(await aCertificate())
  const secret = {
    name: 'www.example',
    payload: bundle.toString('base64'),
    payload_content_type: 'application/octet-stream',
    payload_content_encoding: 'base64',
  }
  const { secret_ref } = await cloud.ask<{ secret_ref: string }>('key-manager', 'POST', '/secrets', { body: secret, as })
  return secret_ref
}

export async function pkcs12Of({ certificate, private_key }: { certificate: string; private_key: string }): Promise<Buffer> {
  const directory = mkdtempSync(join(tmpdir(), 'bundle-'))
  try {
    const [both, bundle] = ['both.pem', 'bundle.p12'].map((name) => join(directory, name)) as [string, string]
    writeFileSync(both, certificate + private_key)
    await exec('openssl', ['pkcs12', '-export', '-in', both, '-out', bundle, '-passout', 'pass:'])
    return readFileSync(bundle)
  } finally {
    rmSync(directory, { recursive: true })
  }
}
