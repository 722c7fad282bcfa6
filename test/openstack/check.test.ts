/** `ottavia check` beside real services: all is well after a set-up as the guide has it, and each of several mistakes is named. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { check } from '../../src/check/check.ts'
import type { Finding } from '../../src/check/finding.ts'
import { loadConfig } from '../../src/config/config.ts'
import { configurationOf, makeCertificateSet, makePassphrase, writeCertificateSet } from '../../src/trust/certificate-set.ts'
import { call, passwordLogin } from '../support/embedded-services.ts'
import { KeystoneAdmin } from '../support/keystone-admin.ts'
import { noOpenStack } from '../support/openstack.ts'

const NOVA = 'http://127.0.0.1:8774/v2.1'
const NEUTRON = 'http://127.0.0.1:9696/v2.0'
const GLANCE = 'http://127.0.0.1:9292/v2'
const TAG = `barbican-check-${randomUUID()}`
/** A day: what a certificate of a test is valid for when it may end. */
const ONE_DAY = 1

type Body = Record<string, Record<string, unknown> & { id: string }>

describe('ottavia check', { skip: noOpenStack ?? false }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'ottavia-check-'))
  const undo: (() => Promise<unknown>)[] = []
  let keystone: string
  let token: string
  let admin: KeystoneAdmin
  /** Of the project `service`. */
  let projectId: string
  /** Sections of octavia.conf as the guide has them. */
  let right: Record<string, Record<string, string>>
  let certificates: string

  before(async () => {
    keystone = process.env.OS_AUTH_URL!.replace(/\/$/, '')
    admin = new KeystoneAdmin(keystone, process.env.OS_PASSWORD!)
    const login = passwordLogin('octavia', 'secret', { project: { name: 'service', domain: { id: 'default' } } })
    token = (await call('POST', `${keystone}/auth/tokens`, undefined, login)).headers.get('x-subject-token')!

    const flavor = await make(`${NOVA}/flavors`, 'flavor', { name: TAG, ram: 1024, disk: 4, vcpus: 1 })
    await make(`${NOVA}/os-keypairs`, 'keypair', { name: TAG }, TAG)
    const network = await make(`${NEUTRON}/networks`, 'network', { name: TAG })
    await make(`${NEUTRON}/subnets`, 'subnet', { name: TAG, network_id: network, ip_version: 4, cidr: '192.0.2.0/24' })
    const group = await make(`${NEUTRON}/security-groups`, 'security_group', { name: TAG })
    const rule = { security_group_id: group, direction: 'ingress', protocol: 'tcp', port_range_min: 9443, port_range_max: 9443 }
    await make(`${NEUTRON}/security-group-rules`, 'security_group_rule', rule)
    const image = await call('POST', `${GLANCE}/images`, token, { name: TAG, tags: [TAG], disk_format: 'raw', container_format: 'bare' })
    const { id, owner } = image.body as { id: string; owner: string }
    projectId = owner
    undo.unshift(() => call('DELETE', `${GLANCE}/images/${id}`, token))
    await fetch(`${GLANCE}/images/${id}/file`, {
      method: 'PUT',
      headers: { 'x-auth-token': token, 'content-type': 'application/octet-stream' },
      body: 'an image',
    })

    certificates = await aCertificateSet('certs', 3_650)
    const port = String(await freePort())
    right = {
      api_settings: { bind_host: '127.0.0.1', bind_port: String(await freePort()) },
      keystone_authtoken: { auth_url: keystone, username: 'octavia', password: 'secret', project_name: 'service' },
      service_auth: { auth_url: keystone, username: 'octavia', password: 'secret', project_name: 'service' },
      controller_worker: {
        amp_flavor_id: flavor,
        amp_image_tag: TAG,
        amp_image_owner_id: owner,
        amp_ssh_key_name: TAG,
        amp_boot_network_list: network,
        amp_secgroup_list: group,
      },
      health_manager: {
        bind_ip: '0.0.0.0',
        bind_port: port,
        controller_ip_port_list: `192.0.2.5:${port}`,
        heartbeat_key: randomUUID(),
      },
    }
  })
  after(async () => {
    for (const step of undo) await step()
    rmSync(scratch, { recursive: true })
  })

  /** Answers its id, and has it taken away in the end. */
  async function make(url: string, key: string, wanted: object, name?: string): Promise<string> {
    const { status, body } = await call('POST', url, token, { [key]: wanted })
    assert.ok(status < 300, `${url}: ${status} ${JSON.stringify(body)}`)
    const id = name ?? (body as Body)[key]!.id
    undo.unshift(() => call('DELETE', `${url}/${id}`, token))
    return id
  }

  async function aCertificateSet(name: string, days: number): Promise<string> {
    const directory = join(scratch, name)
    const set = await makeCertificateSet({ passphrase: makePassphrase(), caDays: days, clientDays: days })
    writeCertificateSet(directory, set)
    return configurationOf(directory, set)
  }

  async function findings(different: Record<string, Record<string, string>> = {}, certs = certificates): Promise<Finding[]> {
    const sections = Object.keys({ ...right, ...different }).map((section) => {
      const options = Object.entries({ ...right[section], ...different[section] })
      return [`[${section}]`, ...options.map(([name, value]) => `${name} = ${value}`)].join('\n')
    })
    const warnings: string[] = []
    const file = { name: join(scratch, 'octavia.conf'), text: [...sections, certs].join('\n') }
    const config = loadConfig({ stateDirectory: join(scratch, 'state'), file, warn: (warning) => warnings.push(warning) })
    return check({ config, warnings })
  }

  /** What is said of the difference, and that nothing else becomes an error by it, but in those areas. */
  async function names(said: RegExp, different: Record<string, Record<string, string>>, areas: Finding['area'][], certs?: string) {
    const found = await findings(different, certs)
    const errors = found.filter(({ level }) => level === 'error')
    assert.ok(
      errors.some(({ says, type }) => said.test(says) && type !== null),
      JSON.stringify(found, null, 1),
    )
    assert.deepEqual([...new Set(errors.map(({ area }) => area))].sort(), areas.sort(), JSON.stringify(errors, null, 1))
  }

  test('all is well where all is as it should be', async () => {
    const found = await findings()
    assert.deepEqual(
      found.filter(({ level }) => level !== 'ok'),
      [],
    )
    const said = found.map(({ says }) => says).join('\n')
    for (const wanted of [TAG, 'may create servers', 'make ports for tenants', '192.0.2.5:', 'Barbican answers', 'roles admin'])
      assert.ok(said.includes(wanted), `${wanted}\n${said}`)
  })

  test('nothing was made', async () => {
    await findings()
    const servers = (await call('GET', `${NOVA}/servers?name=ottavia-check`, token)).body.servers
    const ports = (await call('GET', `${NEUTRON}/ports?name=ottavia-check`, token)).body.ports
    assert.deepEqual([servers, ports], [[], []])
  })

  test('a wrong password', async () => {
    const asked: Finding['area'][] = ['identity', 'compute', 'image', 'network', 'api']
    await names(/the service user cannot log in/, { service_auth: { password: 'wrong' } }, asked)
    await names(/tokens of users cannot be validated/, { keystone_authtoken: { password: 'wrong' } }, ['identity'])
  })

  test('a role that is missing', async () => {
    const user = await admin.createUser()
    await admin.assign(user, { project: { id: projectId } }, ['member'])
    const service_auth = { username: user.name, password: user.password }
    const found = await findings({ service_auth })
    const said = (level: Finding['level']) => found.filter((one) => one.level === level).map(({ says }) => says)
    assert.match(said('warning').join('\n'), /lacks the role admin/)
    assert.match(said('error').join('\n'), /does not let the service user make ports for tenants/)
  })

  test('things that are not there', async () => {
    const nowhere = randomUUID()
    const worker = (controller_worker: Record<string, string>) => ({ controller_worker })
    await names(/amp_flavor_id = .*: Nova has no such flavor/, worker({ amp_flavor_id: nowhere }), ['compute'])
    await names(/no such key pair/, worker({ amp_ssh_key_name: nowhere }), ['compute'])
    await names(/amp_boot_network_list: Neutron has no network/, worker({ amp_boot_network_list: nowhere }), ['network'])
    await names(/amp_secgroup_list: Neutron has no security group/, worker({ amp_secgroup_list: nowhere }), ['network'])
    await names(/no active image with the tag/, worker({ amp_image_tag: nowhere }), ['image'])
    await names(/\[nova\] availability_zone/, { nova: { availability_zone: nowhere } }, ['compute'])
  })

  test('a security group that lets nobody in', async () => {
    const group = await make(`${NEUTRON}/security-groups`, 'security_group', { name: `${TAG}-closed` })
    await names(/no rule lets controllers in on 9443\/tcp/, { controller_worker: { amp_secgroup_list: group } }, ['network'])
  })

  test('certificates that end soon, or are not what they should be', async () => {
    const ending = await aCertificateSet('ending', ONE_DAY)
    const found = await findings({}, ending)
    const warned = found.filter(({ area, level }) => area === 'certificates' && level === 'warning').map(({ says }) => says)
    assert.match(warned.join('\n'), /ca_certificate: .* ends on/)
    assert.match(warned.join('\n'), /client_cert: .* ends on/)
    const other = await aCertificateSet('other', 3_650)
    const mixed = certificates.replace(/^client_ca = .*$/m, /^client_ca = .*$/m.exec(other)![0])
    await names(/client_cert is not signed by \[controller_worker\] client_ca/, {}, ['certificates'], mixed)
    const unopened = certificates.replace(/^ca_private_key_passphrase = .*$/m, 'ca_private_key_passphrase = wrong')
    await names(/its passphrase is wrong/, {}, ['certificates'], unopened)
    writeFileSync(join(scratch, 'empty.pem'), '')
    const empty = certificates.replace(/^ca_certificate = .*$/m, `ca_certificate = ${join(scratch, 'empty.pem')}`)
    await names(/holds no certificate/, {}, ['certificates'], empty)
  })

  test('heartbeats that nobody would hear', async () => {
    const bind_port = String(await freePort())
    await names(/no entry with the port/, { health_manager: { bind_port } }, ['heartbeats'])
    await names(/leads to the amphora itself/, { health_manager: { bind_port, controller_ip_port_list: `127.0.0.1:${bind_port}` } }, [
      'heartbeats',
    ])
    await names(/not an address of this machine/, { health_manager: { bind_ip: '192.0.2.99' } }, ['heartbeats'])
  })

  test('one service that is not there hides no other', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`
    await names(/Nova gave no answer/, { nova: { endpoint_override: nobody } }, ['compute'])
    await names(
      /the database cannot be asked/,
      { database: { connection: `postgresql://octavia@127.0.0.1:${await freePort()}/octavia` } },
      ['database'],
    )
    await names(/MySQL is not supported/, { database: { connection: 'mysql+pymysql://octavia:secret@127.0.0.1/octavia' } }, ['database'])
  })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
