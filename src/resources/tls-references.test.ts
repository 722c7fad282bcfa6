import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import { fault } from '../../test/support/api-client.ts'
import { aCertificate, anAuthority, aRevocationList } from '../../test/support/certificates.ts'
import { aCloud, type Cloud } from '../../test/support/cloud.ts'
import { everything } from '../drivers/amphora/capabilities.ts'
import { NoSecretStoreError } from '../drivers/errors.ts'

const https = { protocol: 'TERMINATED_HTTPS', protocol_port: 443 }
const http = { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' }
const nowhere = 'http://secrets.example/v1/secrets/11111111-1111-4111-8111-111111111111'
const caInvalid =
  /^Validation failure: The client authentication CA certificate is invalid\. It must be a valid x509 PEM format certificate\. Error: /
const listInvalid = /^Validation failure: The client authentication certificate revocation list is invalid\. It must be a valid x509 PEM/
const listOfAnother = 'Validation failure: The CRL specified is not valid for client certificate authority reference supplied.'

async function authorityIn(cloud: Cloud) {
  const authority = await anAuthority()
  return { ca: cloud.certificates.addSecret(authority.certificate), crl: cloud.certificates.addSecret(await aRevocationList(authority)) }
}

test('a listener’s certificates must be there, and are all named when they are not', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  const known = cloud.certificates.addCertificate()
  const refuses = (body: object, text: string) => assert.rejects(api.createListener(loadBalancer, { ...https, ...body }), fault(400, text))
  await refuses({ default_tls_container_ref: 'x' }, "Could not retrieve certificate: ['x']")
  await refuses(
    { default_tls_container_ref: nowhere, sni_container_refs: ['y', known] },
    `Could not retrieve certificate: ['y', '${nowhere}']`,
  )
  await refuses({ sni_container_refs: [''] }, "Could not retrieve certificate: ['']")
  await refuses(
    { default_tls_container_ref: '' },
    'Validation failure: An SNI or default certificate container reference must be provided for TERMINATED_HTTPS protocol listeners.',
  )
  const unreadable = cloud.certificates.addCertificate({ bundle: null })
  await refuses(
    { default_tls_container_ref: 'x', sni_container_refs: [unreadable] },
    'The PKCS12 bundle is unreadable. Please check the PKCS12 bundle validity. In addition, make sure it does not require a pass phrase. ' +
      'Error: it is not a PKCS12 bundle',
  )
  assert.deepEqual(await api.list('/v2/lbaas/listeners'), [])
  assert.equal((await api.show(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)).provisioning_status, 'ACTIVE')

  const listener = await api.createListener(loadBalancer, { ...https, default_tls_container_ref: known, sni_container_refs: [known] })
  assert.deepEqual([listener.default_tls_container_ref, listener.sni_container_refs], [known, [known]])
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const path = `/v2/lbaas/listeners/${listener.id}`
  await assert.rejects(api.update(path, { sni_container_refs: ['z'] }), fault(400, "Could not retrieve certificate: ['z']"))
  await api.update(path, { sni_container_refs: [cloud.certificates.addCertificate()] })
})

test('a client CA is an X.509 certificate, and its revocation list is its own', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  const [own, other] = [await authorityIn(cloud), await authorityIn(cloud)]
  const noPem = cloud.certificates.addSecret('no PEM')
  const body = (client_ca_tls_container_ref: string, client_crl_container_ref: string | null = null) => ({
    ...https,
    default_tls_container_ref: cloud.certificates.addCertificate(),
    client_authentication: 'MANDATORY',
    client_ca_tls_container_ref,
    client_crl_container_ref,
  })
  const refuses = (ca: string, crl: string | null, text: string | RegExp) =>
    assert.rejects(api.createListener(loadBalancer, body(ca, crl)), fault(400, text))
  await refuses(nowhere, 'x', `Could not retrieve certificate: ['${nowhere}', 'x']`)
  await refuses(own.ca, 'x', "Could not retrieve certificate: ['x']")
  await refuses(noPem, null, caInvalid)
  await refuses(own.ca, noPem, listInvalid)
  await refuses(own.ca, other.crl, listOfAnother)

  const listener = await api.createListener(loadBalancer, body(own.ca, own.crl))
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const path = `/v2/lbaas/listeners/${listener.id}`
  // The list stays, and is none of the new CA.
  await assert.rejects(api.update(path, { client_ca_tls_container_ref: other.ca }), fault(400, listOfAnother))
  await api.update(path, { client_ca_tls_container_ref: other.ca, client_crl_container_ref: other.crl })
})

