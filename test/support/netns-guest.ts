/**
 * A server of a Nova whose servers are network namespaces: `ip netns exec NAMESPACE node netns-guest.ts CONFIG-DRIVE`, with the server's directory as working
 * directory. It becomes an amphora like those of the embedded cloud, but booted as ours boots in a virtual machine, from the config drive. Its disk
 * is `disk` in the working directory. It ends with its process group and leaves no process.
 */
import { readFileSync, realpathSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { bundleAgent } from '../../src/agent/bundle.ts'
import { AGENT_ENVIRONMENT, AGENT_PROGRAM } from '../../src/agent/program.ts'
import { AS_IN_AMPHORA, amphoraView, writeDisk } from '../../src/embedded/compute/amphora-disk.ts'

/** Where the machine finds its config drive mounted. */
const MOUNTED = '/run/config-drive'
/** As a service manager would. */
const RESTART = 'while :; do "$@"; sleep 1; done'

const [configDrive] = process.argv.slice(2)
if (configDrive === undefined) {
  console.error('usage: netns-guest.ts CONFIG-DRIVE')
  process.exit(2)
}
const { hostname } = JSON.parse(readFileSync(join(configDrive, 'openstack/latest/meta_data.json'), 'utf8')) as { hostname: string }
const disk = resolve('disk')
const agent = resolve('agent.mjs')
writeDisk(disk, hostname, {})
await bundleAgent(agent)

// Processes that the agent starts have sessions of their own and outlive it; with their process 1 they all end.
const bubblewrap = [
  ...['bwrap', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--hostname', hostname, '--die-with-parent'],
  ...amphoraView(disk, { node: realpathSync(process.execPath), agent }),
  ...['--ro-bind', resolve(configDrive), MOUNTED],
  ...['--', ...AS_IN_AMPHORA, '/bin/sh', '-c', RESTART, 'sh', ...AGENT_PROGRAM, '--config-drive', MOUNTED],
]
process.execve?.('/usr/bin/env', ['env', ...bubblewrap], AGENT_ENVIRONMENT)
