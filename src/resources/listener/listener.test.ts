import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fault, type Shown } from '../../../test/support/api-client.ts'
import { aCloud } from '../../../test/support/cloud.ts'
import { everything, withoutSctp } from '../../drivers/amphora/capabilities.ts'

const nobody = '11111111-1111-4111-8111-111111111111'

test('a new listener shows the defaults of Octavia, key by key', async () => {
  const { api, loadBalancer } = await aCloud().withLoadBalancer()
  const { id, created_at, ...listener } = await api.createListener(loadBalancer, { protocol: 'HTTP', protocol_port: 80 })
  assert.match(id, /^[0-9a-f-]{36}$/)
  assert.equal(created_at, '2026-01-01T00:00:00')
  assert.deepEqual(listener, {
    name: '',
    description: '',
    tags: [],
    project_id: 'project-1',
    tenant_id: 'project-1',
    provisioning_status: 'PENDING_CREATE',
    operating_status: 'OFFLINE',
    admin_state_up: true,
    updated_at: null,
    loadbalancers: [{ id: loadBalancer.id }],
    l7policies: [],
    protocol: 'HTTP',
    protocol_port: 80,
    connection_limit: -1,
    default_pool_id: null,
    insert_headers: {},
    timeout_client_data: 50_000,
    timeout_member_connect: 5_000,
    timeout_member_data: 50_000,
    timeout_tcp_inspect: 0,
    default_tls_container_ref: null,
    sni_container_refs: [],
    client_ca_tls_container_ref: null,
    client_authentication: 'NONE',
    client_crl_container_ref: null,
    allowed_cidrs: null,
    tls_ciphers: null,
    tls_versions: null,
    alpn_protocols: null,
    hsts_max_age: null,
    hsts_include_subdomains: false,
    hsts_preload: false,
  })
})

test('creating a listener locks the load balancer until the flow has ended', async () => {
  const { api, loadBalancer } = await aCloud().withLoadBalancer()
  const { id } = await api.createListener(loadBalancer, { protocol: 'TCP', protocol_port: 25 })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const listener = await api.show(`/v2/lbaas/listeners/${id}`)
  assert.equal(listener.provisioning_status, 'ACTIVE')
})

test('nothing is made on a load balancer that is not ACTIVE', async () => {
  const { api, cloud } = await aCloud({ worker: false }).empty()
  const loadBalancer = await api.createLoadBalancer(cloud.aBody())
  await assert.rejects(
    api.createListener(loadBalancer, { protocol: 'HTTP', protocol_port: 80 }),
    fault(409, `Load Balancer ${loadBalancer.id} is immutable and cannot be updated.`),
  )
  assert.deepEqual(await api.list('/v2/lbaas/listeners'), [])
})

test('two listeners of one transport cannot share a port', async () => {
  const { api, loadBalancer } = await aCloud().withListener()
  await assert.rejects(
    api.createListener(loadBalancer, { protocol: 'TCP', protocol_port: 80 }),
    fault(409, 'Another Listener on this Load Balancer is already using protocol HTTP and protocol_port 80'),
  )
})

