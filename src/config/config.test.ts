import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConfigError, loadConfig } from './config.ts'
import { ConfigSyntaxError, parseOsloConfig } from './parse.ts'

const load = (text: string, warn?: (text: string) => void) =>
  loadConfig({ stateDirectory: '/nowhere', file: { name: 'octavia.conf', text }, warn })

describe('octavia.conf', () => {
  test('a # inside a value is part of it', () => {
    assert.equal(load('[health_manager]\nheartbeat_key = ab#cd;ef').health_manager.heartbeat_key, 'ab#cd;ef')
  })

  test('a line that begins with white space continues the value above', () => {
    assert.deepEqual(load('[controller_worker]\namp_boot_network_list = a,\n    b').controller_worker.amp_boot_network_list, ['a', 'b'])
  })

  test('a list may be given by repeating the option; of other options the last counts', () => {
    const config = load(
      '[health_manager]\ncontroller_ip_port_list = 10.0.0.1:5555\ncontroller_ip_port_list = 10.0.0.2:5555\nbind_port = 1\nbind_port = 2',
    )
    assert.deepEqual(config.health_manager.controller_ip_port_list, ['10.0.0.1:5555', '10.0.0.2:5555'])
    assert.equal(config.health_manager.bind_port, 2)
  })

  test('sections with dots and options with colons are read', () => {
    assert.deepEqual(parseOsloConfig('[oslo.messaging]\ntopic: a=b'), [{ section: 'oslo.messaging', name: 'topic', value: 'a=b' }])
  })

  test('an unknown option is a warning', () => {
    const warnings: string[] = []
    load('[api_settings]\nnonsense = 1', (text) => warnings.push(text))
    assert.deepEqual(warnings, ['octavia.conf: unknown option [api_settings] nonsense'])
  })

  test('a wrong value names section, option and value', () => {
    assert.throws(
      () => load('[api_settings]\nbind_port = 70000'),
      new ConfigError("octavia.conf: [api_settings] bind_port: the value '70000' should be less than or equal to 65535"),
    )
    assert.throws(
      () => load('[controller_worker]\nloadbalancer_topology = BOTH'),
      /the value 'BOTH' should be one of SINGLE, ACTIVE_STANDBY/,
    )
  })

  test('receivers of logs are addresses with ports', () => {
    const { amphora_agent } = load('[amphora_agent]\ntenant_log_targets = 192.0.2.1:514, [2001:db8::1]:514\n')
    assert.deepEqual(amphora_agent.tenant_log_targets, ['192.0.2.1:514', '[2001:db8::1]:514'])
    for (const wrong of ['192.0.2.1', '192.0.2.1:70000', 'a b:1'])
      assert.throws(() => load(`[amphora_agent]\nadmin_log_targets = ${wrong}`), /\[amphora_agent\] admin_log_targets: the value .* is not/)
  })

  test('drivers that nobody chooses are those of the embedded cloud, and of OpenStack where there is one to log in to', () => {
    const drivers = (text: string) => {
      const { compute_driver, network_driver, image_driver } = load(text).controller_worker
      return [compute_driver, network_driver, image_driver]
    }
    const openStack = '[service_auth]\nauth_url = http://keystone\n'
    assert.deepEqual(drivers(''), ['compute_embedded_driver', 'network_embedded_driver', 'image_embedded_driver'])
    assert.deepEqual(drivers(openStack), ['compute_nova_driver', 'allowed_address_pairs_driver', 'image_glance_driver'])
    const noop = '[controller_worker]\ncompute_driver = compute_noop_driver\n'
    assert.deepEqual(drivers(noop + openStack), ['compute_noop_driver', 'allowed_address_pairs_driver', 'image_noop_driver'])
    const images = '[controller_worker]\nimage_driver = image_noop_driver\n'
    assert.deepEqual(drivers(openStack + images), ['compute_nova_driver', 'allowed_address_pairs_driver', 'image_noop_driver'])
  })

  test('a line that is no option is an error with its number', () => {
    assert.throws(() => load('[api_settings]\nbind_port'), ConfigSyntaxError)
  })

  test('a file wins over the defaults of the embedded cloud, the command line over both', () => {
    const config = loadConfig({
      stateDirectory: '/nowhere',
      file: { name: 'octavia.conf', text: '[api_settings]\nbind_port = 1111\n[keepalived_vrrp]\nvrrp_advert_int = 2' },
      defaults: { keepalived_vrrp: { vrrp_advert_int: 0.1 }, health_manager: { heartbeat_interval: 1 } },
      overrides: { api_settings: { bind_port: 2222 } },
    })
    assert.equal(config.api_settings.bind_port, 2222)
    assert.equal(config.keepalived_vrrp.vrrp_advert_int, 2)
    assert.equal(config.health_manager.heartbeat_interval, 1)
    assert.ok(!config.given.has('health_manager.heartbeat_interval'))
  })
})