test('a pool’s certificate, CA and revocation list are checked as a listener’s', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  const [own, other] = [await authorityIn(cloud), await authorityIn(cloud)]
  const tls_container_ref = cloud.certificates.addCertificate()
  const refuses = (body: object, text: string | RegExp) =>
    assert.rejects(api.createPool(loadBalancer, { ...http, tls_enabled: true, ...body }), fault(400, text))
  await refuses({ tls_container_ref: 'x', ca_tls_container_ref: 'y' }, "Could not retrieve certificate: ['x']")
  await refuses({ tls_container_ref, ca_tls_container_ref: 'y' }, "Could not retrieve certificate: ['y']")
  await refuses({ ca_tls_container_ref: cloud.certificates.addSecret('') }, caInvalid)
  await refuses({ ca_tls_container_ref: own.ca, crl_container_ref: other.crl }, listOfAnother)

  const tls = { tls_container_ref, ca_tls_container_ref: own.ca, crl_container_ref: own.crl }
  const pool = await api.createPool(loadBalancer, { ...http, tls_enabled: true, ...tls })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const path = `/v2/lbaas/pools/${pool.id}`
  await assert.rejects(api.update(path, { tls_container_ref: 'x' }), fault(400, "Could not retrieve certificate: ['x']"))
  await assert.rejects(api.update(path, { ca_tls_container_ref: other.ca }), fault(400, listOfAnother))
  await api.update(path, { ca_tls_container_ref: other.ca, crl_container_ref: null })
})

test('within a fully populated create they are checked too, and nothing is left', async () => {
  const { api, cloud } = await aCloud().empty()
  const known = cloud.certificates.addCertificate()
  const tree = (default_tls_container_ref: string, tls_container_ref: string) =>
    cloud.aBody({
      listeners: [{ ...https, default_tls_container_ref, default_pool: { ...http, name: 'p', tls_enabled: true, tls_container_ref } }],
    })
  await assert.rejects(api.createLoadBalancer(tree('x', known)), fault(400, "Could not retrieve certificate: ['x']"))
  await assert.rejects(api.createLoadBalancer(tree('x', 'y')), fault(400, "Could not retrieve certificate: ['y']"))
  assert.deepEqual(cloud.network.ports, [])
  const made = await api.createLoadBalancer(tree(known, known))
  await api.waitFor(`/v2/lbaas/loadbalancers/${made.id}`)
})

test('another project’s certificate does not exist for the one who asks', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const member = cloud.apiAs('project-1', 'member', 'reader')
  const { id } = await member.createLoadBalancer(cloud.aBody())
  const loadBalancer = await member.waitFor(`/v2/lbaas/loadbalancers/${id}`)
  const [own, others] = ['project-1', 'project-2'].map((project_id) => cloud.certificates.addCertificate({ project_id }))
  await assert.rejects(
    member.createListener(loadBalancer, { ...https, default_tls_container_ref: others }),
    fault(400, `Could not retrieve certificate: ['${others}']`),
  )
  await member.createListener(loadBalancer, { ...https, default_tls_container_ref: own })
})

