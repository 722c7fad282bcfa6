/**
 * Starts a command as the first process of namespaces of its own (mounts, processes, ipc, host name) in a network namespace that is already
 * there. It has its own session and cgroup and no pipe to us, so it lives on when the controller is killed with its whole process group.
 *
 * bubblewrap makes the namespaces and stays in them as process 1, which reaps; it also sets no_new_privs.
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { exec } from '../../lib/exec.ts'
import { type InitProcess, killAll, recordInit } from './init-process.ts'

export interface SandboxSpec {
  /** Name of a network namespace, as `ip netns` shows it. */
  netns: string
  /** The `cgroup.procs` files to join before anything is started. */
  cgroups: string[]
  hostname: string
  /** bubblewrap's arguments: what it sees of the file system, and which capabilities it loses. */
  view: string[]
  /** What the shell is run by, such as a program that lowers its rights; may be empty. */
  prefix: string[]
  /** Run by `sh` inside, with `command` as "$@". It writes a line to descriptor 4 and closes it when it has begun. */
  script: string
  command: string[]
  environment: NodeJS.ProcessEnv
  /** A file for what goes wrong before the script has begun. */
  startLog: string
}

const LONGEST_START_MS = 20_000

/** Joins the cgroups, then becomes the rest of the arguments. */
const JOIN = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 1; shift; done; shift; exec "$@"'

/** Answers once the script has begun; `init_pid` is seen from the caller's pid namespace. Throws what went wrong, in the words of the tool. */
export async function startSandbox(spec: SandboxSpec): Promise<InitProcess> {
  const bubblewrap = [
    ...['bwrap', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--hostname', spec.hostname, '--new-session', '--info-fd', '3'],
    ...spec.view,
    ...['--', ...spec.prefix, '/bin/sh', '-c', spec.script, 'sh', ...spec.command],
  ]
  // `ip netns exec` also gives it a /sys that shows its own interfaces and not the host's.
  const args = ['-c', JOIN, 'sh', ...spec.cgroups, '--', 'ip', 'netns', 'exec', spec.netns, ...bubblewrap]
  const startLog = openSync(spec.startLog, 'w', 0o600)
  const child = spawn('sh', args, {
    detached: true,
    stdio: ['ignore', startLog, startLog, 'pipe', 'pipe'],
    cwd: '/',
    env: spec.environment,
  })
  closeSync(startLog)
  const timer = setTimeout(() => child.kill('SIGKILL'), LONGEST_START_MS)
  child.unref()
  try {
    const spawned = new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    await spawned
    const [info, begun] = await Promise.all([readTo(child.stdio[3] as Readable, '}'), readTo(child.stdio[4] as Readable, '\n')])
    const pid = /"child-pid": *(\d+)/.exec(info)?.[1]
    if (pid === undefined || begun === '') {
      if (pid !== undefined) await killAll([Number(pid)])
      throw new Error(`a sandbox did not start: ${readFileSync(spec.startLog, 'utf8').trim()}`)
    }
    return recordInit(Number(pid))
  } finally {
    clearTimeout(timer)
    for (const pipe of child.stdio.slice(3)) (pipe as Readable | null)?.destroy()
  }
}

/** What comes up to and with `end`; less when the other side closes first. */
async function readTo(pipe: Readable, end: string): Promise<string> {
  let text = ''
  for await (const chunk of pipe.setEncoding('utf8')) {
    text += chunk
    if (text.includes(end)) break
  }
  return text
}

export interface Entrance {
  /** A network namespace that the sandbox itself has named; default its outer one. */
  netns?: string
  /** Working directory, as seen inside. */
  cwd: string
  environment: NodeJS.ProcessEnv
}

/** Puts the command into the running sandbox's namespaces, with our standard streams; answers its status. */
export function enterSandbox({ init_pid }: InitProcess, command: string[], { netns, cwd, environment }: Entrance): Promise<number> {
  const target = `/proc/${init_pid}`
  const net = netns === undefined ? `${target}/ns/net` : `${target}/root/run/netns/${netns}`
  const args = ['--target', String(init_pid), '--mount', '--pid', '--ipc', '--uts', `--net=${net}`, `--wd=${target}/root${cwd}`]
  return runInForeground('nsenter', [...args, '--', ...command], environment)
}

/** Runs a command with our standard streams; answers its status, 128 where a signal ended it. */
export function runInForeground(program: string, args: string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit', env: environment })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => resolve(code ?? 128))
  })
}

export async function addNetns(name: string): Promise<void> {
  const { code, stderr } = await exec('ip', ['netns', 'add', name], { anyStatus: true })
  if (code !== 0 && !stderr.includes('File exists')) throw new Error(`ip netns add ${name}: ${stderr.trim()}`)
}

export async function listNetns(): Promise<string[]> {
  const { stdout } = await exec('ip', ['netns', 'list'])
  return stdout
    .split('\n')
    .map((line) => line.split(' ')[0]!)
    .filter((name) => name !== '')
}

/** Gone afterwards, its interfaces a moment later. */
export async function deleteNetns(name: string): Promise<void> {
  const { code, stderr } = await exec('ip', ['netns', 'del', name], { anyStatus: true })
  if (code !== 0 && !stderr.includes('No such file')) throw new Error(`ip netns del ${name}: ${stderr.trim()}`)
}

/** Kills whatever runs in that network namespace: for where no cgroup tells. It reads all of /proc. */
export async function killInNetns(name: string): Promise<void> {
  const { code, stdout } = await exec('ip', ['netns', 'pids', name], { anyStatus: true })
  if (code === 0) await killAll(stdout.split('\n').filter(Boolean).map(Number))
}