const wrongFields: [Record<string, unknown>, number, string | RegExp][] = [
  [{ protocol: null }, 400, "Invalid input for field/attribute protocol. Value: 'None'. Mandatory field missing."],
  [{ protocol: 'QUIC' }, 400, /^Invalid input for field\/attribute protocol\. Value: 'QUIC'\. Value should be one of: /],
  [{ protocol_port: 0 }, 400, "Invalid input for field/attribute protocol_port. Value: '0'. Value should be greater or equal to 1"],
  [
    { protocol_port: 65536 },
    400,
    "Invalid input for field/attribute protocol_port. Value: '65536'. Value should be lower or equal to 65535",
  ],
  [
    { connection_limit: -2 },
    400,
    "Invalid input for field/attribute connection_limit. Value: '-2'. Value should be greater or equal to -1",
  ],
  [{ timeout_client_data: 2073600001 }, 400, /Value should be lower or equal to 2073600000$/],
  [{ id: nobody }, 400, 'Unknown attribute for argument listener_.listener: id'],
  [{ loadbalancer_id: nobody }, 404, `Load Balancer ${nobody} not found.`],
  [{ default_pool_id: nobody }, 404, `Pool ${nobody} not found.`],
  [{ protocol: 'PROMETHEUS', default_pool_id: nobody }, 400, 'Protocol PROMETHEUS listeners cannot have child objects.'],
  [{ insert_headers: { 'X-Foo': 'true' } }, 400, "dict_keys(['X-Foo']) is not a valid option for insert_headers"],
  [{ insert_headers: { 'X-SSL-Issuer': 'true' } }, 400, "['X-SSL-Issuer'] is not a valid option for HTTP protocol listener."],
  [
    { protocol: 'TCP', insert_headers: { 'X-Forwarded-For': 'true' } },
    400,
    'insert-headers is not a valid option for a TCP protocol listener.',
  ],
  [{ protocol: 'UDP', default_tls_container_ref: 'c' }, 400, 'Validation failure: UDP protocol listener does not support TLS.'],
  [
    { default_tls_container_ref: 'c' },
    400,
    'Validation failure: Certificate container references are not allowed on HTTP protocol listeners.',
  ],
  [
    { protocol: 'TERMINATED_HTTPS', client_ca_tls_container_ref: 'c' },
    400,
    'Validation failure: An SNI or default certificate container reference must be provided with a client CA container reference.',
  ],
  [
    { protocol: 'TERMINATED_HTTPS' },
    400,
    'Validation failure: An SNI or default certificate container reference must be provided for TERMINATED_HTTPS protocol listeners.',
  ],
  [
    { client_authentication: 'MANDATORY' },
    400,
    'Validation failure: Client authentication setting MANDATORY requires a client CA container reference.',
  ],
  [
    { client_crl_container_ref: 'c' },
    400,
    'Validation failure: A client authentication CA reference is required to specify a client authentication revocation list.',
  ],
  [
    { tls_ciphers: 'a b' },
    400,
    'Validation failure: Invalid characters in cipher string. Only alphanumeric, -, +, !, :, @, =, _, and . are allowed.',
  ],
  [
    { allowed_cidrs: ['2001:db8::/32'] },
    400,
    /^Validation failure: CIDR 2001:db8::\/32 IP version incompatible with all VIPs \['10\.0\.0\.\d+'\] IP version\.$/,
  ],
  [{ allowed_cidrs: ['x'] }, 400, /Value should be IPv4 or IPv6 CIDR format$/],
  [{ alpn_protocols: ['x'] }, 400, /Value should be a valid ALPN protocol ID$/],
  [
    { protocol: 'TERMINATED_HTTPS', default_tls_container_ref: 'c', tls_versions: ['TLSv9'] },
    400,
    'Validation failure: Invalid TLS versions: TLSv9',
  ],
  [{ hsts_preload: true }, 400, /^Validation failure: HSTS configuration options .* if hsts_max_age is set as well\.$/],
  [{ hsts_max_age: 5 }, 400, 'Validation failure: The HSTS feature can only be used for listeners using the TERMINATED_HTTPS protocol.'],
]

test('what is wrong with a new listener is told as upstream tells it', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  cloud.certificates.addCertificate({ reference: 'c' })
  for (const [body, status, text] of wrongFields) {
    await assert.rejects(api.createListener(loadBalancer, { protocol: 'HTTP', protocol_port: 8080, ...body }), fault(status, text))
  }
  assert.deepEqual(await api.list('/v2/lbaas/listeners'), [])
  assert.equal((await api.show(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)).provisioning_status, 'ACTIVE')
})

