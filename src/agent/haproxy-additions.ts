/**
 * What the agent adds to a load balancer's configuration: a file that HAProxy reads before the controller's, for controllers of ours and
 * upstream's alike. It adds where the log goes, and what stands behind PROMETHEUS listeners.
 */
import { type Paths, readIfThere, writeAtomically } from './files.ts'

/**
 * The pipe of the log in HAProxy's hands: the number is kept over reloads, so that old and new workers write into one pipe
 * (docs/decisions/0060-logs-through-a-pipe.md).
 */
const LOG_FD = 3
/** A line this long, with its newline, is written into a pipe as a whole or not at all (PIPE_BUF, 4096); HAProxy cuts longer ones. */
const MAX_LINE_BYTES = 4_000
/** Where the configuration of a PROMETHEUS listener expects upstream's `octavia-prometheus-proxy`. */
const PROMETHEUS_PROXY = '127.0.0.1:9102'
const SCRAPE_TIMEOUT = '30s'

/** Runs its arguments with the pipe, which it makes where there is none, as LOG_FD. HAProxy itself makes it one that does not block. */
const SCRIPT = `[ -p "$0" ] || { rm -f "$0"; mkfifo -m 600 "$0"; }; exec "$@" ${LOG_FD}<>"$0"`

/** The command that runs `command` with the pipe of that load balancer's log. */
export function withLogPipe(paths: Paths, id: string, command: string[]): [string, ...string[]] {
  return ['sh', '-c', SCRIPT, paths.haproxyTraffic(id), ...command]
}

/** Writes the file that belongs to a configuration. To be called before HAProxy reads both. */
export function writeAdditions(paths: Paths, id: string, configuration: string): void {
  writeAtomically(paths.haproxyAdditions(id), additionsTo(paths, id, configuration))
}

/** Whether a load balancer has a PROMETHEUS listener. */
export function showsMetrics(paths: Paths, id: string): boolean {
  return asksForMetrics(readIfThere(paths.haproxyCfg(id)) ?? '')
}

function asksForMetrics(configuration: string): boolean {
  return configuration.includes(PROMETHEUS_PROXY)
}

function additionsTo(paths: Paths, id: string, configuration: string): string {
  // With the time to the microsecond and the level, from which the agent makes what receivers get.
  const log = `global\n    log fd@${LOG_FD} len ${MAX_LINE_BYTES} format rfc5424 local0\n`
  if (!asksForMetrics(configuration)) return log
  // The agent is in another network namespace, so it listens on a file. Proxies with `prometheus` in their name are shown to nobody.
  return `${log}
listen octavia-prometheus-proxy
    bind ${PROMETHEUS_PROXY}
    mode tcp
    no log
    timeout connect 5s
    timeout client ${SCRAPE_TIMEOUT}
    timeout server ${SCRAPE_TIMEOUT}
    server agent unix@${paths.metricsSocket(id)}

frontend octavia-prometheus-exporter
    bind unix@${paths.exporterSocket(id)} mode 600
    mode http
    no log
    timeout client ${SCRAPE_TIMEOUT}
    http-request use-service prometheus-exporter if { path /metrics }
    http-request reject
`
}
