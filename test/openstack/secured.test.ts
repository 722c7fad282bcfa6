/**
 * Real services as clouds have them that take security seriously: each behind TLS with a CA of its own, one of which asks for our certificate, and an application credential instead of a
 * password. Amphorae get their files by user data, as with Octavia's `user_data_config_drive`.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ConfigSource, loadConfig } from '../../src/config/config.ts'
import { NovaCompute } from '../../src/drivers/compute/nova.ts'
import { IdentityUnavailable } from '../../src/drivers/errors.ts'
import { NeutronNetwork } from '../../src/drivers/network/neutron.ts'
import { openStackSession } from '../../src/drivers/openstack/session.ts'
import { during } from '../../src/lib/activity.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { noOpenStack } from '../support/openstack.ts'
import { type CloudUser, RealCloud } from '../support/openstack-cloud.ts'
import { type OctaviaPlace, octaviaConf, prepareOctavia } from '../support/openstack-octavia.ts'
import { startTlsProxies, type TlsProxies } from '../support/tls-proxies.ts'

const PORT_BASE = 24_100
const DONE_WITHIN_MS = 180_000
const LOOK_INTERVAL_MS = 500
/** What is pointless is not tried again: a flow would have the patience of minutes. */
const AT_ONCE_MS = 10_000

