/** The few ways in which this host's network is read and changed: one process per batch, never a shell. */
import { readFile, writeFile } from 'node:fs/promises'
import { exec } from '../../lib/exec.ts'

export interface Link {
  ifname: string
  mtu: number
  address: string
  flags: string[]
  master?: string
  linkinfo?: { info_kind?: string; info_slave_data?: { isolated?: boolean } }
}

export interface AddressOfLink {
  ifname: string
  addr_info: { family: string; local: string; prefixlen: number }[]
}

export interface Route {
  dst: string
  type?: string
  dev?: string
  metric?: number
}

/** All commands in one process, none when there is nothing to do. Ends at the first that fails. */
export async function ipBatch(commands: string[]): Promise<void> {
  if (commands.length > 0) await exec('ip', ['-batch', '-'], { input: `${commands.join('\n')}\n` })
}

/** Goes on behind commands that fail, because what they are about may be gone already. */
export async function ipBatchAsFarAsPossible(commands: string[]): Promise<void> {
  await exec('ip', ['-force', '-batch', '-'], { input: `${commands.join('\n')}\n`, anyStatus: true })
}

/** One transaction: all of the script is applied, or nothing. */
export async function nftScript(script: string): Promise<void> {
  if (script !== '') await exec('nft', ['-f', '-'], { input: script })
}

export const readLinks = (): Promise<Link[]> => ipJson<Link>(['-d', 'link', 'show'])
export const readAddresses = (): Promise<AddressOfLink[]> => ipJson<AddressOfLink>(['addr', 'show'])
export const readRoutes = (): Promise<Route[]> => ipJson<Route>(['route', 'show', 'table', 'all'])

/** The links of this network namespace. From /proc, because /sys shows the namespace it was mounted in. Costs no process. */
export async function linkNames(): Promise<Set<string>> {
  const text = await readFile('/proc/net/dev', 'utf8')
  return new Set([...text.matchAll(/^\s*([^\s:]+):/gm)].map((match) => match[1]!))
}

/** False where the host has no such setting (IPv6 switched off) or does not let it be changed (a container). */
export async function setSysctl(path: string, value: string): Promise<boolean> {
  try {
    await writeFile(`/proc/sys/net/${path}`, value)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EROFS' || code === 'EACCES') return false
    throw error
  }
}

/** Null where the host has no such setting. */
export async function readSysctl(path: string): Promise<string | null> {
  try {
    return (await readFile(`/proc/sys/net/${path}`, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

async function ipJson<T>(args: string[]): Promise<T[]> {
  const { stdout } = await exec('ip', ['-j', ...args])
  // An empty answer is no JSON; without -d some versions put empty objects into the list.
  const entries = stdout.trim() === '' ? [] : (JSON.parse(stdout) as T[])
  return entries.filter((entry) => Object.keys(entry as object).length > 0)
}