test('what amphorae without a data plane are asked for is accepted, and the listener becomes ACTIVE', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  cloud.certificates.addCertificate({ reference: 'c' })
  const bodies = [
    { protocol: 'UDP' },
    { protocol: 'SCTP' },
    { protocol: 'PROMETHEUS', protocol_port: 9090 },
    { protocol: 'TERMINATED_HTTPS', default_tls_container_ref: 'c', protocol_port: 443, hsts_max_age: 1 },
    { protocol: 'TCP', allowed_cidrs: ['10.0.0.0/8'] },
  ]
  for (const body of bodies) {
    const { id } = await api.createListener(loadBalancer, { protocol_port: 80, ...body })
    await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
    assert.equal((await api.show(`/v2/lbaas/listeners/${id}`)).provisioning_status, 'ACTIVE')
  }
})

test('what the amphora provider cannot do yet is refused with 501, after the other checks', async () => {
  const { api, cloud, loadBalancer } = await aCloud().withLoadBalancer()
  cloud.amphora.capabilities = { ...everything, listener_protocols: ['TCP', 'HTTP', 'HTTPS'], listener_tls: false, allowed_cidrs: false }
  const unsupported = "Provider 'amphora' does not support a requested option: Amphora provider does not support"
  const cases: [Record<string, unknown>, string][] = [
    [{ protocol: 'UDP' }, `${unsupported} UDP protocol. Supported: TCP, HTTP, HTTPS`],
    [{ protocol: 'SCTP' }, `${unsupported} SCTP protocol. Supported: TCP, HTTP, HTTPS`],
    [{ protocol: 'PROMETHEUS' }, `${unsupported} PROMETHEUS protocol. Supported: TCP, HTTP, HTTPS`],
    [
      { protocol: 'TERMINATED_HTTPS', default_tls_container_ref: 'c' },
      `${unsupported} TERMINATED_HTTPS protocol. Supported: TCP, HTTP, HTTPS`,
    ],
    [{ allowed_cidrs: ['10.0.0.1/8'] }, `${unsupported} allowed_cidrs of listeners yet.`],
    [{ tls_versions: ['TLSv1.3'] }, `${unsupported} tls_versions of listeners yet.`],
  ]
  for (const [body, text] of cases) {
    await assert.rejects(api.createListener(loadBalancer, { protocol: 'HTTP', protocol_port: 8080, ...body }), fault(501, text))
  }
  cloud.amphora.capabilities = withoutSctp({ ...everything, listener_protocols: ['UDP', 'SCTP'] }, 'This kernel has none.')
  await assert.rejects(
    api.createListener(loadBalancer, { protocol: 'SCTP', protocol_port: 8080 }),
    fault(501, `${unsupported} SCTP protocol. Supported: UDP. This kernel has none.`),
  )
})

test('an update leaves what it does not name, and null means the default', async () => {
  const { api, loadBalancer, listener } = await aCloud().withListener()
  const path = `/v2/lbaas/listeners/${listener.id}`
  const changed = await api.update(path, {
    name: 'web',
    tags: ['a'],
    connection_limit: 5,
    timeout_client_data: 1,
    insert_headers: { 'X-Forwarded-For': 'true' },
    admin_state_up: false,
  })
  assert.equal(changed.provisioning_status, 'PENDING_UPDATE')
  assert.deepEqual(pick(changed), ['web', ['a'], 5, 1, { 'X-Forwarded-For': 'true' }, false])
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  assert.deepEqual(pick(await api.update(path, {})), pick(changed))
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const nulls = { name: null, tags: null, connection_limit: null, timeout_client_data: null, insert_headers: null, admin_state_up: null }
  // Upstream reads null tags as "leave them".
  assert.deepEqual(pick(await api.update(path, nulls)), ['', ['a'], -1, 50_000, {}, false])
})

function pick({ name, tags, connection_limit, timeout_client_data, insert_headers, admin_state_up }: Shown) {
  return [name, tags, connection_limit, timeout_client_data, insert_headers, admin_state_up]
}

