import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aCertificate, anAuthority } from '../../test/support/certificates.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { openAuthorities, openBundle } from '../lib/tls-material.ts'

const https = { protocol: 'TERMINATED_HTTPS', protocol_port: 443 }

test('listeners and pools show the certificates that their amphorae have, and when these end', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  cloud.amphora.hasHaproxy = true
  const [bundle, authority] = [await aCertificate({ name: 'www', to: '2030-06-30T12:00:00Z' }), await anAuthority()]
  const reference = cloud.certificates.addCertificate({ bundle })
  const ca = cloud.certificates.addSecret(authority.certificate)
  const path = `/v2/lbaas/loadbalancers/${loadBalancer.id}`
  const listener = await api.createListener(loadBalancer, { ...https, default_tls_container_ref: reference })
  await api.waitFor(path)
  const other = await api.createListener(loadBalancer, { protocol: 'HTTP', protocol_port: 80 })
  await api.waitFor(path)
  const tls = { tls_enabled: true, ca_tls_container_ref: ca }
  const pool = await api.createPool(null, { listener_id: other.id, protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', ...tls })
  await api.waitFor(path)

  const shown = {
    field: 'default_tls_container_ref',
    reference,
    subject: 'CN=www',
    issuer: 'CN=www',
    not_before: '2020-01-01T00:00:00',
    not_after: '2030-06-30T12:00:00',
    fingerprint: openBundle(bundle).fingerprint,
    problem: null,
  }
  assert.deepEqual((await api.show(`/v2/lbaas/listeners/${listener.id}`)).tls_certificates, [shown])
  const listed = await api.list('/v2/lbaas/listeners?fields=protocol&fields=tls_certificates&sort=protocol')
  assert.deepEqual(listed, [{ protocol: 'HTTP' }, { protocol: 'TERMINATED_HTTPS', tls_certificates: [shown] }])
  const [ofPool] = (await api.show(`/v2/lbaas/pools/${pool.id}`)).tls_certificates as (typeof shown)[]
  assert.deepEqual(
    [ofPool?.field, ofPool?.subject, ofPool?.fingerprint],
    ['ca_tls_container_ref', 'CN=CA', openAuthorities(authority.certificate).fingerprint],
  )

  // Another reference is another certificate; one that is lost says so.
  const second = cloud.certificates.addCertificate()
  await api.update(`/v2/lbaas/listeners/${listener.id}`, { default_tls_container_ref: second })
  await api.waitFor(path)
  cloud.certificates.remove(second)
  await api.update(`/v2/lbaas/listeners/${other.id}`, { name: 'other' })
  await api.waitFor(path)
  const { tls_certificates, provisioning_status } = await api.show(`/v2/lbaas/listeners/${listener.id}`)
  assert.equal(provisioning_status, 'ERROR')
  assert.deepEqual(
    (tls_certificates as (typeof shown)[]).map(({ reference, subject, problem }) => ({ reference, subject, problem })),
    [{ reference: second, subject: 'CN=memory', problem: `A secret that ${listener.id} names is gone, or is not for its project.` }],
  )
})

test('of amphorae that serve nothing nothing is shown', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  const listener = await api.createListener(loadBalancer, { ...https, default_tls_container_ref: cloud.certificates.addCertificate() })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  assert.ok(!('tls_certificates' in (await api.show(`/v2/lbaas/listeners/${listener.id}`))))
})
