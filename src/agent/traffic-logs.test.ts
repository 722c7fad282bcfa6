import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { eventually } from '../../test/support/eventually.ts'
import { pathsOf } from './files.ts'
import { parseSettings } from './settings.ts'
import { followLog, TrafficLogs } from './traffic-logs.ts'

const directory = mkdtempSync(join(tmpdir(), 'traffic-logs-'))
after(() => rmSync(directory, { recursive: true }))

/** A load balancer's log, into which the test writes as HAProxy does. */
function aLog() {
  const settings = parseSettings(`[amphora_agent]\namphora_id = a\n[haproxy_amphora]\nbase_path = ${directory}\n`)
  const paths = pathsOf(settings)
  const id = `lb-${Math.random()}`
  mkdirSync(paths.loadBalancer(id))
  execFileSync('mkfifo', [paths.haproxyTraffic(id)])
  const silent = { debug() {}, info() {}, error() {} }
  const logs = new TrafficLogs(settings.logs, paths, silent)
  logs.read([id])
  after(() => logs.stop())
  const pipe = openSync(paths.haproxyTraffic(id), 'w')
  const write = (message: string) => writeSync(pipe, `<134>1 2026-11-26T02:49:30.885508+00:00 - haproxy 19 - - ${message}\n`)
  return { logs, id, write }
}

test('the last lines are kept, the first ones go, and of those that are not about traffic none is shown', async () => {
  const { logs, id, write } = aLog()
  for (let i = 0; i < 1_000; i++) {
    write(`line ${i} ${'x'.repeat(500)}`)
    // The pipe holds about a hundred of them.
    if (i % 50 === 49) await eventually(() => logs.lastLines(id)!.at(-1)!.startsWith(`line ${i} `))
  }
  const kept = logs.lastLines(id)!
  assert.ok(kept.length > 200 && kept.length < 600, `${kept.length} lines`)
  assert.deepEqual(
    kept.map((line) => Number(line.split(' ')[1])),
    Array.from({ length: kept.length }, (_, i) => 1_000 - kept.length + i),
  )
  assert.equal(logs.lastLines('nowhere'), null)
})

test('a follower that does not read loses lines, learns how many, and holds up nobody', async () => {
  const { logs, id, write } = aLog()
  const server = createServer((_, response) => {
    response.flushHeaders()
    followLog(logs, id, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const outgoing = request({ port: (server.address() as AddressInfo).port }).end()
  const [incoming] = await once(outgoing, 'response')
  const fast: string[] = []
  const other = { lines: (lines: readonly string[]) => void fast.push(...lines), end() {} }
  logs.follow(id, other)
  const total = 20_000
  for (let i = 0; i < total; i++) {
    write(`line ${i} ${'x'.repeat(500)}`)
    if (i % 50 === 49) await eventually(() => fast.length === i + 1)
  }
  let text = ''
  incoming.setEncoding('utf8')
  incoming.on('data', (piece: string) => {
    text += piece
  })
  await eventually(() => {
    write('end')
    return text.endsWith('end\n')
  })
  const got = text.split('\n').filter((line) => line.startsWith('line ')).length
  const told = [...text.matchAll(/^# (\d+) lines dropped$/gm)].reduce((sum, [, count]) => sum + Number(count), 0)
  assert.ok(told > 0)
  const ends = text.split('\n').filter((line) => line === 'end').length
  assert.ok(got + told >= total && got + told <= total + ends, `${got} and ${told} of ${total}`)
  outgoing.destroy()
  await eventually(() => logs.mayFollow(id))
  server.close()
})
