/** The HAProxy that somebody would write by hand for the same purpose, on a lab host: the same bridge, the same filters. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DataPlane } from '../../test/netns/support/data-plane.ts'

/** Answers its address; it listens on port 80 and, with the certificate and key in this PEM file, on 443. */
export function handWrittenHaproxy(plane: DataPlane, member: string, pem: string): Promise<string> {
  const file = join(plane.controller.stateDirectory, 'hand-written.cfg')
  writeFileSync(file, configuration(member, pem))
  return plane.labHost('hand-written', 4, ['haproxy', '-db', '-q', '-f', file])
}

function configuration(member: string, pem: string): string {
  return `global
  user nobody
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
frontend web
  bind :80
  bind :443 ssl crt ${pem}
  default_backend members
backend members
  balance roundrobin
  http-reuse safe
  server member ${member}
`
}
