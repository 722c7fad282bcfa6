/** Where the agent keeps what it is given (upstream's layout, `octavia/amphorae/backends/agent/api_server/util.py`), and how it writes it. */
import { createHash } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { AgentSettings } from './settings.ts'

export type Paths = ReturnType<typeof pathsOf>

export function pathsOf({ basePath, certificatesPath, interfacesPath }: AgentSettings) {
  const vrrp = (name: string) => join(basePath, 'vrrp', name)
  const lvs = (listener: string, extension: string) => join(basePath, 'lvs', `octavia-keepalivedlvs-${listener}.${extension}`)
  return {
    base: basePath,
    loadBalancer: (id: string) => join(basePath, id),
    /** As the controller sent it last. */
    haproxyCfg: (id: string) => join(basePath, id, 'haproxy.cfg'),
    /** As HAProxy runs, and starts when it has died: the last one that was applied. */
    haproxyRunning: (id: string) => join(basePath, id, 'running.cfg'),
    /** The last one that passed HAProxy's own check. */
    haproxyChecked: (id: string) => join(basePath, id, 'checked.cfg'),
    /** The digests of what HAProxy has read; absent while it is being changed. */
    haproxyApplied: (id: string) => join(basePath, id, 'applied.json'),
    haproxyDraining: (id: string) => join(basePath, id, 'draining.json'),
    haproxyPid: (id: string) => join(basePath, id, `${id}.pid`),
    /** Only root may speak to the master process through it. */
    haproxyMaster: (id: string) => join(basePath, id, 'master.sock'),
    haproxyLog: (id: string) => join(basePath, id, 'haproxy.log'),
    /** Present while the controller wants this HAProxy to run; survives the agent. */
    haproxyWanted: (id: string) => join(basePath, id, 'started'),
    /** What the agent adds to the controller's configuration. */
    haproxyAdditions: (id: string) => join(basePath, id, 'additions.cfg'),
    /** The pipe into which HAProxy writes its log. */
    haproxyTraffic: (id: string) => join(basePath, id, 'traffic'),
    /** HAProxy's own metrics are asked for at the first, and what PROMETHEUS listeners show at the second. */
    exporterSocket: (id: string) => join(basePath, id, 'exporter.sock'),
    metricsSocket: (id: string) => join(basePath, id, 'metrics.sock'),
    serversState: (id: string) => join(basePath, id, 'servers-state'),
    statsSocket: (id: string) => join(basePath, `${id}.sock`),
    userGroupCfg: join(basePath, 'haproxy-default-user-group.conf'),
    pingWrapper: join(basePath, 'ping-wrapper.sh'),
    certificates: (id: string) => join(certificatesPath, id),
    certificate: (id: string, name: string) => join(certificatesPath, id, name),
    keepalivedConf: vrrp('octavia-keepalived.conf'),
    keepalivedPid: vrrp('octavia-keepalived.pid'),
    keepalivedVrrpPid: vrrp('octavia-keepalived-vrrp.pid'),
    keepalivedLog: vrrp('octavia-keepalived.log'),
    keepalivedWanted: vrrp('started'),
    keepalivedApplied: vrrp('applied'),
    checkScript: vrrp('check_script.sh'),
    haproxyCheckScript: vrrp('check_scripts/haproxy_check_script.sh'),
    /** `0` while every HAProxy that should serve does, else `1`. */
    haproxyStatus: vrrp('haproxy-status'),
    lvs,
    lvsConf: (listener: string) => lvs(listener, 'conf'),
    /** Present while the controller wants the listener to be served. */
    lvsWanted: (listener: string) => lvs(listener, 'started'),
    /** What the agent remembers of a listener that nftables serve. */
    lvsState: (listener: string) => lvs(listener, 'state'),
    lvsDirectory: join(basePath, 'lvs'),
    udpCheckScript: join(basePath, 'lvs/check/udp_check.sh'),
    plugged: join(basePath, 'plugged_interfaces'),
    interface: (name: string) => join(interfacesPath, `${name}.json`),
    vipRules: join(basePath, 'nftables-vip.rules'),
    counters: join(basePath, 'stats_counters.json'),
    /** The number of the last heartbeat. */
    sequence: join(basePath, 'heartbeat-sequence'),
    fences: join(basePath, 'fences.json'),
  }
}

/** The load balancers with a configuration on this amphora. */
export function loadBalancersIn(paths: Paths): string[] {
  if (!existsSync(paths.base)) return []
  return readdirSync(paths.base)
    .filter((name) => existsSync(paths.haproxyCfg(name)))
    .sort()
}

/** The UDP and SCTP listeners with a configuration on this amphora. */
export function lvsListenersIn(paths: Paths): string[] {
  if (!existsSync(paths.lvsDirectory)) return []
  return readdirSync(paths.lvsDirectory).flatMap((name) => /^octavia-keepalivedlvs-([\w-]+)\.conf$/.exec(name)?.[1] ?? [])
}

/** Readers see the old contents or the new, never a part; with `sync` also after a loss of power. */
export function writeAtomically(path: string, contents: string | Uint8Array, options: { mode?: number; sync?: boolean } = {}): void {
  mkdirSync(dirname(path), { recursive: true })
  const temporary = `${path}.new`
  const file = openSync(temporary, 'w', options.mode ?? 0o644)
  try {
    const bytes = typeof contents === 'string' ? Buffer.from(contents) : contents
    for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written)
    if (options.sync) fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
}

/** Null where there is no such file. */
export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** The ETag of a file, by which a controller knows whether its copy is there. */
export function md5(contents: string | Uint8Array): string {
  return createHash('md5').update(contents).digest('hex')
}