test('the store is asked with the token of whoever asks', async () => {
  const { cloud } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const headers = cloud.identity.issue('project-1', ['member', 'reader'])
  const member = cloud.api.as(headers)
  const { id } = await member.createLoadBalancer(cloud.aBody())
  const loadBalancer = await member.waitFor(`/v2/lbaas/loadbalancers/${id}`)
  const { checkCertificate } = cloud.certificates
  const tokens: unknown[] = []
  cloud.certificates.checkCertificate = async (reference, reader) => {
    tokens.push(reader !== null && 'token' in reader ? reader.token : null)
    return checkCertificate.call(cloud.certificates, reference, reader)
  }
  await member.createListener(loadBalancer, { ...https, default_tls_container_ref: cloud.certificates.addCertificate() })
  assert.deepEqual(tokens, Object.values(headers))
})

test('the store is not asked within a transaction, nor for what is refused before', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  const known = cloud.certificates.addCertificate()
  // Of a database with one connection a second transaction would wait for the first.
  const { checkCertificate } = cloud.certificates
  let asked = 0
  cloud.certificates.checkCertificate = async (...reference) => {
    asked += 1
    await cloud.db.transaction().execute((tx) => tx.selectFrom('load_balancer').select('id').execute())
    return checkCertificate.apply(cloud.certificates, reference)
  }
  await assert.rejects(
    api.createListener(loadBalancer, { ...https, default_tls_container_ref: known, insert_headers: { x: 'true' } }),
    fault(400, /is not a valid option for insert_headers/),
  )
  await assert.rejects(
    api.createListener({ ...loadBalancer, id: '11111111-1111-4111-8111-111111111111' }, { ...https, default_tls_container_ref: known }),
    fault(404, /^Load Balancer .* not found\.$/),
  )
  assert.equal(asked, 0)
  await api.createListener(loadBalancer, { ...https, default_tls_container_ref: known })
  assert.equal(asked, 1)
})

test('a deployment without a store says so, unless the provider has no TLS anyway', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  cloud.certificates.failNext('checkCertificate', new NoSecretStoreError())
  const body = { ...https, default_tls_container_ref: 'x' }
  await assert.rejects(
    api.createListener(loadBalancer, body),
    fault(400, "Validation failure: This deployment has no secret store, so it cannot retrieve: ['x']"),
  )
  cloud.amphora.capabilities = { ...everything, listener_protocols: ['HTTP'], listener_tls: false }
  await assert.rejects(api.createListener(loadBalancer, body), fault(501, /does not support TERMINATED_HTTPS protocol/))
})

/** What is wrong with each kind of material, by the reference that has it; the clock of the test stands at the beginning of 2026. */
async function flawedIn({ certificates }: Cloud) {
  const good = await aCertificate()
  const bundle = (changes: Partial<typeof good>) => certificates.addCertificate({ bundle: { ...good, ...changes } })
  const cut = good.certificate.replace(/^[^-]{40}/m, '')
  const encrypted = createPrivateKey(good.private_key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'secret' })
  return [
    [bundle({ certificate: '' }), 'there is no certificate that can be read.'],
    [bundle({ certificate: cut }), 'there is no certificate that can be read.'],
    [bundle({ private_key: '' }), 'there is no private key that can be read.'],
    [bundle({ private_key: encrypted as string }), 'there is no private key that can be read.'],
    [bundle({ private_key: (await aCertificate()).private_key }), 'the private key is not that of the certificate.'],
    [bundle({ intermediates: ['no PEM'] }), 'an intermediate certificate cannot be read.'],
    [bundle(await aCertificate({ key: 'rsa-1024' })), 'the certificate, its key or its chain is too weak to be served.'],
    [bundle(await aCertificate({ to: '2025-12-31T00:00:00Z' })), 'it expired at 2025-12-31T00:00:00.'],
    [bundle(await aCertificate({ from: '2026-01-02T00:00:00Z' })), 'it is not valid before 2026-01-02T00:00:00.'],
  ] as const
}

