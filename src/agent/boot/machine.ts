/** What a machine is told about itself at each start: its name, its management addresses, who may log in. Nothing of it is kept. */
import { writeFileSync } from 'node:fs'
import { exec } from '../../lib/exec.ts'
import { writeAtomically } from '../files.ts'
import type { ConfigDrive } from './config-drive.ts'
import { networkFiles } from './network-files.ts'

const NETWORKS = '/run/systemd/network'
const AUTHORIZED_KEYS = '/run/ottavia/authorized_keys'

export async function setUpMachine({ hostname, network, publicKeys }: ConfigDrive): Promise<void> {
  // Nova appends the cloud's domain.
  writeFileSync('/proc/sys/kernel/hostname', hostname.split('.')[0]!)
  for (const [name, text] of Object.entries(networkFiles(network))) writeAtomically(`${NETWORKS}/${name}`, text)
  writeAtomically(AUTHORIZED_KEYS, publicKeys.map((key) => `${key.trim()}\n`).join(''), { mode: 0o600 })
  // It is not waited for: the agent listens on all addresses, those to come as well.
  await exec('systemctl', ['--no-block', 'start', 'systemd-networkd.service'])
}