describe('services behind TLS, and an application credential', { skip: noOpenStack ?? false }, () => {
  let cloud: RealCloud
  let place: OctaviaPlace
  let tenant: CloudUser
  let proxies: TlsProxies
  let credential: { id: string; secret: string }
  const undo: (() => Promise<unknown>)[] = []

  before(async () => {
    cloud = await RealCloud.open()
    undo.unshift(async () => cloud.close())
    tenant = await cloud.aUser(['member'])
    proxies = await startTlsProxies()
    undo.unshift(() => proxies.stop())
    place = await prepareOctavia(cloud)
    undo.unshift(() => place.remove())
    credential = await aCredential()
  })
  after(async () => {
    for (const step of undo) await step()
  })

  /** Of the service user, with all of his roles, but for the right to make more of them. */
  async function aCredential(): Promise<{ id: string; secret: string }> {
    const path = `/users/${place.user.id}/application_credentials`
    const wanted = { name: `secured-${randomUUID()}`, unrestricted: false }
    const body = { application_credential: wanted }
    const made = await cloud.ask<{ application_credential: { id: string; secret: string } }>('identity', 'POST', path, {
      body,
      as: place.user,
    })
    const { id, secret } = made.application_credential
    undo.unshift(() => cloud.try('identity', 'DELETE', `${path}/${id}`, { as: place.user }))
    return { id, secret }
  }

  test('a load balancer is made, serves and goes', async () => {
    const { network } = await cloud.ask<{ network: { id: string } }>('network', 'POST', '/networks', {
      body: { network: { name: 'front' } },
      as: tenant,
    })
    undo.unshift(() => cloud.ask('network', 'DELETE', `/networks/${network.id}`, { as: tenant }))
    const wanted = { name: 'front', network_id: network.id, ip_version: 4, cidr: '10.20.0.0/24' }
    const { subnet } = await cloud.ask<{ subnet: { id: string } }>('network', 'POST', '/subnets', { body: { subnet: wanted }, as: tenant })

    const { urls, cas, client } = proxies
    const login = [`auth_url = ${urls.identity}`, 'auth_type = v3applicationcredential']
    const secret = [`application_credential_id = ${credential.id}`, `application_credential_secret = ${credential.secret}`]
    const ofAll = [`cafile = ${cas.identity}`, `certfile = ${client.certificate}`, `keyfile = ${client.key}`]
    const config = octaviaConf(place, {
      portBase: PORT_BASE,
      instead: urls,
      login: [...login, ...secret, ...ofAll],
      more: {
        keystone_authtoken: [`cafile = ${cas.identity}`],
        nova: [`ca_certificates_file = ${cas.compute}`],
        neutron: [`ca_certificates_file = ${cas.network}`],
        glance: [`ca_certificates_file = ${cas.image}`],
        certificates: [`ca_certificates_file = ${cas['key-manager']}`],
        controller_worker: ['user_data_config_drive = true'],
      },
    })
    const controller = new Controller({ portBase: PORT_BASE, config })
    await controller.start()
    try {
      const ask = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
        const answer = await controller.request<T>(method, `/v2/lbaas${path}`, tenant.token, body)
        assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
        return answer.body
      }
      const listeners = [{ name: 'http', protocol: 'HTTP', protocol_port: 80 }]
      const { loadbalancer } = await ask<{ loadbalancer: { id: string } }>('POST', '/loadbalancers', {
        loadbalancer: { name: 'secured', vip_subnet_id: subnet.id, listeners },
      })
      // ONLINE by a heartbeat, whose key was in the user data.
      await eventually(async () => {
        await sleep(LOOK_INTERVAL_MS)
        const { loadbalancer: shown } = await ask<{ loadbalancer: Record<string, string> }>('GET', `/loadbalancers/${loadbalancer.id}`)
        assert.deepEqual([shown.provisioning_status, shown.operating_status], ['ACTIVE', 'ONLINE'])
      }, DONE_WITHIN_MS)
      await checkDrive()
      await ask('DELETE', `/loadbalancers/${loadbalancer.id}?cascade=true`)
      await eventually(async () => {
        await sleep(LOOK_INTERVAL_MS)
        assert.deepEqual((await ask<{ loadbalancers: unknown[] }>('GET', '/loadbalancers')).loadbalancers, [])
      }, DONE_WITHIN_MS)
    } catch (error) {
      console.error(controller.output.slice(-4_000), await controller.ottavia('flow', 'list'))
      throw error
    } finally {
      await controller.down()
    }
  })

  /** Nova was given nothing but user data. */
  async function checkDrive(): Promise<void> {
    const [server] = await cloud.list('compute', `/servers/detail?name=^amphora-&image=${place.image_id}`, 'servers', place.user)
    const [drive] = globSync(join(process.env.OPENSTACK_STATE!, '*', 'instances', server!.id, 'config', 'openstack', 'latest'))
    assert.ok(drive !== undefined)
    const { files = [] } = JSON.parse(readFileSync(join(drive, 'meta_data.json'), 'utf8')) as { files?: unknown[] }
    assert.deepEqual(files, [])
    assert.match(readFileSync(join(drive, 'user_data'), 'utf8'), /^#cloud-config\n.*"\/etc\/octavia\/amphora-agent.conf"/s)
  }

  function sessionWith(different: Record<string, Record<string, unknown>>) {
    const { urls, cas, client } = proxies
    const login = { auth_url: urls.identity, auth_type: 'v3applicationcredential' as const }
    const secret = { application_credential_id: credential.id, application_credential_secret: credential.secret }
    const ofAll = { cafile: cas.identity, certfile: client.certificate, keyfile: client.key }
    const overrides = {
      service_auth: { ...login, ...secret, ...ofAll, ...different.service_auth },
      nova: { endpoint_override: `${urls.compute}/v2.1`, ca_certificates_file: cas.compute, ...different.nova },
      neutron: { endpoint_override: urls.network, ca_certificates_file: cas.network, ...different.neutron },
    } satisfies ConfigSource['overrides']
    const config = loadConfig({ stateDirectory: '/nowhere', overrides })
    const session = openStackSession({ config, clock: systemClock, log: createLog('silent') })
    return { session, nova: new NovaCompute({ config, session, clock: systemClock }), neutron: new NeutronNetwork(session, config) }
  }

  test('a CA of another service is said to be wrong, at once', async () => {
    const { session, nova, neutron } = sessionWith({ nova: { ca_certificates_file: proxies.cas.image } })
    try {
      const started = performance.now()
      await during({ flow_id: 'flow' }, () =>
        assert.rejects(nova.checkAvailabilityZone('nova'), /Nova gave no answer to GET .*: its certificate is not trusted/),
      )
      assert.ok(performance.now() - started < AT_ONCE_MS)
      assert.deepEqual(await neutron.listPortsOfDevice(randomUUID()), [])
    } finally {
      session.close()
    }
  })

  test('without our certificate the service that asks for one gives no answer, and others do', async () => {
    const { session, nova, neutron } = sessionWith({ service_auth: { certfile: null, keyfile: null } })
    try {
      await nova.checkAvailabilityZone('nova')
      await assert.rejects(neutron.listPortsOfDevice(randomUUID()), /Neutron gave no answer/)
    } finally {
      session.close()
    }
  })

  test('a credential that is revoked is said to be refused', async () => {
    const revoked = await aCredential()
    await cloud.ask('identity', 'DELETE', `/users/${place.user.id}/application_credentials/${revoked.id}`, { as: place.user })
    const login = { application_credential_id: revoked.id, application_credential_secret: revoked.secret }
    const { session, nova } = sessionWith({ service_auth: login })
    try {
      await assert.rejects(
        nova.checkAvailabilityZone('nova'),
        (error: unknown) => error instanceof IdentityUnavailable && /refuses the service user of \[service_auth\] with/.test(error.message),
      )
    } finally {
      session.close()
    }
  })
})
