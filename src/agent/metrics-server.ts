/**
 * Serves the metrics of load balancers that have a PROMETHEUS listener. The agent is in another network namespace than HAProxy, so it answers
 * on a socket in the file system, to which HAProxy passes what upstream's proxy would get (haproxy-additions.ts).
 */
import { chmodSync, rmSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { type Paths, readIfThere } from './files.ts'
import type { StatRow } from './haproxy-socket.ts'
import type { AgentLog } from './log.ts'
import { certificateMetrics, forwardedMetrics, MetricsRenamer, machineMetrics } from './prometheus.ts'

/** Each reads some MiB where there are many members; who scrapes more often at once waits for the next time. */
const MAX_SCRAPES = 4
const SCRAPE_TIMEOUT_MS = 20_000

export class MetricsServer {
  private readonly servers = new Map<string, Server>()
  private readonly paths: Paths
  private readonly log: AgentLog
  private readonly forwarded: () => Promise<StatRow[]>
  private scrapes = 0

  /** `forwarded`: what is to be said of listeners that HAProxy has no part in. */
  constructor(paths: Paths, log: AgentLog, forwarded: () => Promise<StatRow[]>) {
    this.paths = paths
    this.forwarded = forwarded
    this.log = log
  }

  /** Serves these load balancers from now on, and no others. */
  serve(ids: readonly string[]): void {
    for (const [id, server] of this.servers) {
      if (ids.includes(id)) continue
      this.servers.delete(id)
      server.close()
    }
    for (const id of ids) if (!this.servers.has(id)) this.servers.set(id, this.listen(id))
  }

  stop(): void {
    this.serve([])
  }

  private listen(id: string): Server {
    // Taken when it is needed: most amphorae have no such listener.
    const { createServer } = process.getBuiltinModule('node:http')
    const server = createServer((request, response) => void this.answer(id, request, response))
    const path = this.paths.metricsSocket(id)
    rmSync(path, { force: true }) // of an agent before this one
    server.on('error', (error) => this.log.error(`metrics of ${id}: ${error.message}`))
    // HAProxy's workers are nobody.
    server.listen(path, () => chmodSync(path, 0o666))
    return server
  }

  private async answer(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET') return refuse(response, 405)
    if (this.scrapes >= MAX_SCRAPES) return refuse(response, 503)
    this.scrapes++
    try {
      await this.scrape(id, response)
    } catch (error) {
      this.log.debug(`metrics of ${id}: ${(error as Error).message}`)
      if (response.headersSent) response.destroy()
      else refuse(response, 502)
    } finally {
      this.scrapes--
    }
  }

  private async scrape(id: string, response: ServerResponse): Promise<void> {
    const signal = AbortSignal.timeout(SCRAPE_TIMEOUT_MS)
    const renamer = new MetricsRenamer(forwardedMetrics(await this.forwarded()))
    const source = await this.exporter(id, signal)
    const first = machineMetrics() + certificateMetrics(readIfThere(this.paths.haproxyCfg(id)) ?? '')
    response.writeHead(200, { 'cache-control': 'no-cache', 'content-type': 'text/plain; version=0.0.4', connection: 'close' })
    source.setEncoding('utf8')
    const renamed = async function* (chunks: AsyncIterable<string>) {
      yield first
      for await (const chunk of chunks) yield renamer.push(chunk)
    }
    await pipeline(source, renamed, response, { signal })
  }

  private exporter(id: string, signal: AbortSignal): Promise<IncomingMessage> {
    const { get } = process.getBuiltinModule('node:http')
    return new Promise((resolve, reject) => {
      get({ socketPath: this.paths.exporterSocket(id), path: '/metrics', agent: false, signal }, (incoming) => {
        if (incoming.statusCode === 200) resolve(incoming)
        else reject(new Error(`HAProxy's exporter answered ${incoming.statusCode}`))
      }).on('error', reject)
    })
  }
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { connection: 'close' }).end()
}
