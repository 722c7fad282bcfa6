/** Runs iproute2: many commands in one process, because a process costs more than what it does. */
import { exec } from '../lib/exec.ts'

export interface IpCommand {
  /** What follows `ip` on a command line. */
  line: string
  /** A refusal that only says the wish was already fulfilled. */
  unless?: RegExp
  /** Rules are the one thing whose family iproute2 doesn't see by their addresses. */
  family?: 6
}

/**
 * Runs the commands in order, those that name a family last, in the named namespace or in the agent's own (null). Throws on the first real
 * refusal, naming the command.
 */
export async function ipBatch(namespace: string | null, commands: readonly IpCommand[]): Promise<void> {
  await runBatch(
    inNamespace(namespace),
    commands.filter(({ family }) => family === undefined),
  )
  await runBatch(
    [...inNamespace(namespace), '-6'],
    commands.filter(({ family }) => family === 6),
  )
}

async function runBatch(options: string[], commands: readonly IpCommand[]): Promise<void> {
  if (commands.length === 0) return
  // -force goes on after a refusal; each is reported as its text, then `Command failed -:LINE`.
  const { stderr } = await exec('ip', [...options, '-force', '-batch', '-'], {
    input: commands.map(({ line }) => `${line}\n`).join(''),
    anyStatus: true,
  })
  let text = ''
  for (const line of stderr.split('\n')) {
    const failed = /^Command failed -:(\d+)/.exec(line)
    if (failed === null) {
      text += line
      continue
    }
    const command = commands[Number(failed[1]) - 1]
    if (command?.unless?.test(text) !== true) throw new Error(`ip ${command?.line}: ${text}`)
    text = ''
  }
  if (text !== '') throw new Error(`ip -batch: ${text}`)
}

/** The answer of `ip -json ...`. The caller says what it is. */
export async function ipJson<T>(namespace: string | null, args: readonly string[]): Promise<T> {
  const { stdout } = await exec('ip', [...inNamespace(namespace), '-json', ...args])
  return JSON.parse(stdout === '' ? '[]' : stdout) as T
}

/** Runs a program in a namespace. */
export function inNamespaceArguments(namespace: string, command: string, args: readonly string[]): [string, string[]] {
  return ['nsenter', [`--net=/run/netns/${namespace}`, command, ...args]]
}

function inNamespace(namespace: string | null): string[] {
  return namespace === null ? [] : ['-netns', namespace]
}
