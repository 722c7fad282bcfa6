/**
 * Debian's unmodified `openstack loadbalancer`, every command and every option it has, against a controller with the embedded cloud's
 * identity and network services and no-op amphorae. The tests tell one story in their order; the last one finds what was left out.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { ClientSession } from '../support/client-session.ts'
import { Controller } from '../support/controller.ts'
import { noopCloud, settled } from '../support/noop-cloud.ts'

const skip = existsSync('/usr/lib/python3/dist-packages/octaviaclient') ? false : 'python3-octaviaclient is not installed'

/** Any secret will do for a controller whose certificates are no-op. */
const SECRET = 'http://127.0.0.1:9311/v1/secrets/4b2c1d0a-91a7-4c0c-8a2f-0d9f0f3f9a11'

type Row = Record<string, unknown>

describe(`openstack loadbalancer${skip ? ` (skipped: ${skip})` : ''}`, { skip }, () => {
  let controller: Controller
  const sessions: ClientSession[] = []
  /** An admin, and a member of the project demo. */
  let admin: User
  let demo: User

  before(async () => {
    controller = await new Controller({ portBase: 23_600, config: noopCloud }).start()
    const [adminSession, demoSession] = (['openrc', 'openrc-demo'] as const).map(
      (file) => new ClientSession('openstack', controller.credentials(file)),
    )
    sessions.push(adminSession!, demoSession!)
    admin = new User(controller, adminSession!)
    demo = new User(controller, demoSession!)
  })
  after(async () => {
    for (const session of sessions) session.close()
    await controller?.down()
  })

  test('load balancer: create', async () => {
    const made = await admin.show(
      `loadbalancer create --name lb1 --description first --vip-subnet-id private-subnet --vip-address 198.18.0.77
       --project demo --provider amphora --enable --tag blue --tag green --wait`,
    )
    assert.deepEqual(
      [made.name, made.description, made.vip_address, made.provider, made.admin_state_up, made.provisioning_status],
      ['lb1', 'first', '198.18.0.77', 'amphora', true, 'ACTIVE'],
    )
    assert.equal(made.tags, 'blue\ngreen')
    assert.equal(made.project_id, (await demo.show('token issue')).project_id)

    const pending = await demo.show('loadbalancer create --name lb2 --vip-network-id private --vip-qos-policy-id None --disable --no-tag')
    assert.deepEqual([pending.provisioning_status, pending.admin_state_up, pending.tags], ['PENDING_CREATE', false, ''])

    const port = await demo.show('port create --network private --fixed-ip subnet=private-subnet vip')
    const onPort = await demo.show('loadbalancer create --name lb3 --vip-port-id vip --vip-subnet-id private-subnet --wait')
    assert.equal(onPort.vip_port_id, port.id)

    const both = await demo.show(
      'loadbalancer create --name both --vip-subnet-id private-subnet --additional-vip subnet-id=ipv6-private-subnet --wait',
    )
    const [additional, ...more] = both.additional_vips as Row[]
    assert.deepEqual([isIPv6(String(additional!.ip_address)), more], [true, []])
    await demo.run('loadbalancer delete --wait both')
  })

  test('load balancer: show, and list by everything it can be found by', async () => {
    const lb1 = await demo.show('loadbalancer show lb1')
    assert.deepEqual([lb1.listeners, lb1.pools, lb1.availability_zone], ['', '', null])
    assert.deepEqual(await demo.show(`loadbalancer show ${lb1.id}`), lb1)

    const found = async (filter: string) => (await demo.list(`loadbalancer list ${filter}`)).map(({ name }) => name).sort()
    assert.deepEqual(await found(''), ['lb1', 'lb2', 'lb3'])
    assert.deepEqual(await found('--name lb1'), ['lb1'])
    assert.deepEqual(await found('--enable'), ['lb1', 'lb3'])
    assert.deepEqual(await found('--disable'), ['lb2'])
    assert.deepEqual(await found('--vip-network-id private'), ['lb1', 'lb2', 'lb3'])
    assert.deepEqual(await found('--vip-subnet-id private-subnet --name lb3'), ['lb3'])
    assert.deepEqual(await found('--vip-port-id vip'), ['lb3'])
    assert.deepEqual(await found('--vip-qos-policy-id None'), ['lb1', 'lb2', 'lb3'])
    assert.deepEqual(await found('--provisioning-status ACTIVE'), ['lb1', 'lb2', 'lb3'])
    assert.deepEqual(await found('--provisioning-status ERROR'), [])
    assert.deepEqual(await found('--operating-status DEGRADED'), [])
    assert.deepEqual(await found('--provider amphora'), ['lb1', 'lb2', 'lb3'])
    // Only an admin may look a project up by its name.
    assert.deepEqual(await found(`--project ${lb1.project_id}`), ['lb1', 'lb2', 'lb3'])
    assert.equal((await admin.list('loadbalancer list --project demo')).length, 3)
    assert.deepEqual(await found('--tags blue,green'), ['lb1'])
    assert.deepEqual(await found('--any-tags green,red'), ['lb1'])
    assert.deepEqual(await found('--not-tags blue,red'), ['lb1', 'lb2', 'lb3'])
    assert.deepEqual(await found('--not-any-tags blue,red'), ['lb2', 'lb3'])
    assert.deepEqual(await admin.list('loadbalancer list --project admin'), [])
  })

  test('load balancer: set and unset', async () => {
    await demo.run('loadbalancer set --name lb2 --description second --vip-qos-policy-id None --enable --tag red --wait lb2')
    await demo.run('loadbalancer set --tag blue --disable lb2')
    const lb2 = await demo.show('loadbalancer show lb2')
    assert.deepEqual([lb2.description, lb2.admin_state_up, words(lb2.tags).sort()], ['second', false, ['blue', 'red']])
    await demo.run('loadbalancer set --no-tag --tag green lb2')
    assert.equal((await demo.show('loadbalancer show lb2')).tags, 'green')
    await demo.run('loadbalancer set --tag blue lb2')
    await demo.run('loadbalancer unset --description --vip-qos-policy-id --tag green --wait lb2')
    const unset = await demo.show('loadbalancer show lb2')
    assert.deepEqual([unset.description, unset.tags], ['', 'blue'])
    await demo.run('loadbalancer unset --all-tag lb2')
    assert.equal((await demo.show('loadbalancer show lb2')).tags, '')
    await demo.run(`loadbalancer unset --name ${lb2.id}`)
    assert.equal((await demo.show(`loadbalancer show ${lb2.id}`)).name, '')
    await demo.run(`loadbalancer set --name lb2 ${lb2.id}`)
  })

  test('load balancer: statistics and statuses', async () => {
    assert.deepEqual(await demo.show('loadbalancer stats show lb1'), {
      ...{ active_connections: 0, bytes_in: 0, bytes_out: 0, request_errors: 0, total_connections: 0 },
    })
    const { loadbalancer } = JSON.parse(await demo.run('loadbalancer status show lb1')) as { loadbalancer: Row }
    assert.deepEqual([loadbalancer.name, loadbalancer.provisioning_status, loadbalancer.listeners], ['lb1', 'ACTIVE', []])
  })

  test('listener', async () => {
    const http = await demo.show(
      `loadbalancer listener create --name l1 --description first --protocol HTTP --protocol-port 80 --connection-limit 1000
       --insert-headers X-Forwarded-For=true,X-Forwarded-Port=true --timeout-client-data 1000 --timeout-member-connect 2000
       --timeout-member-data 3000 --timeout-tcp-inspect 4 --allowed-cidr 198.18.0.0/24 --allowed-cidr 10.0.0.0/8 --enable --tag blue --wait lb1`,
    )
    assert.deepEqual(
      [http.protocol, http.protocol_port, http.connection_limit, http.insert_headers, words(http.allowed_cidrs)],
      ['HTTP', 80, 1000, 'X-Forwarded-For=true\nX-Forwarded-Port=true', ['198.18.0.0/24', '10.0.0.0/8']],
    )
    assert.deepEqual(
      [http.timeout_client_data, http.timeout_member_connect, http.timeout_member_data, http.timeout_tcp_inspect],
      [1000, 2000, 3000, 4],
    )
    assert.equal(http.loadbalancers, (await demo.show('loadbalancer show lb1')).id)

    const tls = await demo.show(
      `loadbalancer listener create --name l2 --protocol TERMINATED_HTTPS --protocol-port 443 --default-tls-container-ref ${SECRET}
       --sni-container-refs ${SECRET} ${SECRET} --client-ca-tls-container-ref ${SECRET} --client-authentication MANDATORY
       --client-crl-container-ref ${SECRET} --tls-ciphers ECDHE-RSA-AES128-GCM-SHA256 --tls-version TLSv1.2 --tls-version TLSv1.3
       --alpn-protocol h2 --alpn-protocol http/1.1 --disable --no-tag --wait lb1`,
    )
    assert.deepEqual(
      [tls.default_tls_container_ref, tls.client_authentication, tls.tls_ciphers, tls.admin_state_up],
      [SECRET, 'MANDATORY', 'ECDHE-RSA-AES128-GCM-SHA256', false],
    )
    assert.deepEqual(
      [tls.tls_versions, tls.alpn_protocols, tls.sni_container_refs],
      [
        ['TLSv1.2', 'TLSv1.3'],
        ['h2', 'http/1.1'],
        [SECRET, SECRET],
      ],
    )

    const found = async (filter: string) => (await demo.list(`loadbalancer listener list ${filter}`)).map(({ name }) => name).sort()
    assert.deepEqual(await found('--loadbalancer lb1'), ['l1', 'l2'])
    assert.deepEqual([await found('--name l2'), await found('--enable'), await found('--disable')], [['l2'], ['l1'], ['l2']])
    assert.deepEqual([await found(`--project ${http.project_id} --tags blue`), await found('--any-tags red')], [['l1'], []])
    assert.deepEqual([await found('--not-tags blue'), await found('--not-any-tags blue,red')], [['l2'], ['l2']])

    await demo.run(
      `loadbalancer listener set --name l1 --description second --connection-limit 2000 --insert-headers X-Forwarded-Proto=true
       --timeout-client-data 1001 --timeout-member-connect 2001 --timeout-member-data 3001 --timeout-tcp-inspect 5
       --allowed-cidr 198.18.0.0/25 --disable --tag green --wait l1`,
    )
    const set = await demo.show('loadbalancer listener show l1')
    assert.deepEqual(
      [set.description, set.connection_limit, set.insert_headers, set.timeout_client_data, set.allowed_cidrs, words(set.tags).sort()],
      ['second', 2000, 'X-Forwarded-Proto=true', 1001, '198.18.0.0/25', ['blue', 'green']],
    )
    await demo.run(
      `loadbalancer listener set --default-tls-container-ref ${SECRET} --sni-container-refs ${SECRET} --client-ca-tls-container-ref ${SECRET}
       --client-authentication OPTIONAL --client-crl-container-ref None --tls-ciphers ECDHE-RSA-AES256-GCM-SHA384 --tls-version TLSv1.3
       --alpn-protocol http/1.0 --enable --no-tag --wait l2`,
    )
    const tlsSet = await demo.show('loadbalancer listener show l2')
    assert.deepEqual(
      [tlsSet.client_authentication, tlsSet.client_crl_container_ref, tlsSet.tls_versions, tlsSet.alpn_protocols],
      ['OPTIONAL', null, ['TLSv1.3'], ['http/1.0']],
    )

    await demo.run(
      `loadbalancer listener unset --description --connection-limit --insert-headers --timeout-client-data --timeout-member-connect
       --timeout-member-data --timeout-tcp-inspect --allowed-cidrs --default-pool --tag green --wait l1`,
    )
    const unset = await demo.show('loadbalancer listener show l1')
    assert.deepEqual(
      [unset.description, unset.connection_limit, unset.insert_headers, unset.timeout_client_data, unset.timeout_member_connect],
      ['', -1, null, 50_000, 5_000],
    )
    assert.deepEqual([unset.timeout_member_data, unset.timeout_tcp_inspect, unset.allowed_cidrs, unset.tags], [50_000, 0, null, 'blue'])
    await demo.run(
      `loadbalancer listener unset --client-authentication --client-crl-container-ref --client-ca-tls-container-ref --sni-container-refs
       --tls-ciphers --tls-versions --alpn-protocols --all-tag --wait l2`,
    )
    const tlsUnset = await demo.show('loadbalancer listener show l2')
    assert.deepEqual(
      [tlsUnset.client_authentication, tlsUnset.client_ca_tls_container_ref, tlsUnset.sni_container_refs, tlsUnset.tls_versions],
      ['NONE', null, [], ['TLSv1.2', 'TLSv1.3']],
    )
    await demo.run('loadbalancer listener unset --default-tls-container-ref l2')
    assert.equal((await demo.show('loadbalancer listener show l2')).default_tls_container_ref, null)
    await demo.run(`loadbalancer listener unset --name ${tlsUnset.id}`)
    assert.equal((await demo.show(`loadbalancer listener show ${tlsUnset.id}`)).name, '')

    assert.equal((await demo.show('loadbalancer listener stats show l1')).request_errors, 0)
    await demo.run(`loadbalancer listener delete --wait ${tlsUnset.id}`)
    assert.deepEqual(await found(''), ['l1'])
  })

  test('pool', async () => {
    const pool = await demo.show(
      `loadbalancer pool create --name p1 --description first --protocol HTTP --listener l1 --lb-algorithm ROUND_ROBIN
       --session-persistence type=APP_COOKIE,cookie_name=session --enable --tag blue --wait`,
    )
    assert.deepEqual([pool.lb_algorithm, pool.listeners], ['ROUND_ROBIN', (await demo.show('loadbalancer listener show l1')).id])
    assert.match(String(pool.session_persistence), /cookie_name=session/)
    const tls = await demo.show(
      `loadbalancer pool create --name p2 --protocol HTTP --loadbalancer lb1 --lb-algorithm SOURCE_IP --enable-tls --tls-container-ref ${SECRET}
       --ca-tls-container-ref ${SECRET} --crl-container-ref ${SECRET} --tls-ciphers ECDHE-RSA-AES128-GCM-SHA256 --tls-version TLSv1.2
       --alpn-protocol h2 --disable --no-tag --wait`,
    )
    assert.deepEqual(
      [tls.tls_enabled, tls.tls_container_ref, tls.tls_versions, tls.alpn_protocols, tls.admin_state_up],
      [true, SECRET, ['TLSv1.2'], ['h2'], false],
    )
    const plain = await demo.show(
      'loadbalancer pool create --name p3 --protocol TCP --loadbalancer lb1 --lb-algorithm LEAST_CONNECTIONS --disable-tls',
    )
    assert.equal(plain.tls_enabled, false)

    const found = async (filter: string) => (await demo.list(`loadbalancer pool list ${filter}`)).map(({ name }) => name).sort()
    assert.deepEqual(await found('--loadbalancer lb1'), ['p1', 'p2', 'p3'])
    assert.deepEqual([await found('--tags blue'), await found('--any-tags blue,red')], [['p1'], ['p1']])
    assert.deepEqual(
      [await found('--not-tags blue'), await found('--not-any-tags blue')],
      [
        ['p2', 'p3'],
        ['p2', 'p3'],
      ],
    )

    await demo.run(
      `loadbalancer pool set --name p1 --description second --lb-algorithm LEAST_CONNECTIONS --session-persistence type=SOURCE_IP
       --disable --tag green --wait p1`,
    )
    await demo.run(
      `loadbalancer pool set --tls-container-ref None --ca-tls-container-ref None --crl-container-ref None --tls-ciphers ECDHE-RSA-AES256-GCM-SHA384
       --tls-version TLSv1.3 --alpn-protocol http/1.1 --enable-tls --enable --no-tag p2`,
    )
    await demo.run('loadbalancer pool set --disable-tls p2')
    const [set, tlsSet] = [await demo.show('loadbalancer pool show p1'), await demo.show('loadbalancer pool show p2')]
    assert.deepEqual(
      [set.description, set.lb_algorithm, set.admin_state_up, words(set.tags).sort()],
      ['second', 'LEAST_CONNECTIONS', false, ['blue', 'green']],
    )
    assert.match(String(set.session_persistence), /type=SOURCE_IP/)
    assert.deepEqual([tlsSet.tls_enabled, tlsSet.tls_container_ref, tlsSet.tls_versions], [false, null, ['TLSv1.3']])

    await demo.run('loadbalancer pool unset --description --session-persistence --tag green --wait p1')
    const unset = await demo.show('loadbalancer pool show p1')
    assert.deepEqual([unset.description, unset.session_persistence, unset.tags], ['', null, 'blue'])
    await demo.run(
      `loadbalancer pool unset --ca-tls-container-ref --crl-container-ref --tls-container-ref --tls-versions --tls-ciphers --alpn-protocols
       --all-tag p2`,
    )
    await demo.run(`loadbalancer pool unset --name ${plain.id}`)
    await demo.run(`loadbalancer pool delete --wait ${plain.id}`)
    assert.deepEqual(await found(''), ['p1', 'p2'])

    await demo.run('loadbalancer listener set --default-pool p1 l1')
    await demo.run('loadbalancer pool set --enable p1')
    const listener = await demo.show('loadbalancer listener create --name l3 --protocol HTTP --protocol-port 8080 --default-pool p1 lb1')
    assert.equal(listener.default_pool_id, set.id)
  })

  test('member', async () => {
    const first = await demo.show(
      `loadbalancer member create --name m1 --address 198.18.0.50 --protocol-port 80 --subnet-id private-subnet --weight 3
       --monitor-port 8080 --monitor-address 198.18.0.51 --enable --enable-backup --tag blue --wait p1`,
    )
    assert.deepEqual(
      [first.address, first.protocol_port, first.weight, first.monitor_port, first.monitor_address, first.backup],
      ['198.18.0.50', 80, 3, 8080, '198.18.0.51', true],
    )
    const second = await demo.show(
      'loadbalancer member create --name m2 --address 198.18.0.52 --protocol-port 80 --disable --disable-backup --no-tag p1',
    )
    assert.deepEqual([second.admin_state_up, second.backup, second.subnet_id], [false, false, null])

    const found = async (filter: string) => (await demo.list(`loadbalancer member list ${filter} p1`)).map(({ name }) => name).sort()
    assert.deepEqual(await found(''), ['m1', 'm2'])
    assert.deepEqual([await found('--tags blue'), await found('--any-tags blue,red')], [['m1'], ['m1']])
    assert.deepEqual([await found('--not-tags blue'), await found('--not-any-tags blue')], [['m2'], ['m2']])

    await demo.run(
      `loadbalancer member set --name m1 --weight 7 --monitor-port 8081 --monitor-address 198.18.0.53 --disable-backup --disable
       --tag green --wait p1 m1`,
    )
    await demo.run('loadbalancer member set --enable-backup --enable --no-tag p1 m2')
    const set = await demo.show('loadbalancer member show p1 m1')
    assert.deepEqual(
      [set.weight, set.monitor_port, set.monitor_address, set.backup, set.admin_state_up, words(set.tags).sort()],
      [7, 8081, '198.18.0.53', false, false, ['blue', 'green']],
    )
    await demo.run('loadbalancer member unset --weight --monitor-port --monitor-address --tag green --wait p1 m1')
    const unset = await demo.show('loadbalancer member show p1 m1')
    assert.deepEqual([unset.weight, unset.monitor_port, unset.monitor_address, unset.tags], [1, null, null, 'blue'])
    await demo.run('loadbalancer member unset --backup --all-tag p1 m2')
    assert.equal((await demo.show('loadbalancer member show p1 m2')).backup, false)
    await demo.run(`loadbalancer member unset --name p1 ${second.id}`)
    await demo.run(`loadbalancer member delete --wait p1 ${second.id}`)
    assert.deepEqual(await found(''), ['m1'])
  })

  test('health monitor', async () => {
    const made = await demo.show(
      `loadbalancer healthmonitor create --name h1 --delay 5 --timeout 3 --max-retries 4 --max-retries-down 2 --type HTTP --http-method HEAD
       --http-version 1.1 --domain-name example.org --url-path /up --expected-codes 200-204 --enable --tag blue --wait p1`,
    )
    assert.deepEqual(
      [made.delay, made.timeout, made.max_retries, made.max_retries_down, made.type, made.http_method, made.http_version],
      [5, 3, 4, 2, 'HTTP', 'HEAD', 1.1],
    )
    assert.deepEqual([made.domain_name, made.url_path, made.expected_codes], ['example.org', '/up', '200-204'])
    await demo.show('loadbalancer healthmonitor create --name h2 --delay 5 --timeout 3 --max-retries 4 --type TCP --disable --no-tag p2')

    const found = async (filter: string) => (await demo.list(`loadbalancer healthmonitor list ${filter}`)).map(({ name }) => name).sort()
    assert.deepEqual([await found(''), await found('--tags blue'), await found('--any-tags blue')], [['h1', 'h2'], ['h1'], ['h1']])
    assert.deepEqual([await found('--not-tags blue'), await found('--not-any-tags blue')], [['h2'], ['h2']])

    await demo.run(
      `loadbalancer healthmonitor set --name h1 --delay 6 --timeout 4 --max-retries 5 --max-retries-down 3 --http-method GET --http-version 1.1
       --domain-name www.example.org --url-path /health --expected-codes 200,202 --disable --tag green --wait h1`,
    )
    await demo.run('loadbalancer healthmonitor set --enable --no-tag h2')
    const set = await demo.show('loadbalancer healthmonitor show h1')
    assert.deepEqual(
      [set.delay, set.timeout, set.max_retries, set.domain_name, set.url_path, set.expected_codes, words(set.tags).sort()],
      [6, 4, 5, 'www.example.org', '/health', '200,202', ['blue', 'green']],
    )
    await demo.run(
      `loadbalancer healthmonitor unset --domain-name --expected-codes --http-method --http-version --max-retries-down --url-path
       --tag green --wait h1`,
    )
    const unset = await demo.show('loadbalancer healthmonitor show h1')
    assert.deepEqual(
      [unset.domain_name, unset.expected_codes, unset.http_method, unset.http_version, unset.max_retries_down, unset.url_path, unset.tags],
      [null, '200', 'GET', null, 3, '/', 'blue'],
    )
    await demo.run('loadbalancer healthmonitor unset --all-tag h2')
    const { id } = await demo.show('loadbalancer healthmonitor show h2')
    await demo.run(`loadbalancer healthmonitor unset --name ${id}`)
    await demo.run(`loadbalancer healthmonitor delete --wait ${id}`)
    assert.deepEqual(await found(''), ['h1'])
    assert.equal((await demo.show('loadbalancer pool show p1')).healthmonitor_id, made.id)
  })

  test('l7policy', async () => {
    const toPool = await demo.show(
      'loadbalancer l7policy create --name to-p2 --description first --action REDIRECT_TO_POOL --redirect-pool p2 --position 1 --enable --tag blue --wait l1',
    )
    assert.deepEqual(
      [toPool.action, toPool.redirect_pool_id, toPool.position],
      ['REDIRECT_TO_POOL', (await demo.show('loadbalancer pool show p2')).id, 1],
    )
    const toUrl = await demo.show(
      'loadbalancer l7policy create --name to-url --action REDIRECT_TO_URL --redirect-url http://example.org/ --redirect-http-code 307 --disable --no-tag l1',
    )
    assert.deepEqual([toUrl.redirect_url, toUrl.redirect_http_code, toUrl.position], ['http://example.org/', 307, 2])
    const prefix = await demo.show(
      'loadbalancer l7policy create --name to-prefix --action REDIRECT_PREFIX --redirect-prefix https://example.org --position 1 l1',
    )
    assert.deepEqual([prefix.redirect_prefix, prefix.redirect_http_code], ['https://example.org', 302])

    const found = async (filter: string) => (await demo.list(`loadbalancer l7policy list ${filter}`)).map(({ name }) => name).sort()
    assert.deepEqual([await found('--listener l1'), await found('--listener l3')], [['to-p2', 'to-prefix', 'to-url'], []])
    assert.deepEqual([await found('--tags blue'), await found('--any-tags blue')], [['to-p2'], ['to-p2']])
    assert.deepEqual(
      [await found('--not-tags blue'), await found('--not-any-tags blue')],
      [
        ['to-prefix', 'to-url'],
        ['to-prefix', 'to-url'],
      ],
    )

    await demo.run('loadbalancer l7policy set --name to-p2 --description second --position 1 --disable --tag green --wait to-p2')
    const set = await demo.show('loadbalancer l7policy show to-p2')
    assert.deepEqual([set.description, set.position, set.admin_state_up, words(set.tags).sort()], ['second', 1, false, ['blue', 'green']])
    await demo.run(
      'loadbalancer l7policy set --action REDIRECT_TO_URL --redirect-url http://example.com/ --redirect-http-code 303 --enable --no-tag to-url',
    )
    await demo.run('loadbalancer l7policy set --redirect-prefix https://example.com to-prefix')
    assert.equal((await demo.show('loadbalancer l7policy show to-prefix')).redirect_prefix, 'https://example.com')
    await demo.run('loadbalancer l7policy set --action REDIRECT_TO_POOL --redirect-pool p2 to-prefix')
    const switched = await demo.show('loadbalancer l7policy show to-prefix')
    assert.deepEqual([switched.action, switched.redirect_prefix, switched.redirect_http_code], ['REDIRECT_TO_POOL', null, null])

    await demo.run('loadbalancer l7policy unset --description --tag green --wait to-p2')
    await demo.run('loadbalancer l7policy unset --redirect-http-code --all-tag to-url')
    const [unset, unsetUrl] = [await demo.show('loadbalancer l7policy show to-p2'), await demo.show('loadbalancer l7policy show to-url')]
    assert.deepEqual([unset.description, unset.tags, unsetUrl.redirect_http_code], ['', 'blue', null])
    await demo.run(`loadbalancer l7policy unset --name ${unsetUrl.id}`)
    await demo.run(`loadbalancer l7policy delete --wait ${unsetUrl.id}`)
    await demo.run('loadbalancer l7policy delete to-prefix')
    assert.deepEqual(await found(''), ['to-p2'])
  })

  test('l7rule', async () => {
    const header = await demo.show(
      'loadbalancer l7rule create --compare-type STARTS_WITH --type HEADER --key X-Team --value a --invert --enable --tag blue to-p2',
    )
    assert.deepEqual(
      [header.type, header.compare_type, header.key, header.value, header.invert],
      ['HEADER', 'STARTS_WITH', 'X-Team', 'a', true],
    )
    const path = await demo.show('loadbalancer l7rule create --compare-type EQUAL_TO --type PATH --value /a --disable --no-tag to-p2')
    // This version of the client makes the rule and waits, then mistakes the policy's id for the rule's and finds nothing.
    assert.match(
      await demo.refused('loadbalancer l7rule create --compare-type EQUAL_TO --type FILE_TYPE --value jpg --wait to-p2'),
      new RegExp(`${(await demo.show('loadbalancer l7policy show to-p2')).id} not found \\(HTTP 404\\)`),
    )
    const [jpg] = (await demo.list('loadbalancer l7rule list to-p2')).filter(({ type }) => type === 'FILE_TYPE')
    await demo.run(`loadbalancer l7rule delete to-p2 ${jpg!.id}`)

    const found = async (filter: string) => (await demo.list(`loadbalancer l7rule list ${filter} to-p2`)).map(({ type }) => type).sort()
    assert.deepEqual(
      [await found(''), await found('--tags blue'), await found('--any-tags blue')],
      [['HEADER', 'PATH'], ['HEADER'], ['HEADER']],
    )
    assert.deepEqual([await found('--not-tags blue'), await found('--not-any-tags blue')], [['PATH'], ['PATH']])

    await demo.run(
      `loadbalancer l7rule set --compare-type CONTAINS --type COOKIE --key team --value b --invert --disable --tag green --wait to-p2 ${header.id}`,
    )
    await demo.run(`loadbalancer l7rule set --enable --no-tag to-p2 ${path.id}`)
    const set = await demo.show(`loadbalancer l7rule show to-p2 ${header.id}`)
    assert.deepEqual(
      [set.type, set.compare_type, set.key, set.value, set.admin_state_up, words(set.tags).sort()],
      ['COOKIE', 'CONTAINS', 'team', 'b', false, ['blue', 'green']],
    )
    await demo.run(`loadbalancer l7rule unset --invert --tag green --wait to-p2 ${header.id}`)
    await demo.run(`loadbalancer l7rule unset --key --all-tag to-p2 ${path.id}`)
    const unset = await demo.show(`loadbalancer l7rule show to-p2 ${header.id}`)
    assert.deepEqual([unset.invert, unset.tags], [false, 'blue'])
    await demo.run(`loadbalancer l7rule delete --wait to-p2 ${header.id}`)
    assert.deepEqual(await found(''), ['PATH'])
  })

  test('what is refused is said in the words of the API, with its request id', async () => {
    assert.match(
      await demo.refused('loadbalancer delete lb1'),
      /^Validation failure: Cannot delete Load Balancer \S+ - it has children \(HTTP 400\) \(Request-ID: req-[0-9a-f-]{36}\)$/,
    )
    assert.match(
      await demo.refused('loadbalancer listener create --protocol HTTP --protocol-port 80 lb1'),
      /^Another Listener on this Load Balancer is already using protocol HTTP and protocol_port 80 \(HTTP 409\) \(Request-ID: req-/,
    )
    assert.match(await demo.refused('loadbalancer show nothing'), /Unable to locate nothing in loadbalancers/)
    assert.match(await demo.refused('loadbalancer amphora list'), /^Policy does not allow this request to be performed. \(HTTP 403\)/)
  })

  test('providers and what they can do', async () => {
    assert.ok((await demo.list('loadbalancer provider list')).some(({ name }) => name === 'amphora'))
    const capabilities = async (filter: string) =>
      (await admin.list(`loadbalancer provider capability list ${filter} amphora`)).map(({ type, name }) => `${type} ${name}`)
    const [flavor, zone] = [await capabilities('--flavor'), await capabilities('--availability-zone')]
    assert.ok(flavor.includes('flavor loadbalancer_topology'))
    assert.ok(zone.includes('availability_zone compute_zone'))
    assert.deepEqual(await capabilities(''), [...flavor, ...zone])
  })

  test('flavor profiles and flavors', async () => {
    const profile = await admin.show(
      'loadbalancer flavorprofile create --name fp1 --provider amphora --flavor-data {"loadbalancer_topology":"SINGLE"}',
    )
    assert.equal(profile.flavor_data, '{"loadbalancer_topology":"SINGLE"}')
    await admin.run(
      'loadbalancer flavorprofile set --name fp2 --provider amphora --flavor-data {"loadbalancer_topology":"ACTIVE_STANDBY"} fp1',
    )
    assert.equal((await admin.show('loadbalancer flavorprofile show fp2')).flavor_data, '{"loadbalancer_topology":"ACTIVE_STANDBY"}')
    assert.deepEqual(
      (await admin.list('loadbalancer flavorprofile list --name fp2 --provider amphora')).map(({ id }) => id),
      [profile.id],
    )

    const flavor = await admin.show('loadbalancer flavor create --name f1 --flavorprofile fp2 --description pair --enable')
    assert.deepEqual([flavor.flavor_profile_id, flavor.enabled, flavor.description], [profile.id, true, 'pair'])
    await admin.run('loadbalancer flavor create --name f2 --flavorprofile fp2 --disable')
    const found = async (filter: string) => (await demo.list(`loadbalancer flavor list ${filter}`)).map(({ name }) => name).sort()
    assert.deepEqual(
      [await found(''), await found('--name f1'), await found('--enable'), await found('--disable')],
      [['f1', 'f2'], ['f1'], ['f1'], ['f2']],
    )
    assert.deepEqual((await admin.list('loadbalancer flavor list --flavorprofile fp2')).length, 2)

    const loadBalancer = await demo.show('loadbalancer create --name pair --vip-subnet-id private-subnet --flavor f1 --wait')
    assert.equal(loadBalancer.flavor_id, flavor.id)
    assert.deepEqual(
      (await demo.list('loadbalancer list --flavor f1')).map(({ name }) => name),
      ['pair'],
    )
    assert.deepEqual((await admin.list('loadbalancer amphora list --loadbalancer pair')).map(({ role }) => role).sort(), [
      'BACKUP',
      'MASTER',
    ])
    assert.match(await demo.refused('loadbalancer create --vip-subnet-id private-subnet --flavor f2'), /HTTP 400/)

    await admin.run('loadbalancer flavor set --name f3 --enable f2')
    await admin.run('loadbalancer flavor set --disable f3')
    await admin.run('loadbalancer flavor unset --description f1')
    assert.equal((await demo.show('loadbalancer flavor show f1')).description, '')
    await admin.run('loadbalancer flavor delete f3')
    assert.match(await admin.refused('loadbalancer flavor delete f1'), /HTTP 409/)
    await demo.run('loadbalancer delete --wait pair')
    await admin.run('loadbalancer flavor delete f1')
    await admin.run('loadbalancer flavorprofile delete fp2')
    assert.deepEqual([await found(''), await admin.list('loadbalancer flavorprofile list')], [[], []])
  })

  test('availability zone profiles and availability zones', async () => {
    const profile = await admin.show(
      'loadbalancer availabilityzoneprofile create --name zp1 --provider amphora --availability-zone-data {"compute_zone":"one"}',
    )
    assert.equal(profile.availability_zone_data, '{"compute_zone":"one"}')
    await admin.run(
      'loadbalancer availabilityzoneprofile set --name zp2 --provider amphora --availabilityzone-data {"compute_zone":"nova"} zp1',
    )
    // This version of the client knows the option for the data, and does not send it.
    assert.equal((await admin.show('loadbalancer availabilityzoneprofile show zp2')).availability_zone_data, '{"compute_zone":"one"}')
    assert.equal((await admin.list('loadbalancer availabilityzoneprofile list --name zp2 --provider amphora')).length, 1)

    const zone = await admin.show(
      'loadbalancer availabilityzone create --name z1 --availabilityzoneprofile zp2 --description first --enable',
    )
    assert.deepEqual([zone.availability_zone_profile_id, zone.enabled, zone.description], [profile.id, true, 'first'])
    await admin.run('loadbalancer availabilityzone create --name z2 --availabilityzoneprofile zp2 --disable')
    const found = async (filter: string) => (await demo.list(`loadbalancer availabilityzone list ${filter}`)).map(({ name }) => name).sort()
    assert.deepEqual(
      [await found(''), await found('--name z1'), await found('--enable'), await found('--disable')],
      [['z1', 'z2'], ['z1'], ['z1'], ['z2']],
    )
    assert.equal((await admin.list('loadbalancer availabilityzone list --availabilityzoneprofile zp2')).length, 2)

    const loadBalancer = await demo.show('loadbalancer create --name zoned --vip-subnet-id private-subnet --availability-zone z1 --wait')
    assert.equal(loadBalancer.availability_zone, 'z1')
    assert.deepEqual(
      (await demo.list('loadbalancer list --availability-zone z1')).map(({ name }) => name),
      ['zoned'],
    )

    await admin.run('loadbalancer availabilityzone set --description second --enable z2')
    await admin.run('loadbalancer availabilityzone set --disable z2')
    await admin.run('loadbalancer availabilityzone unset --description z2')
    assert.equal((await demo.show('loadbalancer availabilityzone show z2')).description, '')
    await admin.run('loadbalancer availabilityzone delete z2')
    await demo.run('loadbalancer delete --wait zoned')
    await admin.run('loadbalancer availabilityzone delete z1')
    await admin.run('loadbalancer availabilityzoneprofile delete zp2')
    assert.deepEqual([await found(''), await admin.list('loadbalancer availabilityzoneprofile list')], [[], []])
  })

  test('quotas', async () => {
    const unlimited = { load_balancer: -1, listener: -1, pool: -1, health_monitor: -1, member: -1, l7policy: -1, l7rule: -1 }
    const { project_id } = await demo.show('token issue')
    assert.deepEqual(await admin.show('loadbalancer quota defaults show'), unlimited)
    assert.deepEqual(await admin.show('loadbalancer quota show demo'), unlimited)
    assert.deepEqual(await demo.show(`loadbalancer quota show ${project_id}`), unlimited)
    const set = await admin.show(
      'loadbalancer quota set --loadbalancer 3 --listener 20 --pool 21 --healthmonitor 22 --member 23 --l7policy 24 --l7rule 25 demo',
    )
    assert.deepEqual(set, { load_balancer: 3, listener: 20, pool: 21, health_monitor: 22, member: 23, l7policy: 24, l7rule: 25 })
    assert.deepEqual(await demo.show(`loadbalancer quota show ${project_id}`), set)
    assert.deepEqual(await admin.list('loadbalancer quota list --project demo'), [{ project_id, ...set }])
    assert.match(
      await demo.refused('loadbalancer create --name lb4 --vip-subnet-id private-subnet'),
      /^Quota has been met for resources: Load Balancer \(HTTP 403\)/,
    )
    await admin.run('loadbalancer quota unset --loadbalancer --listener --pool --member demo')
    await admin.run('loadbalancer quota unset --healthmonitor --l7policy --l7rule demo')
    assert.deepEqual(await demo.show(`loadbalancer quota show ${project_id}`), unlimited)
    await admin.show('loadbalancer quota set --pool 9 demo')
    await admin.run('loadbalancer quota reset demo')
    assert.deepEqual(await demo.show(`loadbalancer quota show ${project_id}`), unlimited)
  })

  test('amphorae, and failovers', async () => {
    const [first] = await admin.list('loadbalancer amphora list --loadbalancer lb1 --role STANDALONE --status ALLOCATED --long')
    const shown = await admin.show(`loadbalancer amphora show ${first!.id}`)
    assert.deepEqual([shown.role, shown.status, shown.compute_id], ['STANDALONE', 'ALLOCATED', first!.compute_id])
    assert.deepEqual(
      (await admin.list(`loadbalancer amphora list --compute-id ${shown.compute_id}`)).map(({ id }) => id),
      [first!.id],
    )
    await admin.run(`loadbalancer amphora configure --wait ${first!.id}`)

    await admin.run(`loadbalancer amphora failover --wait ${first!.id}`)
    const [second] = await admin.list('loadbalancer amphora list --loadbalancer lb1')
    assert.notEqual(second!.id, first!.id)
    await admin.run('loadbalancer failover --wait lb1')
    const [third] = await admin.list('loadbalancer amphora list --loadbalancer lb1')
    assert.notEqual(third!.id, second!.id)
    assert.equal((await demo.show('loadbalancer show lb1')).provisioning_status, 'ACTIVE')
    // One that serves is not to be deleted; nor does one that never reported have statistics.
    assert.match(await admin.refused(`loadbalancer amphora delete --wait ${third!.id}`), /HTTP 409/)
    assert.match(
      await admin.refused(`loadbalancer amphora stats show --listener l1 ${third!.id}`),
      /^Amphora stats for \S+ not found\. \(HTTP 404\)/,
    )
  })

  test('load balancer: delete', async () => {
    await demo.run('loadbalancer delete --cascade --wait lb1')
    await demo.run('loadbalancer delete --wait lb2')
    await demo.run('loadbalancer delete lb3')
    assert.deepEqual(await demo.list('loadbalancer list'), [])
    assert.match(await demo.refused('loadbalancer show lb1'), /Unable to locate lb1 in loadbalancers/)
    // The user's own port is still his.
    assert.equal((await demo.show('port show vip')).name, 'vip')
  })

  test('no command and no option of the client was left out', async () => {
    const known = await sessions[0]!.describe('loadbalancer ')
    assert.ok(Object.keys(known).length >= 78, `the client knows ${Object.keys(known).length} commands`)
    const missing = Object.entries(known).flatMap(([command, options]) => {
      const calls = sessions.flatMap(({ commands }) => commands).filter((args) => commandOf(args, known) === command)
      if (calls.length === 0) return [command]
      const unused = options.filter((spellings) => !calls.some((args) => spellings.some((spelling) => args.includes(spelling))))
      return unused.map(([spelling]) => `${command} ${spelling}`)
    })
    assert.deepEqual(missing, [])
  })
})

/** A user with the client in front of him. What he does meets nothing PENDING: he waits between his commands. */
class User {
  readonly #controller: Controller
  readonly #session: ClientSession
  constructor(controller: Controller, session: ClientSession) {
    this.#controller = controller
    this.#session = session
  }

  async run(line: string): Promise<string> {
    await settled(this.#controller)
    return this.#session.run(...words(line))
  }

  async show(line: string): Promise<Row> {
    await settled(this.#controller)
    return this.#session.json(...words(line))
  }

  async list(line: string): Promise<Row[]> {
    await settled(this.#controller)
    return this.#session.list(...words(line))
  }

  async refused(line: string): Promise<string> {
    await settled(this.#controller)
    return this.#session.refused(...words(line))
  }
}

function words(text: unknown): string[] {
  return String(text).trim().split(/\s+/)
}

/** The longest command whose words these arguments begin with. */
function commandOf(args: string[], known: Record<string, unknown>): string | undefined {
  const line = `${args.join(' ')} `
  return Object.keys(known)
    .filter((command) => line.startsWith(`${command} `))
    .sort((a, b) => b.length - a.length)[0]
}
