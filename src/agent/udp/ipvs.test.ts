import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseIpvs } from './ipvs.ts'

test('what ipvsadm prints of services and members is read, of both families', () => {
  const table = parseIpvs(`IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
UDP  10.0.0.10:53 wrr
  -> 10.0.0.21:5353               Masq    10     3          1
  -> 10.0.0.22:5353               Masq    0      2          0
SCTP [fd00::10]:3868 sh
  -> [fd00::21]:3868              Masq    1      0          0
---
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
UDP  10.0.0.10:53                        6       12       11      720      990
  -> 10.0.0.21:5353                      4        8        8      480      720
SCTP [fd00::10]:3868                     1        2        2      120      130
`)
  assert.deepEqual(Object.fromEntries(table), {
    'UDP 10.0.0.10 53': {
      connections: 6,
      bytesIn: 720,
      bytesOut: 990,
      members: new Map([
        ['10.0.0.21 5353', 3],
        ['10.0.0.22 5353', 2],
      ]),
    },
    'SCTP fd00::10 3868': { connections: 1, bytesIn: 120, bytesOut: 130, members: new Map([['fd00::21 3868', 0]]) },
  })
  assert.equal(parseIpvs('').size, 0)
})
