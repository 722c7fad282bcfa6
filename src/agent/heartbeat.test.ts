import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { inflateSync } from 'node:zlib'
import { parseProcesses, parseStat } from './haproxy-socket.ts'
import { buildHeartbeat, Counters, encodeHeartbeat, Sequence, statusesOf } from './heartbeat.ts'

const directory = mkdtempSync(join(tmpdir(), 'heartbeat-'))
after(() => rmSync(directory, { recursive: true }))
let files = 0
const someCounters = () => new Counters(join(directory, String(++files)))

const header =
  '# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,bck,chkfail,last_chk,'

function csv({ total = 7, bytes = 100 } = {}): string {
  return [
    header,
    `listener-1,FRONTEND,,,3,3,2000,${total},${bytes},${2 * bytes},0,0,1,,,,,OPEN,,,,,,`,
    'pool-1:listener-1,member-1,0,0,0,1,,4,0,0,,0,,0,0,0,0,UP,1,1,0,0,,',
    'pool-1:listener-1,member-2,0,0,0,1,,4,0,0,,0,,0,0,0,0,UP,0,1,0,0,,',
    'pool-1:listener-1,member-3,0,0,0,1,,4,0,0,,0,,0,0,0,0,DOWN 1/2,1,1,0,1,"L4TOUT, after 200 ms",',
    'pool-1:listener-1,BACKEND,0,0,0,1,200,4,0,0,0,0,,0,0,0,0,UP,1,1,0,,,',
    'octavia-prometheus-proxy,FRONTEND,,,0,0,2000,9,9,9,0,0,0,,,,,OPEN,,,,,,',
    '',
  ].join('\n')
}

