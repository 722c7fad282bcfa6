/** What PROMETHEUS listeners show: HAProxy's metrics under upstream's names, and what the agent knows besides. */
import { X509Certificate } from 'node:crypto'
import { cpus, freemem, loadavg, totalmem } from 'node:os'
import { readIfThere } from './files.ts'
import type { StatRow } from './haproxy-socket.ts'
import { type ShownMetric, shownMetric } from './metric-names.ts'

/** Of listeners with more certificates the first are told. */
const MAX_CERTIFICATES = 1_000

/**
 * Renames HAProxy's exposition while it comes in: with thousands of members it is many MiB long. `more` are lines of samples of ours, by the
 * name of the metric below which they belong.
 */
export class MetricsRenamer {
  private readonly more: ReadonlyMap<string, readonly string[]>
  private rest = ''
  /** Metrics stand together, so the last one's rule is mostly the next one's. */
  private last = ''
  private rule: ShownMetric | undefined

  constructor(more: ReadonlyMap<string, readonly string[]> = new Map()) {
    this.more = more
  }

  /** The lines that are complete with this text, as they are shown. */
  push(text: string): string {
    const lines = (this.rest + text).split('\n')
    this.rest = lines.pop()!
    let shown = ''
    for (const line of lines) shown += this.line(line)
    return shown
  }

  private line(line: string): string {
    if (line.startsWith('# ')) return this.description(line)
    // What serves the metrics themselves is none of the user's listeners and pools.
    if (line.includes('prometheus-exporter') || line.includes('octavia-prometheus-proxy')) return ''
    const brace = line.indexOf('{')
    const end = brace < 0 ? line.indexOf(' ') : brace
    const rule = this.ruleOf(line.slice(0, end))
    if (rule === undefined) return ''
    let sample = line.slice(end)
    for (const [theirs, ours] of rule.labels) sample = sample.replace(`${theirs}="`, `${ours}="`)
    return `${rule.name}${sample}\n`
  }

  /** `# HELP name words`, `# TYPE name kind`. */
  private description(line: string): string {
    const [, kind = '', name = ''] = line.split(' ', 3)
    const rule = this.ruleOf(name)
    if (rule === undefined) return ''
    const words = line.slice(`# ${kind} ${name} `.length)
    if (kind === 'HELP') return `# HELP ${rule.name} ${rule.help ?? words}\n`
    const samples = this.more.get(rule.name) ?? []
    return [`# ${kind} ${rule.name} ${words}`, ...samples, ''].join('\n')
  }

  private ruleOf(name: string): ShownMetric | undefined {
    if (name !== this.last) {
      this.last = name
      this.rule = shownMetric(name)
    }
    return this.rule
  }
}

/** The states that HAProxy's exporter tells of listeners and pools, and of members. */
const STATES = ['DOWN', 'UP'] as const
const MEMBER_STATES = ['DOWN', 'UP', 'MAINT', 'DRAIN', 'NOLB'] as const

/** Samples of UDP and SCTP listeners, of which HAProxy knows nothing, by the metric below which they belong. */
export function forwardedMetrics(rows: readonly StatRow[]): Map<string, string[]> {
  const samples = new Map<string, string[]>()
  const add = (name: string, labels: Record<string, string>, value: number) => {
    const shown = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`)
    samples.set(name, [...(samples.get(name) ?? []), `${name}{${shown.join(',')}} ${value}`])
  }
  for (const row of rows) {
    if (row.server === 'FRONTEND') {
      const listener = { listener: row.proxy }
      for (const state of STATES)
        add('octavia_listener_status', { ...listener, state }, Number((row.status === 'OPEN') === (state === 'UP')))
      add('octavia_listener_current_sessions', listener, row.currentSessions)
      add('octavia_listener_sessions_total', listener, row.totalSessions)
      add('octavia_listener_connections_total', listener, row.totalSessions)
      add('octavia_listener_bytes_in_total', listener, row.bytesIn)
      add('octavia_listener_bytes_out_total', listener, row.bytesOut)
    } else if (row.server === 'BACKEND') {
      for (const state of STATES) add('octavia_pool_status', { pool: row.proxy, state }, Number(row.status === state))
    } else {
      const status = row.status === 'no check' ? 'UP' : row.status
      for (const state of MEMBER_STATES)
        add('octavia_member_status', { pool: row.proxy, member: row.server, state }, Number(status === state))
    }
  }
  return samples
}

/** The machine's load and memory as upstream counts them, in percent. */
export function machineMetrics(): string {
  const cpu = (loadavg()[0]! / cpus().length) * 100
  // libuv's free memory is what /proc/meminfo calls available.
  const memory = (1 - freemem() / totalmem()) * 100
  return (
    gauge('octavia_loadbalancer_cpu', 'Load of the last minute in percent of what the processors can do.', [['', cpu.toFixed(1)]]) +
    gauge('octavia_loadbalancer_memory', 'Memory in use, in percent.', [['', memory.toFixed(1)]])
  )
}

/** Ours: when the certificates of listeners end. */
export function certificateMetrics(configuration: string): string {
  const samples = certificatesOf(configuration)
    .slice(0, MAX_CERTIFICATES)
    .flatMap(({ listener, path }): [string, string][] => {
      const end = notAfter(path)
      const certificate = path.slice(path.lastIndexOf('/') + 1)
      return end === null ? [] : [[`{listener="${escaped(listener)}",certificate="${escaped(certificate)}"}`, String(end)]]
    })
  if (samples.length === 0) return ''
  return gauge(
    'octavia_listener_certificate_not_after_seconds',
    "When a certificate of the listener ends, in seconds since 1970, by the name of the certificate's file.",
    samples,
  )
}

/** The files of certificates that clients may be shown, by listener. */
export function certificatesOf(configuration: string): { listener: string; path: string }[] {
  return configuration.split(/^(?=[a-z])/m).flatMap((section) => {
    const listener = /^frontend\s+(\S+)/.exec(section)?.[1]
    if (listener === undefined) return []
    const named = [...section.matchAll(/^\s+bind\s.*?\s(crt|crt-list)\s+(\S+)/gm)]
    const paths = named.flatMap(([, kind, path]) => (kind === 'crt' ? path! : inCrtList(path!)))
    return [...new Set(paths)].map((path) => ({ listener, path }))
  })
}

function inCrtList(path: string): string[] {
  const lines = (readIfThere(path) ?? '').split('\n')
  return lines.flatMap((line) => (/^\s*[^#\s]/.test(line) ? line.trim().split(/\s/, 1) : []))
}

/** Null for a file that is no certificate: HAProxy has refused it, or it is being replaced. */
function notAfter(path: string): number | null {
  try {
    return Math.floor(new X509Certificate(readIfThere(path) ?? '').validToDate.getTime() / 1_000)
  } catch {
    return null
  }
}

function gauge(name: string, help: string, samples: [labels: string, value: string][]): string {
  const lines = samples.map(([labels, value]) => `${name}${labels} ${value}\n`)
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('')}`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
}
