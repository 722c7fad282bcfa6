import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../../config/config.ts'
import { parseCidr } from '../../lib/ip.ts'
import { networkNames } from './names.ts'
import { chooseRanges, claimsOf } from './ranges.ts'

const names = networkNames('a1b2c3')
const nothing = { private_cidr: null, private_ipv6_cidr: null, management_cidr: null }
const used = (...ranges: string[]) => ranges.map((range) => ({ cidr: parseCidr(range)!, what: 'an address of eth0' }))

test('the first free ranges are taken, and a random one of IPv6', async () => {
  const ranges = await chooseRanges(nothing, used('198.18.0.128/25', '198.18.2.0/23', '10.0.0.0/8'))
  assert.equal(ranges.private, '198.18.1.0/24')
  assert.equal(ranges.management, '198.18.4.0/24')
  assert.match(ranges.privateIpv6, /^fd[0-9a-f]{2}:[0-9a-f:]+::\/64$/)
  assert.notEqual(ranges.privateIpv6, (await chooseRanges(nothing, [])).privateIpv6)
})

test('a given range comes before the chosen ones', async () => {
  const ranges = await chooseRanges({ ...nothing, management_cidr: '198.18.0.0/24', private_ipv6_cidr: 'fd00:1::7/64' }, [])
  assert.deepEqual(ranges, { private: '198.18.1.0/24', management: '198.18.0.0/24', privateIpv6: 'fd00:1::/64' })
})

test('a given range that is in use, or is none, is refused with both names', async () => {
  for (const [wanted, message] of [
    [{ private_cidr: '10.1.0.0/16' }, /\[embedded\] private_cidr: 10\.1\.0\.0\/16 overlaps an address of eth0 \(10\.1\.2\.0\/24\)/],
    [
      { private_cidr: '172.16.0.0/24', management_cidr: '172.16.0.0/16' },
      /management_cidr: 172\.16\.0\.0\/16 overlaps \[embedded\] private_cidr/,
    ],
    [{ private_cidr: 'fd00::/64' }, /'fd00::\/64' is not an IPv4 range/],
    [{ private_ipv6_cidr: 'x' }, /'x' is not an IPv6 range/],
    [{ management_cidr: '172.16.0.0/30' }, /too small/],
  ] as const) {
    await assert.rejects(chooseRanges({ ...nothing, ...wanted }, used('10.1.2.0/24')), (error: Error) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, message)
      return true
    })
  }
  await assert.rejects(chooseRanges(nothing, used('198.18.0.0/15')), /no \/24 of 198\.18\.0\.0\/15 is free/)
})

test("the host's claims are its addresses and routes, without defaults and what this state has laid", () => {
  const address = (ifname: string, local: string, prefixlen: number) => ({ ifname, addr_info: [{ family: 'inet', local, prefixlen }] })
  const claims = claimsOf(
    [address('eth0', '10.0.0.5', 24), address(names.bridge('mine'), '198.18.0.1', 24)],
    [
      { dst: 'default', dev: 'eth0' },
      { dst: '0.0.0.0/1', dev: 'tun0' },
      { dst: '192.0.2.7', dev: 'eth0' },
      { dst: '198.18.0.0/24', dev: names.bridge('mine') },
      { dst: '198.18.0.0/24', type: 'blackhole', metric: names.blackholeMetric },
      { dst: '198.18.9.0/24', type: 'blackhole', metric: networkNames('ffffff').blackholeMetric },
      { dst: 'ff00::/8', type: 'multicast', dev: 'eth0' },
    ],
    names,
  )
  assert.deepEqual(
    claims.map(({ what }) => what),
    ['an address of eth0', 'the route to 192.0.2.7', 'the route to 198.18.9.0/24'],
  )
})

test('links of one state are told from those of another, and fit the kernel', () => {
  const bridge = names.bridge('07ba7a64-0000-4000-8000-000000000000')
  assert.equal(bridge.length, 15)
  assert.ok(names.isBridge(bridge) && !names.isPort(bridge) && !networkNames('a1b2c4').isBridge(bridge))
})