test('what is wrong with an update is told as upstream tells it', async () => {
  const { api, cloud, listener } = await aCloud().withListener()
  cloud.amphora.capabilities = { ...everything, allowed_cidrs: false }
  const path = `/v2/lbaas/listeners/${listener.id}`
  const cases: [Record<string, unknown>, number, string | RegExp][] = [
    [{ protocol: 'TCP' }, 400, 'Unknown attribute for argument listener_.listener: protocol'],
    [{ insert_headers: { 'X-Foo': 'true' } }, 400, "['X-Foo'] is not a valid option for insert_headers"],
    [{ default_tls_container_ref: 'c' }, 400, /^Validation failure: Certificate container references are not allowed on HTTP/],
    [{ client_authentication: 'OPTIONAL' }, 400, /^Validation failure: Client authentication setting OPTIONAL requires a client CA/],
    [{ tls_versions: [] }, 400, /^Validation failure: Empty TLS version list\./],
    [{ alpn_protocols: [] }, 400, /^Validation failure: Empty ALPN protocol list\./],
    [{ hsts_preload: true }, 400, /^Validation failure: Cannot enable hsts_include_subdomains or hsts_preload if hsts_max_age was not set/],
    [{ default_pool_id: nobody }, 404, `Pool ${nobody} not found.`],
    [{ allowed_cidrs: ['10.0.0.0/8'] }, 501, /allowed_cidrs of listeners yet\.$/],
  ]
  for (const [body, status, text] of cases) await assert.rejects(api.update(path, body), fault(status, text))
  await assert.rejects(api.expect(200, 'PUT', path, {}), fault(400, 'Validation failure: No listener object supplied.'))
  await assert.rejects(api.update(`/v2/lbaas/listeners/${nobody}`, {}), fault(404, `Listener ${nobody} not found.`))
})

test('a default pool must be of the same load balancer and of a protocol that fits', async () => {
  const { api, cloud, loadBalancer, listener } = await aCloud().withListener()
  const other = await cloud.aLoadBalancer()
  const elsewhere = await api.createPool(other, { protocol: 'HTTP', lb_algorithm: 'ROUND_ROBIN' })
  const tcp = await api.createPool(loadBalancer, { protocol: 'TCP', lb_algorithm: 'ROUND_ROBIN' })
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
  const path = `/v2/lbaas/listeners/${listener.id}`
  await assert.rejects(api.update(path, { default_pool_id: elsewhere.id }), fault(404, `Pool ${elsewhere.id} not found.`))
  await assert.rejects(
    api.update(path, { default_pool_id: tcp.id }),
    fault(400, "Validation failure: The pool protocol 'TCP' is invalid while the listener protocol is 'HTTP'."),
  )
})

test('a deleted listener is gone', async () => {
  const { api, loadBalancer, listener } = await aCloud().withListener()
  await api.delete(`/v2/lbaas/listeners/${listener.id}`)
  await api.waitUntilGone(`/v2/lbaas/listeners/${listener.id}`)
  await api.waitFor(`/v2/lbaas/loadbalancers/${loadBalancer.id}`)
})

test('statistics of a listener are the sums over all its amphorae', async () => {
  const { api, cloud, loadBalancer, listener } = await aCloud().withListener()
  const path = `/v2/lbaas/listeners/${listener.id}/stats`
  const zero = { bytes_in: 0, bytes_out: 0, active_connections: 0, total_connections: 0, request_errors: 0 }
  assert.deepEqual((await api.expect(200, 'GET', path)).stats, zero)
  for (const amphora_id of ['a', 'b']) {
    const row = { listener_id: listener.id, load_balancer_id: loadBalancer.id, amphora_id }
    await cloud.db
      .insertInto('listener_statistics')
      .values({ ...row, bytes_in: 1, bytes_out: 2, active_connections: 3, total_connections: 4, request_errors: 5 })
      .execute()
  }
  const twice = { bytes_in: 2, bytes_out: 4, active_connections: 6, total_connections: 8, request_errors: 10 }
  assert.deepEqual((await api.expect(200, 'GET', path)).stats, twice)
  await assert.rejects(api.expect(200, 'GET', `/v2/lbaas/listeners/${nobody}/stats`), fault(404, `Listener ${nobody} not found.`))
})

