import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault } from '../../test/support/api-client.ts'
import { aCloud } from '../../test/support/cloud.ts'
import { everything } from '../drivers/amphora/capabilities.ts'

const where = (servable: boolean) => ({ ...everything, values_must_be_servable: servable })

test('ciphers, versions and missing certificates that no TLS can be served with are refused where HAProxy serves', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  const certificate = cloud.certificates.addCertificate()
  const https = { protocol: 'TERMINATED_HTTPS', protocol_port: 443, default_tls_container_ref: certificate }
  cloud.amphora.capabilities = where(true)
  const noCipher = 'Validation failure: The cipher string names no cipher that can be used, or is malformed.'
  const refuses = (body: object, text: string) => assert.rejects(api.createListener(loadBalancer, { ...https, ...body }), fault(400, text))
  await refuses({ tls_ciphers: 'NONSENSE' }, noCipher)
  await refuses({ tls_ciphers: 'AES128-SHA256:AES_' }, noCipher)
  await refuses({ tls_ciphers: 'DEFAULT:@SECLEVEL=9' }, noCipher)
  await refuses({ tls_versions: ['SSLv3'] }, 'Validation failure: None of the TLS versions SSLv3 can be served with the ciphers.')
  await refuses(
    { tls_versions: ['TLSv1.2'], tls_ciphers: 'TLS_AES_256_GCM_SHA384' },
    'Validation failure: None of the TLS versions TLSv1.2 can be served with the ciphers.',
  )
  const pool = { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN', tls_enabled: true }
  await assert.rejects(api.createPool(loadBalancer, { ...pool, tls_ciphers: 'NONSENSE' }), fault(400, noCipher))

  const listener = await api.createListener(loadBalancer, { ...https, tls_ciphers: 'TLS_AES_256_GCM_SHA384:NONSENSE:AES128-SHA256' })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const path = `/v2/lbaas/listeners/${listener.id}`
  // What an update leaves is looked at, too.
  await api.update(path, { tls_versions: ['TLSv1.3'] })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  await assert.rejects(api.update(path, { tls_ciphers: 'NONSENSE' }), fault(400, noCipher))
  await assert.rejects(
    api.update(path, { default_tls_container_ref: null }),
    fault(400, /^Validation failure: An SNI or default certificate container reference must be provided for TERMINATED_HTTPS/),
  )
  cloud.amphora.capabilities = where(false)
  await api.update(path, { tls_ciphers: 'NONSENSE' })
})

test('values of l7rules that HAProxy cannot be given are refused where it serves, alone and within a tree', async () => {
  const { api, cloud, loadBalancer, listener } = await aCloud().withListener()
  const policy = await api.createL7Policy(listener, { action: 'REJECT' })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const rules = `/v2/lbaas/l7policies/${policy.id}/rules`
  const rule = { type: 'PATH', compare_type: 'REGEX', value: '(a)\\1' }
  const reference = /^Error parsing L7Rule: Unable to parse regular expression: groups can be referred to by name only/
  const control = { type: 'SSL_DN_FIELD', key: 'CN', compare_type: 'EQUAL_TO', value: 'a\u0001' }
  cloud.amphora.capabilities = where(true)
  await assert.rejects(api.expect(201, 'POST', rules, { rule }), fault(400, reference))
  await assert.rejects(
    api.expect(201, 'POST', rules, { rule: control }),
    fault(400, 'Error parsing L7Rule: Invalid characters in comparison value'),
  )
  const tree = { listeners: [{ protocol: 'HTTP', protocol_port: 80, l7policies: [{ action: 'REJECT', rules: [rule] }] }] }
  await assert.rejects(api.createLoadBalancer(cloud.aBody(tree)), fault(400, reference))

  const made = await api.expect<{ rule: { id: string } }>(201, 'POST', rules, { rule: { ...rule, value: '^/a$' } })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  await assert.rejects(api.update(`${rules}/${made.rule.id}`, { value: '\\u0041' }), fault(400, /unknown escape sequence at position 1/))
  cloud.amphora.capabilities = where(false)
  await api.expect(201, 'POST', rules, { rule })
})
