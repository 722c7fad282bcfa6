import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { textOf } from '../cli/check.ts'
import { loadConfig } from '../config/config.ts'
import { configurationOf, makeCertificateSet, writeCertificateSet } from '../trust/certificate-set.ts'
import { check } from './check.ts'
import type { Finding } from './finding.ts'
import { allows, type Rule } from './network.ts'

const scratch = mkdtempSync(join(tmpdir(), 'ottavia-check-'))
after(() => rmSync(scratch, { recursive: true }))

/** Nothing listens there. */
const NOBODY = 'http://127.0.0.1:9'

async function findings(text: string): Promise<Finding[]> {
  const warnings: string[] = []
  const file = { name: join(scratch, 'octavia.conf'), text }
  const config = loadConfig({ stateDirectory: join(scratch, 'state'), file, warn: (warning) => warnings.push(warning) })
  return check({ config, warnings })
}

const only = (found: Finding[], area: Finding['area'], level: Finding['level']) =>
  found.filter((one) => one.area === area && one.level === level).map(({ says }) => says)

test('of the embedded cloud is said what there is', async () => {
  const found = await findings('[health_manager]\nbind_port = 45555\n[api_settings]\nbind_port = 49876')
  assert.deepEqual(
    found.filter(({ level }) => level === 'error'),
    [],
  )
  assert.match(only(found, 'compute', 'ok').join(), /compute_embedded_driver/)
  assert.match(only(found, 'database', 'ok').join(), /SQLite in .*made at the first start/)
  assert.match(textOf(found), /0 errors, 0 warnings$/)
})

test('where nobody answers every area says so, at once and with what to type', async () => {
  const login = `auth_url = ${NOBODY}\nusername = octavia\npassword = secret\nproject_name = service`
  const text = `[service_auth]\n${login}\n[keystone_authtoken]\n${login}\n[database]\nconnection = postgresql://octavia:secret@127.0.0.1:9/octavia\n`
  const found = await findings(text)
  for (const area of ['database', 'identity', 'compute', 'image', 'network'] as const) {
    const errors = found.filter((one) => one.area === area && one.level === 'error')
    assert.ok(errors.length > 0 && errors.every(({ type }) => type !== null), JSON.stringify([area, errors]))
  }
  assert.match(
    only(found, 'heartbeats', 'error').join(),
    /bind_ip = 127\.0\.0\.1: no amphora reaches that address.*controller_ip_port_list is missing/,
  )
  assert.match(only(found, 'certificates', 'warning').join(), /server_certs_key_passphrase is missing: each machine would make its own/)
  assert.ok(!JSON.stringify(found).includes('secret@') && !textOf(found).includes('secret@'))
})

test('an option that nobody knows is told, and a password that is missing', async () => {
  const found = await findings(`[nova]\nkolour = red\n[service_auth]\nauth_url = ${NOBODY}\nusername = octavia`)
  assert.match(only(found, 'configuration', 'warning').join(), /\[nova\] kolour/)
  assert.match(only(found, 'configuration', 'error').join(), /\[service_auth\] password: missing/)
})

test('ports that somebody has are told', async () => {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const tcp = (server.address() as { port: number }).port
  const found = await findings(`[health_manager]\nbind_port = ${socket.address().port}\n[api_settings]\nbind_port = ${tcp}`)
  assert.match(only(found, 'heartbeats', 'warning').join(), /is in use/)
  assert.match(only(found, 'api', 'warning').join(), /is in use/)
  socket.close()
  server.close()
})

test('what is wrong with certificates is told of each option', async () => {
  const set = await makeCertificateSet({ passphrase: 'open sesame', caDays: 3_650, clientDays: 3_650 })
  const directory = join(scratch, 'certs')
  writeCertificateSet(directory, set)
  const right = configurationOf(directory, set)
  const wrong = async (text: string, level: Finding['level']) => only(await findings(text), 'certificates', level).join('\n')
  assert.equal(await wrong(right, 'error'), '')
  assert.equal(await wrong(right, 'warning'), '')
  const swapped = right.replaceAll('client_ca.cert.pem', 'server_ca.cert.pem')
  assert.match(await wrong(swapped, 'error'), /client_cert is not signed by \[controller_worker\] client_ca/)
  assert.match(await wrong(swapped, 'warning'), /one CA signs for agents and for controllers/)
  assert.match(await wrong(right.replace('server_ca.key.pem', 'client_ca.key.pem'), 'error'), /not the key of ca_certificate/)
  assert.match(await wrong(right.replace('client.cert-and-key.pem', 'client_ca.cert.pem'), 'error'), /no passphrase is given/)
  assert.match(await wrong(right.replace(/^ca_private_key = .*\n/m, ''), 'error'), /ca_private_key is missing/)
  assert.match(await wrong(right.replace(/^client_ca = .*\n/m, ''), 'error'), /client_ca is missing/)
  assert.match(await wrong(right.replace(/(server_certs_key_passphrase = ).*/, '$1short'), 'warning'), /32 characters/)
  writeFileSync(join(directory, 'server_ca.key.pem'), 'no key')
  assert.match(await wrong(right, 'error'), /ca_private_key: the key in .* cannot be opened/)
})

test('a rule lets in what its protocol and its ports say', () => {
  const rule = (given: Partial<Rule>): Rule => ({
    direction: 'ingress',
    ethertype: 'IPv4',
    protocol: null,
    port_range_min: null,
    port_range_max: null,
    ...given,
  })
  const agents = (given: Partial<Rule>) => allows(rule(given), 'ingress', 'tcp', 9_443)
  assert.equal(agents({}), true)
  assert.equal(agents({ direction: 'egress' }), false)
  assert.equal(agents({ protocol: 'tcp' }), true)
  assert.equal(agents({ protocol: '6', port_range_min: 9_000, port_range_max: 9_443 }), true)
  assert.equal(agents({ protocol: 'tcp', port_range_min: 22, port_range_max: 22 }), false)
  assert.equal(agents({ protocol: 'udp' }), false)
})
