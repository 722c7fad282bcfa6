import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseCidr, parseIp } from '../../lib/ip.ts'
import { checkAddress, checkPools, chooseAddress, countFree, defaultPools } from './addresses.ts'
import { linkLocalOf } from './link-local.ts'
import type { AllocationPool } from './tables.ts'

const cidr = parseCidr('10.0.0.0/29')!
const gateway = parseIp('10.0.0.1')

test('without pools everything but the gateway, the network and the broadcast address is given out', () => {
  assert.deepEqual(defaultPools(cidr, gateway), [{ start: '10.0.0.2', end: '10.0.0.6' }])
  assert.deepEqual(defaultPools(cidr, parseIp('10.0.0.3')), [
    { start: '10.0.0.1', end: '10.0.0.2' },
    { start: '10.0.0.4', end: '10.0.0.6' },
  ])
  assert.deepEqual(defaultPools(cidr, null), [{ start: '10.0.0.1', end: '10.0.0.6' }])
  assert.deepEqual(defaultPools(parseCidr('10.0.0.8/31')!, null), [{ start: '10.0.0.8', end: '10.0.0.9' }])
  assert.deepEqual(defaultPools(parseCidr('fd00::/126')!, parseIp('fd00::1')), [{ start: 'fd00::2', end: 'fd00::3' }])
})

test('pools that leave the range, overlap or hold the gateway are refused', () => {
  const pool = (start: string, end: string) => ({ start, end })
  checkPools([pool('10.0.0.2', '10.0.0.3'), pool('10.0.0.4', '10.0.0.6')], cidr, gateway)
  for (const [pools, message] of [
    [[pool('10.0.0.2', '10.0.0.8')], /spans beyond/],
    [[pool('10.0.0.4', '10.0.0.2')], /not valid/],
    [[pool('10.0.0.2', 'x')], /not valid/],
    [[pool('10.0.0.4', '10.0.0.6'), pool('10.0.0.2', '10.0.0.4')], /overlapping/],
    [[pool('10.0.0.1', '10.0.0.6')], /Gateway ip 10\.0\.0\.1 conflicts with allocation pool 10\.0\.0\.1-10\.0\.0\.6/],
  ] as const) {
    assert.throws(() => checkPools([...pools], cidr, gateway), message)
  }
})

test('an address that is asked for is one a host may have, in its canonical spelling', () => {
  assert.equal(checkAddress('FD00::00AB', { cidr: 'fd00::/64' }), 'fd00::ab')
  for (const address of ['10.0.0.0', '10.0.0.7', '10.0.0.8', 'fd00::1', 'x']) {
    assert.throws(() => checkAddress(address, { cidr: '10.0.0.0/29' }), /not a valid IP for the specified subnet/)
  }
})

test('addresses are chosen until none is left, never one that is used', () => {
  const pools = fc.constantFrom<AllocationPool[]>(
    [{ start: '10.0.0.2', end: '10.0.0.6' }],
    [
      { start: '10.0.0.1', end: '10.0.0.2' },
      { start: '10.0.0.5', end: '10.0.0.6' },
    ],
    [],
  )
  const used = fc.uniqueArray(fc.integer({ min: 1, max: 6 }))
  fc.assert(
    fc.property(pools, used, (allocation_pools, lastOctets) => {
      const subnet = { ip_version: 4 as const, allocation_pools }
      const taken = new Set(lastOctets.map((octet) => `10.0.0.${octet}`))
      for (let free = countFree(subnet, taken); free > 0; free--) {
        const address = chooseAddress(subnet, taken)
        assert.ok(address !== null && !taken.has(address))
        taken.add(address)
      }
      assert.equal(chooseAddress(subnet, taken), null)
      assert.equal(countFree(subnet, taken), 0)
    }),
  )
})

test("the kernel's link-local address of a MAC address", () => {
  assert.equal(linkLocalOf('fa:16:3e:12:34:56'), 'fe80::f816:3eff:fe12:3456')
})