test('a certificate that could not be served is refused, and the fault names field and reference', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  const good = cloud.certificates.addCertificate()
  for (const [reference, why] of await flawedIn(cloud)) {
    const asDefault = api.createListener(loadBalancer, { ...https, default_tls_container_ref: reference })
    await assert.rejects(asDefault, fault(400, `Validation failure: default_tls_container_ref ${reference}: ${why}`))
    const forSni = api.createListener(loadBalancer, { ...https, default_tls_container_ref: good, sni_container_refs: [good, reference] })
    await assert.rejects(forSni, fault(400, `Validation failure: sni_container_refs ${reference}: ${why}`))
    const ofPool = api.createPool(loadBalancer, { ...http, tls_enabled: true, tls_container_ref: reference })
    await assert.rejects(ofPool, fault(400, `Validation failure: tls_container_ref ${reference}: ${why}`))
    const inTree = api.createLoadBalancer(cloud.aBody({ listeners: [{ ...https, default_tls_container_ref: reference }] }))
    await assert.rejects(inTree, fault(400, `Validation failure: default_tls_container_ref ${reference}: ${why}`))
  }
  assert.deepEqual(await api.list('/v2/lbaas/listeners'), [])

  const listener = await api.createListener(loadBalancer, { ...https, default_tls_container_ref: good })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const [[reference, why]] = await flawedIn(cloud)
  await assert.rejects(
    api.update(`/v2/lbaas/listeners/${listener.id}`, { sni_container_refs: [reference] }),
    fault(400, `Validation failure: sni_container_refs ${reference}: ${why}`),
  )
  // Rows that are there are not asked about: what has ended since is no reason to refuse another change.
  cloud.certificates.replaceCertificate(good, await aCertificate({ to: '2025-12-31T00:00:00Z' }))
  await api.update(`/v2/lbaas/listeners/${listener.id}`, { name: 'other' })
})

test('authorities and revocation lists that would let nobody in are refused', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  const { certificates } = cloud
  const default_tls_container_ref = certificates.addCertificate()
  const authority = await anAuthority()
  const own = certificates.addSecret(authority.certificate)
  const lists = {
    ended: certificates.addSecret(await aRevocationList(authority, { to: '2025-12-31T00:00:00Z' })),
    future: certificates.addSecret(await aRevocationList(authority, { from: '2026-01-02T00:00:00Z' })),
  }
  const refuses = async (client_ca_tls_container_ref: string, client_crl_container_ref: string | null, why: string) => {
    const ofClients = { client_authentication: 'OPTIONAL', client_ca_tls_container_ref, client_crl_container_ref }
    const listener = api.createListener(loadBalancer, { ...https, default_tls_container_ref, ...ofClients })
    const named =
      client_crl_container_ref === null
        ? `ca_tls_container_ref ${client_ca_tls_container_ref}`
        : `crl_container_ref ${client_crl_container_ref}`
    await assert.rejects(listener, fault(400, `Validation failure: client_${named}: ${why}`))
    const ofMembers = { ca_tls_container_ref: client_ca_tls_container_ref, crl_container_ref: client_crl_container_ref }
    await assert.rejects(
      api.createPool(loadBalancer, { ...http, tls_enabled: true, ...ofMembers }),
      fault(400, `Validation failure: ${named}: ${why}`),
    )
  }
  const leaf = await aCertificate({ issuer: authority })
  await refuses(certificates.addSecret(leaf.certificate), null, 'a certificate in it is not that of an authority.')
  await refuses(certificates.addSecret(authority.certificate + leaf.certificate), null, 'a certificate in it is not that of an authority.')
  const ended = await anAuthority({ to: '2025-12-31T00:00:00Z' })
  await refuses(certificates.addSecret(ended.certificate), null, 'it expired at 2025-12-31T00:00:00.')
  await refuses(own, lists.ended, 'a newer list was due at 2025-12-31T00:00:00.')
  await refuses(own, lists.future, 'it is not valid before 2026-01-02T00:00:00.')

  // Several authorities are one secret, and who signs himself may be trusted as such.
  const several = certificates.addSecret(authority.certificate + (await aCertificate()).certificate)
  const ofClients = { client_authentication: 'OPTIONAL', client_ca_tls_container_ref: several }
  await api.createListener(loadBalancer, { ...https, default_tls_container_ref, ...ofClients })
})
