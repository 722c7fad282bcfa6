/** Servers of tenants in the real OpenStack of `openstack.ts`: namespaces that run the script of their user data. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exec } from '../../src/lib/exec.ts'
import type { CloudUser, RealCloud } from './openstack-cloud.ts'
import { uniqueName } from './openstack-cloud.ts'
import { anImage } from './openstack-octavia.ts'

const ANSWER_TIMEOUT_SECONDS = '3'

export interface TenantServer {
  id: string
  address: string
  namespace: string
}

/** What all tenants' servers are made from. */
export interface ServerKind {
  image: string
  flavor: string
  remove(): Promise<void>
}

export async function aServerKind(cloud: RealCloud): Promise<ServerKind> {
  const name = uniqueName('tenant')
  const image = await anImage(cloud, { name, tags: [], forAll: true })
  const flavor = await cloud.admin.openstack.show('flavor', 'create', '--ram', '256', '--vcpus', '1', '--disk', '1', name)
  return {
    image,
    flavor: String(flavor.id),
    async remove() {
      await cloud.admin.openstack.run('flavor', 'delete', String(flavor.id))
      await cloud.admin.openstack.run('image', 'delete', image)
    },
  }
}

/** A program for Node that answers every request on port 80 with this text. */
export const answeringProgram = (text: string): string =>
  `require('node:http').createServer((q, r) => r.end(${JSON.stringify(text)})).listen(80, '0.0.0.0')`

/** The same as a script. */
export const answering = (text: string): string => `#!${process.execPath}\n${answeringProgram(text)}\n`

/** Does nothing; requests are sent from its place. */
export const idling = '#!/bin/sh\nexec sleep 1000000\n'

/** By the user's own client, with an address on that network. */
export async function aServer(
  user: CloudUser,
  kind: ServerKind,
  wanted: { name: string; network: string; script: string },
): Promise<TenantServer> {
  const directory = mkdtempSync(join(tmpdir(), 'user-data-'))
  try {
    const script = join(directory, 'script')
    writeFileSync(script, wanted.script)
    const made = ['--image', kind.image, '--flavor', kind.flavor, '--network', wanted.network]
    const { id } = await user.openstack.show(
      'server',
      'create',
      ...made,
      '--user-data',
      script,
      '--config-drive',
      'True',
      '--wait',
      wanted.name,
    )
    const [port] = await user.openstack.list('port', 'list', '--server', String(id))
    const [{ ip_address }] = port!['Fixed IP Addresses'] as [{ ip_address: string }]
    return { id: String(id), address: ip_address, namespace: `os-${id}` }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** The body of one answer, asked for from that namespace on a connection of its own. Throws where there is none or a bad one. */
export async function curlFrom({ namespace }: { namespace: string }, url: string, ...options: string[]): Promise<string> {
  const command = ['curl', '--silent', '--show-error', '--fail', '--max-time', ANSWER_TIMEOUT_SECONDS, ...options, url]
  const { stdout } = await exec('ip', ['netns', 'exec', namespace, ...command])
  return stdout
}
