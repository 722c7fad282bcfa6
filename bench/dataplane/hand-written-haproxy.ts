/** The HAProxy that somebody would write by hand for the same purpose, on a lab host: the same bridge, the same filters. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DataPlane } from '../../test/netns/support/data-plane.ts'

/** Answers its address; it listens on port 80. */
export function handWrittenHaproxy(plane: DataPlane, member: string): Promise<string> {
  const file = join(plane.controller.stateDirectory, 'hand-written.cfg')
  writeFileSync(file, configuration(member))
  return plane.labHost('hand-written', 4, ['haproxy', '-db', '-q', '-f', file])
}

function configuration(member: string): string {
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
  default_backend members
backend members
  balance roundrobin
  http-reuse safe
  server member ${member}
`
}
