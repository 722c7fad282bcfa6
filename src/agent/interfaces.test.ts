import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bringUp, handOverToKeepalived, memberInterface, takeAway, vipInterface } from './interfaces.ts'
import { HttpError } from './router.ts'

const vip = {
  ip_address: '10.0.0.10',
  subnet_cidr: '10.0.0.0/24',
  gateway: '10.0.0.1',
  host_routes: [{ destination: '10.9.0.0/16', nexthop: '10.0.0.254' }],
}
const wanted = { vips: [vip], vrrp_ip: '10.0.0.11', fixed_ips: [], mtu: 1450 }
const lines = (commands: { line: string }[]) => commands.map(({ line }) => line)

describe("an interface's commands", () => {
  test('a VIP of its own has its address, table 1 and its rule', () => {
    assert.deepEqual(lines(bringUp(vipInterface('eth1', wanted, false))), [
      'link set eth1 mtu 1450',
      'address replace 10.0.0.11/24 dev eth1',
      'address replace 10.0.0.10/32 dev eth1',
      'link set eth1 up',
      'route replace 0.0.0.0/0 via 10.0.0.1 dev eth1 onlink',
      'route replace 10.0.0.0/24 dev eth1 scope link',
      'route replace 10.9.0.0/16 via 10.0.0.254 dev eth1 onlink',
      'route replace 10.0.0.0/24 dev eth1 src 10.0.0.10 scope link table 1',
      'route replace 0.0.0.0/0 via 10.0.0.1 dev eth1 onlink table 1',
      'route replace 10.9.0.0/16 via 10.0.0.254 dev eth1 onlink table 1',
      'rule add from 10.0.0.10/32 table 1',
    ])
  })

  test('a shared VIP is left to keepalived', () => {
    const commands = lines(bringUp(vipInterface('eth1', wanted, true)))
    assert.ok(commands.every((line) => !/10\.0\.0\.10|table|rule/.test(line)))
    assert.ok(commands.includes('address replace 10.0.0.11/24 dev eth1'))
  })

  test('what keepalived takes over is removed, and what remains is as if it had been shared', () => {
    const { file, commands } = handOverToKeepalived(vipInterface('eth1', wanted, false))
    assert.deepEqual(file, vipInterface('eth1', wanted, true))
    assert.ok(lines(commands).includes('address delete 10.0.0.10/32 dev eth1'))
    assert.ok(lines(commands).includes('rule delete from 10.0.0.10/32 table 1'))
  })

  test('IPv6 needs no duplicate detection and is spelled canonically', () => {
    const commands = lines(
      bringUp(
        vipInterface(
          'eth1',
          {
            ...wanted,
            vips: [{ ...vip, ip_address: 'FD00:0::10', subnet_cidr: 'fd00::/64', gateway: 'fd00::1', host_routes: [] }],
            vrrp_ip: 'fd00::11',
          },
          false,
        ),
      ),
    )
    assert.ok(commands.includes('address replace fd00::10/128 dev eth1 nodad'))
    assert.ok(commands.includes('rule add from fd00::10/128 table 1'))
    assert.ok(commands.includes('route replace ::/0 via fd00::1 dev eth1 onlink table 1'))
  })

  test('a changed interface loses what it had before, and only that', () => {
    const fixed = (ip_address: string) => [{ ip_address, subnet_cidr: '10.1.0.0/24', gateway: null, host_routes: vip.host_routes }]
    const [before, after] = [memberInterface('eth2', fixed('10.1.0.5'), 1500), memberInterface('eth2', fixed('10.1.0.6'), 1500)]
    assert.deepEqual(lines(takeAway(before, after)), ['address delete 10.1.0.5/24 dev eth2'])
    assert.deepEqual(takeAway(before, before), [])
  })

  test('what is no address is refused, whatever it would do in a command', () => {
    for (const ip_address of ['10.0.0.10 dev eth0', 'nonsense', '', '10.0.0.10\nlink delete eth0'])
      assert.throws(
        () => vipInterface('eth1', { ...wanted, vips: [{ ...vip, ip_address }] }, false),
        (error) => error instanceof HttpError && error.status === 400,
      )
  })
})