describe('heartbeat', () => {
  test("is HAProxy's statistics in format 3", () => {
    assert.deepEqual(buildHeartbeat('amphora-1', 5, parseStat(csv()), someCounters()), {
      id: 'amphora-1',
      seq: 5,
      ver: 3,
      listeners: { 'listener-1': { status: 'OPEN', stats: { tx: 200, rx: 100, conns: 3, totconns: 7, ereq: 1 } } },
      pools: { 'pool-1:listener-1': { status: 'UP', members: { 'member-1': 'UP', 'member-2': 'DRAIN', 'member-3': 'DOWN 1/2' } } },
    })
  })

  test('without HAProxy has empty listeners and pools', () => {
    const { listeners, pools } = buildHeartbeat('amphora-1', 0, parseStat(''), someCounters())
    assert.deepEqual([listeners, pools], [{}, {}])
  })

  test('is compressed and signed with 64 hexadecimal digits', () => {
    const heartbeat = buildHeartbeat('amphora-1', 0, [], someCounters())
    const packet = encodeHeartbeat(heartbeat, { key: 'a key', isOwn: false })
    const [compressed, signature] = [packet.subarray(0, -64), packet.subarray(-64).toString('ascii')]
    assert.equal(signature, createHmac('sha256', 'a key').update(compressed).digest('hex'))
    assert.deepEqual(JSON.parse(inflateSync(compressed).toString()), heartbeat)
    assert.equal(compressed[1], 0xda, "zlib's best compression")
  })

  test('names its amphora, under the signature, where the key is its own, and is compressed only where one frame would not hold it', () => {
    for (const members of [1, 200]) {
      const heartbeat = buildHeartbeat('amphora-1', 0, [], null)
      heartbeat.pools['pool-1:listener-1'] = {
        status: 'UP',
        members: Object.fromEntries(Array.from({ length: members }, (_, n) => [`member-${n}`, 'UP'])),
      }
      const packet = encodeHeartbeat(heartbeat, { key: 'a key', isOwn: true })
      const signed = packet.subarray(0, -64)
      assert.equal(packet.subarray(-64).toString('ascii'), createHmac('sha256', 'a key').update(signed).digest('hex'))
      assert.equal(signed.subarray(0, 'amphora-1'.length + 1).toString(), 'amphora-1\n')
      const body = signed.subarray('amphora-1'.length + 1)
      assert.deepEqual(JSON.parse((members === 1 ? body : inflateSync(body)).toString()), heartbeat)
      assert.ok(packet.length <= 1_232)
    }
  })

  test('is numbered by the clock and never lower than before, over steps of the clock and restarts of the agent', () => {
    const path = join(directory, 'sequence')
    const sequence = new Sequence(path)
    assert.deepEqual([sequence.next(1_000), sequence.next(1_000), sequence.next(400), sequence.next(2_000)], [1_000, 1_001, 1_002, 2_000])
    assert.deepEqual([new Sequence(path).next(500), new Sequence(path).next(9_000)], [2_001, 9_000])
    writeFileSync(path, 'half-written')
    assert.equal(new Sequence(path).next(7_000), 7_000)
  })

  const growth = (counters: Counters, text: string) => {
    const { listeners } = buildHeartbeat('amphora-1', 0, parseStat(text), counters)
    return listeners['listener-1']?.stats.totconns
  }

  test('counts what is new since the last one, also after a restart of the agent', () => {
    const counters = someCounters()
    assert.equal(growth(counters, csv({ total: 7 })), 7)
    assert.equal(growth(counters, csv({ total: 9 })), 2)
    counters.save()
    assert.equal(growth(new Counters(join(directory, String(files))), csv({ total: 10 })), 1)
  })

  test('counts nothing while nobody knows whose counters they are, and it later', () => {
    const counters = someCounters()
    growth(counters, csv({ total: 7 }))
    const { listeners } = buildHeartbeat('amphora-1', 0, parseStat(csv({ total: 9 })), null)
    assert.deepEqual(listeners['listener-1'], { status: 'OPEN', stats: { tx: 0, rx: 0, conns: 3, totconns: 0, ereq: 0 } })
    assert.equal(growth(counters, csv({ total: 10 })), 3)
  })

  test('counts everything of a HAProxy that counts less than the last one', () => {
    const counters = someCounters()
    growth(counters, csv({ total: 9 }))
    assert.equal(growth(counters, csv({ total: 4 })), 4)
  })

  test('counts the last of a worker and all of its successor, even when that has counted further', () => {
    const counters = someCounters()
    growth(counters, csv({ total: 9 }))
    counters.keep(parseStat(csv({ total: 12 })))
    counters.startOver(new Set())
    assert.equal(growth(counters, csv({ total: 20 })), 3 + 20)
  })

  test('counts nothing twice of listeners that HAProxy has no part in, when HAProxy starts over', () => {
    const counters = someCounters()
    growth(counters, csv({ total: 9 }))
    const [frontend] = parseStat(csv({ total: 12 }))
    counters.startOver(new Set([frontend!.proxy]))
    assert.equal(growth(counters, csv({ total: 12 })), 3)
  })

  test('is due out of turn when a status changes, not when a counter does', () => {
    const statuses = (text: string) => statusesOf(parseStat(text))
    assert.equal(statuses(csv({ total: 1 })), statuses(csv({ total: 2 })))
    assert.notEqual(statuses(csv()), statuses(csv().replace('DOWN 1/2', 'DOWN')))
  })
})

test("a master process's worker and reloads are read", () => {
  const text = `#<PID>          <type>          <reloads>       <uptime>        <version>
12              master          2 [failed: 1]   0d00h00m01s     2.6.12-1+deb12u4
# workers
18              worker          0               0d00h00m01s     2.6.12-1+deb12u4
# old workers
14              worker          1               0d00h00m05s     2.6.12-1+deb12u4
# programs

`
  assert.deepEqual(parseProcesses(text), { workerPid: 18, oldWorkerPids: [14], reloads: 2, failedReloads: 1 })
  assert.equal(parseProcesses(text.replace(/^18.*\n/m, '')).workerPid, null)
})
