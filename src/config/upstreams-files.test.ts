/** Configurations that have served Octavia are read without an error, and what they hold that means nothing here is told in those words. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { loadConfig } from './config.ts'

/** Of Debian's octavia-common: every option of upstream's with its default, commented out. */
const SAMPLE = '/usr/share/octavia-common/octavia.conf'

function load(text: string) {
  const warnings: string[] = []
  const file = { name: 'octavia.conf', text }
  return { config: loadConfig({ stateDirectory: '/nonexistent', file, warn: (line) => warnings.push(line) }), warnings }
}

test("every option of Debian's octavia.conf is known or known to have no effect, and takes its default", {
  skip: existsSync(SAMPLE) ? false : 'octavia-common is not installed',
}, () => {
  const options = readFileSync(SAMPLE, 'utf8').split('\n')
  // What stands for nothing, or for a value of the machine's own.
  const text = options.map((line) => line.replace(/^#(\w+ = (?!<).*)$/, '$1')).join('\n')
  const { config, warnings } = load(text)
  assert.ok(config.given.size > 100, String(config.given.size))
  assert.deepEqual(
    warnings.filter((warning) => !warning.endsWith('has no effect here')),
    [],
  )
})

test('a file as kolla-ansible writes it is read, but for its database', () => {
  const { config, warnings } = load(`
[DEFAULT]
debug = False
log_dir = /var/log/kolla/octavia
transport_url = rabbit://openstack:secret@192.0.2.1:5672//
[api_settings]
bind_host = 192.0.2.1
bind_port = 9876
enabled_provider_drivers = amphora:The Octavia Amphora driver., octavia: Deprecated alias of the Octavia driver.
default_provider_driver = amphora
[certificates]
ca_private_key_passphrase = secret
ca_private_key = /etc/octavia/certs/server_ca.key.pem
ca_certificate = /etc/octavia/certs/server_ca.cert.pem
server_certs_key_passphrase = insecure-key-do-not-use-this-key
endpoint_type = internal
ca_certificates_file = /etc/ssl/certs/ca-certificates.crt
[haproxy_amphora]
server_ca = /etc/octavia/certs/server_ca.cert.pem
client_cert = /etc/octavia/certs/client.cert-and-key.pem
bind_port = 9443
[database]
connection = mysql+pymysql://octavia:secret@192.0.2.1:3306/octavia
connection_recycle_time = 10
max_pool_size = 1
max_retries = -1
[service_auth]
auth_url = http://192.0.2.1:5000
auth_type = password
username = octavia
password = secret
user_domain_name = Default
project_name = service
project_domain_name = Default
cafile = /etc/ssl/certs/ca-certificates.crt
memcached_servers = 192.0.2.1:11211
[keystone_authtoken]
service_type = load-balancer
www_authenticate_uri = http://192.0.2.1:5000
auth_url = http://192.0.2.1:5000
auth_type = password
project_domain_id = default
user_domain_id = default
project_name = service
username = octavia
password = secret
memcache_security_strategy = ENCRYPT
memcache_secret_key = secret
[health_manager]
bind_port = 5555
bind_ip = 192.0.2.1
controller_ip_port_list = 192.0.2.1:5555, 192.0.2.2:5555
heartbeat_key = insecure
stats_update_threads = 5
[controller_worker]
amp_ssh_key_name = octavia_ssh_key
amp_image_tag = amphora
amp_image_owner_id = 5f4b
client_ca = /etc/octavia/certs/client_ca.cert.pem
network_driver = allowed_address_pairs_driver
compute_driver = compute_nova_driver
amphora_driver = amphora_haproxy_rest_driver
amp_active_retries = 100
amp_active_wait_sec = 2
loadbalancer_topology = SINGLE
[oslo_messaging]
topic = octavia_prov
rpc_thread_pool_size = 2
[oslo_messaging_rabbit]
rabbit_quorum_queue = true
[glance]
region_name = RegionOne
endpoint_type = internal
[neutron]
region_name = RegionOne
valid_interfaces = internal
[nova]
region_name = RegionOne
endpoint_type = internal
enable_anti_affinity = True
[task_flow]
persistence_connection = mysql+pymysql://octavia:secret@192.0.2.1:3306/octavia_persistence
jobboard_enabled = True
[driver_agent]
enabled_provider_agents = ovn
[ovn]
ovn_nb_connection = tcp:192.0.2.1:6641
`)
  const { controller_worker, service_auth, health_manager } = config
  assert.deepEqual(
    [controller_worker.compute_driver, controller_worker.network_driver, controller_worker.image_driver, service_auth.auth_url],
    ['compute_nova_driver', 'allowed_address_pairs_driver', 'image_glance_driver', 'http://192.0.2.1:5000'],
  )
  assert.deepEqual(health_manager.controller_ip_port_list, ['192.0.2.1:5555', '192.0.2.2:5555'])
  assert.deepEqual(
    warnings.filter((warning) => !warning.endsWith('has no effect here')),
    [],
  )
})

test('a file as DevStack writes it is read', () => {
  const { config, warnings } = load(`
[DEFAULT]
debug = True
transport_url = rabbit://stackrabbit:secret@192.0.2.1:5672/
graceful_shutdown_timeout = 300
[api_settings]
bind_host = 192.0.2.1
api_handler = queue_producer
[database]
connection = mysql+pymysql://root:secret@127.0.0.1:3306/octavia
[keystone_authtoken]
memcached_servers = localhost:11211
cafile = /opt/stack/data/ca-bundle.pem
project_domain_name = Default
project_name = service
user_domain_name = Default
password = secret
username = octavia
auth_url = http://192.0.2.1/identity
interface = public
auth_type = password
[service_auth]
auth_url = http://192.0.2.1/identity
auth_type = password
username = admin
password = secret
user_domain_name = Default
project_name = admin
project_domain_name = Default
cafile = /opt/stack/data/ca-bundle.pem
memcached_servers = 192.0.2.1:11211
[neutron]
auth_url = http://192.0.2.1/identity
auth_type = password
username = admin
password = secret
user_domain_name = Default
project_name = admin
project_domain_name = Default
cafile = /opt/stack/data/ca-bundle.pem
[controller_worker]
amphora_driver = amphora_haproxy_rest_driver
compute_driver = compute_nova_driver
volume_driver = volume_noop_driver
network_driver = allowed_address_pairs_driver
image_driver = image_glance_driver
amp_image_tag = amphora
amp_timezone = Etc/UTC
amp_flavor_id = 10
amp_boot_network_list = 3f0b4f3c-2c1e-4b8e-9d1e-4f6f5ad7f0a4
amp_secgroup_list = 41d2aa2f-6bb3-4f5a-9b0e-7d54bb1e2d0e
amp_ssh_key_name = octavia_ssh_key
amp_active_retries = 100
amp_active_wait_sec = 2
workers = 2
[health_manager]
heartbeat_key = insecure
controller_ip_port_list = 192.168.0.3:5555
bind_ip = 192.168.0.3
bind_port = 5555
[amphora_agent]
admin_log_targets = 192.168.0.3:10514
tenant_log_targets = 192.168.0.3:20514
user_log_facility = 0
administrative_log_facility = 1
[house_keeping]
amphora_expiry_age = 3600
load_balancer_expiry_age = 3600
[oslo_messaging]
rpc_thread_pool_size = 2
topic = octavia_prov
[haproxy_amphora]
connection_max_retries = 1500
connection_retry_interval = 1
rest_request_conn_timeout = 10
rest_request_read_timeout = 120
[certificates]
ca_certificate = /etc/octavia/certs/server_ca.cert.pem
[oslo_policy]
policy_file = /etc/octavia/policy.yaml
`)
  assert.equal(config.controller_worker.compute_driver, 'compute_nova_driver')
  assert.deepEqual(
    warnings.filter((warning) => !warning.endsWith('has no effect here')),
    [],
  )
})

test('the example is read without a warning, and names an OpenStack', () => {
  const { config, warnings } = load(readFileSync(new URL('../../etc/octavia.conf.example', import.meta.url), 'utf8'))
  assert.deepEqual(warnings, [])
  assert.equal(config.controller_worker.compute_driver, 'compute_nova_driver')
})
