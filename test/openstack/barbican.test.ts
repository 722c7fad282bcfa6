/** The Barbican driver beside a real Barbican and a real Keystone: its promises, two projects and their lists. */
import { test } from 'node:test'
import { barbicanCases } from '../support/barbican-cases.ts'
import { KeystoneAdmin } from '../support/keystone-admin.ts'
import { noOpenStack } from '../support/openstack.ts'

if (noOpenStack === null) {
  barbicanCases('a real Barbican', async () => {
    const { OS_AUTH_URL, OS_PASSWORD } = process.env
    const admin = new KeystoneAdmin(OS_AUTH_URL!.replace(/\/$/, ''), OS_PASSWORD!)
    return { admin, url: 'http://127.0.0.1:9311', password: 'secret', close: async () => {} }
  })
} else {
  test('a real Barbican', { skip: noOpenStack }, () => {})
}
