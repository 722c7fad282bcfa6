/** Web servers that cost next to nothing, so that what is measured is the load balancer: HAProxy answers by itself. What should take its time is answered by a Node beside it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DataPlane } from './data-plane.ts'

const SLOW_PORT = 7999

/** Answers the lab host's address. Every port answers its own number; `?wait=MS` takes so long. */
export function fastWeb(plane: DataPlane, name: string, ports: readonly number[]): Promise<string> {
  const file = join(plane.controller.stateDirectory, `${name}.cfg`)
  writeFileSync(file, configuration(ports))
  const slow = `require('node:http').createServer((q, r) => setTimeout(() => r.end('slow'), Number(q.url.split('wait=')[1]))).listen(${SLOW_PORT}, '127.0.0.1')`
  return plane.labHost(name, 4, ['sh', '-c', '"$0" -e "$1" & exec haproxy -db -q -f "$2"', process.execPath, slow, file])
}

function configuration(ports: readonly number[]): string {
  return `global
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 120s
  timeout server 120s
frontend web
${ports.map((port) => `  bind :${port}`).join('\n')}
  http-request return status 200 content-type text/plain lf-string %[dst_port] unless { url_param(wait) -m found }
  default_backend slow
backend slow
  server slow 127.0.0.1:${SLOW_PORT}
`
}
