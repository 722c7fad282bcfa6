/**
 * What an amphora has of its own and what it sees. Its disk is a directory of the state (mode 0700) with
 *   etc/   its /etc, with the config drive's files in octavia/: the agent's configuration and certificates, mode 0600. On disk, as in a VM,
 *          because an amphora must come back after a restart of the host; the state directory holds the keys of the CAs beside it anyway.
 *   lib/   its /var/lib/octavia: HAProxy's and keepalived's configuration. The tenants' certificates in it are on a tmpfs, as in upstream's
 *          image (`certs-ramfs`): they never reach the disk.
 *   log/   its /var/log.
 */
import { chmodSync, existsSync, lstatSync, mkdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { AGENT_PROGRAM, agentFile, nodeFile } from '../../agent/program.ts'
import { amphoraFiles } from '../../lib/amphora-files.ts'

const MIB = 1024 * 1024

/** Everything else of root's stays: HAProxy becomes nobody, keepalived wants real-time priority, the agent changes networks. */
const DROPPED_CAPABILITIES = ['sys_module', 'sys_rawio', 'sys_boot', 'sys_time', 'sys_ptrace', 'mknod']

/** Parts of the host's /etc that programs in /usr look into and that tell nothing about the host. */
const SHARED_ETC = ['ld.so.cache', 'alternatives', 'iproute2', 'protocols', 'services']

/** For the script that supervises it. */
export const AGENT_COMMAND = ['/var/log/amphora-agent.log', ...AGENT_PROGRAM, '--config-file', amphoraFiles.agentConfiguration]

/**
 * What every command in an amphora begins with, the operator's too: it takes the capabilities also from the bounding set, which bubblewrap
 * leaves whole.
 */
export const AS_IN_AMPHORA = [
  ...['/usr/bin/setpriv', '--no-new-privs', '--inh-caps=-all'],
  `--bounding-set=${DROPPED_CAPABILITIES.map((capability) => `-${capability}`).join()}`,
  '--',
]

/** Makes the disk, or completes it. `files`: path inside to contents; only below /etc/octavia/. */
export function writeDisk(disk: string, hostname: string, files: Record<string, string>): void {
  mkdirSync(join(disk, 'etc'), { recursive: true, mode: 0o700 })
  // HAProxy and checks run as nobody, who has to get through these.
  for (const directory of ['etc', 'lib', 'log']) {
    mkdirSync(join(disk, directory), { recursive: true })
    chmodSync(join(disk, directory), 0o755)
  }
  mkdirSync(join(disk, 'lib/certs'), { recursive: true })
  mkdirSync(join(disk, 'etc/octavia/certs'), { recursive: true, mode: 0o700 })
  const etc = {
    passwd: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
    group: 'root:x:0:\nnogroup:x:65534:\n',
    hosts: `127.0.0.1 localhost\n::1 localhost\n127.0.1.1 ${hostname}\n`,
    hostname: `${hostname}\n`,
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
  }
  for (const [name, contents] of Object.entries(etc)) writeFileSync(join(disk, 'etc', name), contents)
  for (const [path, contents] of Object.entries(files)) {
    if (normalize(path) !== path || !path.startsWith('/etc/octavia/')) throw new Error(`${path} is no file of a config drive`)
    mkdirSync(join(disk, dirname(path)), { recursive: true, mode: 0o700 })
    writeFileSync(join(disk, path), contents, { mode: 0o600 })
  }
}

export function removeDisk(disk: string): void {
  rmSync(disk, { recursive: true, force: true })
}

/** What the amphora sees, as bubblewrap's arguments: its disk, the host's programs and the agent, read-only, and nothing else of the host. */
export function amphoraView(disk: string, program: { node: string; agent: string }): string[] {
  return [
    ...DROPPED_CAPABILITIES.flatMap((capability) => ['--cap-drop', `CAP_${capability.toUpperCase()}`]),
    '--unshare-cgroup-try',
    ...hostPrograms(),
    // Of the kernel's settings only the network's may be changed: the kernel shows each process those of its own network namespace.
    ...['--proc', '/proc', '--ro-bind', '/proc/sys', '/proc/sys', '--bind', '/proc/sys/net', '/proc/sys/net'],
    ...['--dev', '/dev', '--ro-bind', '/sys', '/sys'],
    ...tmpfs('/run', '0755', 16),
    ...tmpfs('/tmp', '1777', 64),
    // What bubblewrap makes unasked on the way to a mount is closed to all but root; PING monitors run as nobody.
    ...['--dir', '/root', '--dir', '/var', '--dir', '/var/lib', '--symlink', '../run', '/var/run', '--symlink', '../tmp', '/var/tmp'],
    ...['--bind', join(disk, 'etc'), '/etc'],
    ...SHARED_ETC.flatMap((name) => ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]),
    ...['--bind', join(disk, 'lib'), '/var/lib/octavia', '--bind', join(disk, 'log'), '/var/log'],
    ...tmpfs('/var/lib/octavia/certs', '0700', 16),
    ...['--ro-bind', program.node, nodeFile, '--ro-bind', program.agent, agentFile],
    ...['--remount-ro', '/', '--chdir', '/'],
  ]
}

function hostPrograms(): string[] {
  const merged = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'].filter((path) => existsSync(path))
  const args = merged.flatMap((path) =>
    lstatSync(path).isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path],
  )
  return ['--ro-bind', '/usr', '/usr', ...args]
}

function tmpfs(path: string, mode: string, mebibytes: number): string[] {
  return ['--perms', mode, '--size', String(mebibytes * MIB), '--tmpfs', path]
}