test('lists are filtered by the names of the API', async () => {
  const { api, loadBalancer, listener } = await aCloud().withListener({ tags: ['blue'] })
  const ids = async (query: string) => (await api.list(`/v2/lbaas/listeners?${query}`)).map(({ id }) => id)
  assert.deepEqual(await ids(`loadbalancer_id=${loadBalancer.id}`), [listener.id])
  assert.deepEqual(await ids('protocol_port=80&protocol=HTTP&tags=blue'), [listener.id])
  assert.deepEqual(await ids('protocol_port=81'), [])
  await assert.rejects(api.list('/v2/lbaas/listeners?l7policies=1'), fault(400, 'One or more arguments are either duplicate or invalid'))
})

test('who may not write to the project may not make listeners', async () => {
  const { cloud, api } = await aCloud({ config: { api_settings: { auth_strategy: 'keystone' } } }).empty()
  const owner = cloud.apiAs('project-1', 'member', 'reader')
  const { id } = await owner.createLoadBalancer(cloud.aBody())
  const loadBalancer = await owner.waitFor(`/v2/lbaas/loadbalancers/${id}`)
  const body = { protocol: 'HTTP', protocol_port: 80 }
  const forbidden = fault(403, 'Policy does not allow this request to be performed.')
  await assert.rejects(cloud.apiAs('project-1', 'reader').createListener(loadBalancer, body), forbidden)
  await assert.rejects(cloud.apiAs('project-2', 'member').createListener(loadBalancer, body), forbidden)
  await assert.rejects(api.createListener(loadBalancer, body), fault(401, /./))
  const listener = await owner.createListener(loadBalancer, body)
  await assert.rejects(cloud.apiAs('project-2', 'reader').show(`/v2/lbaas/listeners/${listener.id}`), forbidden)
  assert.deepEqual(await cloud.apiAs('project-2', 'reader').list('/v2/lbaas/listeners'), [])
  assert.equal((await cloud.apiAs('project-2', 'admin').list('/v2/lbaas/listeners')).length, 1)
})

test('a project has no more listeners than its quota', async () => {
  const config = { api_settings: { auth_strategy: 'keystone' as const }, quotas: { default_listener_quota: 1 } }
  const { cloud } = await aCloud({ config }).empty()
  const owner = cloud.apiAs('project-1', 'member', 'reader')
  const { id } = await owner.createLoadBalancer(cloud.aBody())
  const path = `/v2/lbaas/loadbalancers/${id}`
  const loadBalancer = await owner.waitFor(path)
  const listener = await owner.createListener(loadBalancer, { protocol: 'HTTP', protocol_port: 80 })
  await owner.waitFor(path)
  const second = { protocol: 'HTTP', protocol_port: 81 }
  await assert.rejects(owner.createListener(loadBalancer, second), fault(403, 'Quota has been met for resources: Listener'))
  await owner.delete(`/v2/lbaas/listeners/${listener.id}`)
  await owner.waitFor(path)
  await owner.createListener(loadBalancer, second)
})

test('a PROMETHEUS listener with certificates needs no TLS versions', async () => {
  const { cloud, api, loadBalancer } = await aCloud().withLoadBalancer()
  const reference = cloud.certificates.addCertificate()
  const listener = await api.createListener(loadBalancer, { protocol: 'PROMETHEUS', protocol_port: 443, sni_container_refs: [reference] })
  assert.deepEqual(listener.sni_container_refs, [reference])
})
