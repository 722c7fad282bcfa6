import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../config/config.ts'
import { asNeutronIsAsked } from './neutron-login.ts'

test('[neutron] says how Neutron is logged in to, and [service_auth] what it does not say', () => {
  const service_auth = { auth_url: 'http://keystone', username: 'octavia', password: 'secret' }
  const plain = loadConfig({ stateDirectory: '/nowhere', overrides: { service_auth, neutron: { endpoint_override: 'http://neutron' } } })
  assert.equal(asNeutronIsAsked(plain), plain)
  const own = loadConfig({
    stateDirectory: '/nowhere',
    overrides: { service_auth, neutron: { username: 'octavia-net', cafile: '/neutron.pem' } },
  })
  const { auth_url, username, password, cafile } = asNeutronIsAsked(own).service_auth
  assert.deepEqual([auth_url, username, password, cafile], ['http://keystone', 'octavia-net', 'secret', '/neutron.pem'])
  assert.equal(own.service_auth.username, 'octavia')
})
