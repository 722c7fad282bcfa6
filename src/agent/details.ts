/** What an amphora says of itself: `GET /1.0/info` and `/1.0/details`. */
import { readFileSync, statfsSync } from 'node:fs'
import { cpus, hostname } from 'node:os'
import { exec } from '../lib/exec.ts'
import { VERSION } from '../lib/version.ts'
import { readIfThere } from './files.ts'
import type { AgentSettings } from './settings.ts'
import { usesIpvs } from './udp/ipvs.ts'

export const API_VERSION = '1.0'
/** What this agent can do beyond upstream's. */
export const CAPABILITIES = ['fractional-advert', 'logs', 'handover']

export interface AmphoraInfo {
  hostname: string
  haproxy_version: string
  api_version: typeof API_VERSION
  keepalived_version: string
  ipvsadm_version: string
  /** Ours, as the capabilities. */
  agent_version: typeof VERSION
  capabilities: string[]
}

/**
 * Asks the programs once, by one process for all three; an empty version is a program that is not installed. `prepared`: when what the kernel can do
 * is known.
 */
export async function readAmphoraInfo(settings: AgentSettings, prepared: Promise<void>): Promise<AmphoraInfo> {
  const { haproxyCommand, keepalivedCommand } = settings
  const script = '"$0" -v 2>&1; echo ---; "$1" -v 2>&1; echo ---; ipvsadm --version 2>&1'
  const [{ stdout }] = await Promise.all([exec('sh', ['-c', script, haproxyCommand, keepalivedCommand], { anyStatus: true }), prepared])
  const [haproxy = '', keepalived = '', ipvsadm = ''] = stdout.split('---\n')
  return {
    hostname: hostname(),
    haproxy_version: versionIn(haproxy),
    api_version: API_VERSION,
    keepalived_version: versionIn(keepalived),
    ipvsadm_version: versionIn(ipvsadm),
    agent_version: VERSION,
    // Of UDP: 'lvs' serves SCTP, too.
    capabilities: [...CAPABILITIES, usesIpvs(settings) ? 'lvs' : 'nftables-udp'],
  }
}

/** The machine's part of the details; sizes in KiB as in /proc/meminfo, `disk` in bytes, `cpu` in clock ticks since the start. */
export function readMachine(): object {
  const memory = Object.fromEntries(
    [...readFileSync('/proc/meminfo', 'utf8').matchAll(/^(\S+):\s+(\d+) kB/gm)].map(([, name, value]) => [name, Number(value)]),
  ) as Record<string, number>
  // `cpu  user nice system idle iowait irq softirq ...`; single values are texts, as upstream answers them.
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/).slice(1)
  const disk = statfsSync('/')
  return {
    cpu_count: cpus().length,
    cpu: {
      total: ticks.reduce((sum, value) => sum + Number(value), 0),
      user: ticks[0],
      system: ticks[2],
      soft_irq: ticks[6],
    },
    memory: {
      total: memory.MemTotal,
      free: memory.MemFree,
      buffers: memory.Buffers,
      cached: memory.Cached,
      swap_used: memory.SwapCached,
      shared: memory.Shmem,
      slab: memory.Slab,
    },
    disk: { used: (disk.blocks - disk.bfree) * disk.bsize, available: disk.bavail * disk.bsize },
    load: readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3),
    active_tuned_profiles: (readIfThere('/etc/tuned/active_profile') ?? '').trim(),
  }
}

/** `HAProxy version 2.6.12-1+deb12u4 2026/10/17`, `Keepalived v2.2.7 (...)`, `ipvsadm v1.31 ...`: the first word that is a version. */
function versionIn(text: string): string {
  return /\bv?(\d+\.\d\S*)/.exec(text)?.[1] ?? ''
}
