import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { exec } from '../../src/lib/exec.ts'
import { aCertificate, type Issued } from '../support/certificates.ts'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { privateSubnetId } from '../support/private-subnet.ts'

test('no key, token or password is found in the database, in the logs or in the history of flows', async () => {
  const controller = await new Controller({ portBase: 22_300 }).start()
  const { stateDirectory } = controller
  try {
    const token = await controller.token()
    const created = await controller.request<{ loadbalancer: { id: string } }>('POST', '/v2/lbaas/loadbalancers', token, {
      loadbalancer: { name: 'secretive', vip_subnet_id: await privateSubnetId(controller) },
    })
    const { id } = created.body.loadbalancer
    await eventually(async () => {
      const { body } = await controller.request<{ loadbalancer: { provisioning_status: string } }>(
        'GET',
        `/v2/lbaas/loadbalancers/${id}`,
        token,
      )
      return body.loadbalancer.provisioning_status === 'ACTIVE'
    }, 10_000)
    const users = await serveWithUsersKeys(controller, token, id)
    const { body } = await controller.request<{ amphorae: { compute_id: string }[] }>('GET', '/v2/octavia/amphorae', token)
    const inside = async (path: string) => controller.ottavia('lab', 'amphora', 'exec', body.amphorae[0]!.compute_id, '--', 'cat', path)
    const serverPem = await inside('/etc/octavia/certs/server.pem')

    const secrets: Record<string, string> = {
      token,
      'password of admin': controller.credentials().OS_PASSWORD!,
      'password of demo': controller.credentials('openrc-demo').OS_PASSWORD!,
      "key of an agent's certificate": privateText(serverPem),
      "key of a user's certificate": privateText(users.first),
      'key of its renewal': privateText(users.renewed),
    }
    for (const name of ['heartbeat.key', 'server-certificates.key']) secrets[name] = readFileSync(join(stateDirectory, name), 'utf8').trim()
    for (const name of ['server_ca.key', 'client_ca.key', 'client.pem'])
      secrets[name] = privateText(readFileSync(join(stateDirectory, 'certs', name), 'utf8'))

    const places: Record<string, string> = { 'output of the controller': controller.output }
    for (const name of ['ottavia.db', 'ottavia.db-wal']) {
      const path = join(stateDirectory, name)
      if (existsSync(path)) places[name] = readFileSync(path, 'latin1')
    }
    for (const name of readdirSync(join(stateDirectory, 'log'))) places[name] = readFileSync(join(stateDirectory, 'log', name), 'latin1')
    places['flow list'] = await controller.ottavia('flow', 'list')
    for (const flowId of new Set(places['flow list'].match(/^\| [0-9a-f]{8}-[0-9a-f-]{27}/gm))) {
      places[`flow show ${flowId}`] = await controller.ottavia('flow', 'show', flowId.slice(2))
    }
    const history = Object.values(places).join()
    for (const flow of ['create-load-balancer', 'create-listener', 'refresh-certificates']) assert.ok(history.includes(`| ${flow} `), flow)
    places.events = JSON.stringify((await controller.request('GET', `/v2/lbaas/loadbalancers/${id}/events`, token)).body)
    assert.match(places.events, /refresh_certificates/)

    for (const [secret, value] of Object.entries(secrets)) {
      assert.ok(value.length >= 8, `${secret} is known`)
      for (const [place, text] of Object.entries(places)) assert.ok(!text.includes(value), `the ${secret} is in ${place}`)
    }
  } finally {
    await controller.down()
  }
})

/** A listener with a certificate that is renewed under its reference; answers the private keys. */
async function serveWithUsersKeys(controller: Controller, token: string, loadbalancer_id: string) {
  const [first, renewed] = [await aCertificate(), await aCertificate()]
  const store = async (method: string, path: string, body: string | Uint8Array<ArrayBuffer>, contentType: string) => {
    const headers = { 'x-auth-token': token, 'content-type': contentType }
    const response = await fetch(`http://127.0.0.1:${controller.portBase + 3}${path}`, { method, headers, body })
    assert.ok(response.ok, `${method} ${path}: ${response.status}`)
    return response
  }
  const payload = (await bundled(first)).toString('base64')
  const content = { payload, payload_content_type: 'application/octet-stream', payload_content_encoding: 'base64' }
  const answer = await store('POST', '/v1/secrets', JSON.stringify({ name: 'bundle', ...content }), 'application/json')
  const { secret_ref } = (await answer.json()) as { secret_ref: string }
  const listener = { loadbalancer_id, protocol: 'TERMINATED_HTTPS', protocol_port: 443, default_tls_container_ref: secret_ref }
  const created = await controller.request<{ listener: { id: string } }>('POST', '/v2/lbaas/listeners', token, { listener })
  assert.equal(created.status, 201, JSON.stringify(created.body))
  const inService = async (bundle: Issued) => {
    const path = `/v2/lbaas/listeners/${created.body.listener.id}`
    const { body } = await controller.request<{ listener: { tls_certificates?: { fingerprint: string }[] } }>('GET', path, token)
    return body.listener.tls_certificates?.[0]?.fingerprint === new X509Certificate(bundle.certificate).fingerprint256
  }
  await eventually(() => inService(first), 10_000)
  await store('PUT', `${new URL(secret_ref).pathname}/payload`, new Uint8Array(await bundled(renewed)), 'application/octet-stream')
  // Housekeeping looks every ten seconds.
  await eventually(() => inService(renewed), 25_000)
  return { first: first.private_key, renewed: renewed.private_key }
}

async function bundled({ certificate, private_key }: Issued): Promise<Buffer> {
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-bundle-'))
  try {
    writeFileSync(join(directory, 'both.pem'), certificate + private_key)
    await exec('openssl', ['pkcs12', '-export', '-in', 'both.pem', '-out', 'bundle.p12', '-passout', 'pass:'], { cwd: directory })
    return readFileSync(join(directory, 'bundle.p12'))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/**
 * A part of a private key's text that holds nothing but the private number: behind it, in keys of P-256 by PKCS#8, stands the public one, which is
 * in certificates, too, and with luck in the same letters.
 */
function privateText(pem: string): string {
  const [key = '', body = ''] = /-----BEGIN PRIVATE KEY-----\n([\s\S]+?)-----END PRIVATE KEY-----/.exec(pem) ?? []
  assert.equal(createPrivateKey(key).asymmetricKeyDetails?.namedCurve, 'prime256v1')
  return body.split('\n')[1]!.slice(0, 24)
}
