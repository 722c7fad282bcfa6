/** What is for those who watch a controller, whatever its roles: `GET /metrics`. On an address of its own, since it asks nobody who he is. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Config } from '../config/config.ts'
import { hostIsOurs } from '../lib/host-is-ours.ts'
import type { Log } from '../lib/log.ts'
import { exposeMetrics, type Metrics } from './metrics.ts'

const REQUEST_TIMEOUT_MS = 10_000
/** A Prometheus or two, and somebody who looks by hand. */
const MAX_CONNECTIONS = 32

export interface MonitoringContext {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
}

/** Resolves when it listens; does nothing where `[monitoring] bind_port` is not set. */
export async function startMonitoring(context: MonitoringContext): Promise<{ port: number | null; stop(): Promise<void> }> {
  const { bind_host, bind_port } = context.config.monitoring
  if (bind_port === null) return { port: null, async stop() {} }
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    answer(context, request, response).catch((error: unknown) => {
      context.log.error({ error: String(error) }, 'the metrics could not be shown')
      say(response, 500, 'The metrics could not be shown; the log says why.')
    })
  })
  server.maxConnections = MAX_CONNECTIONS
  server.listen({ host: bind_host, port: bind_port })
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function answer({ config, metrics }: MonitoringContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume()
  if (!hostIsOurs(request.headers.host, config.monitoring.bind_host, config.api_settings.allowed_hosts))
    return say(response, 400, 'The Host header names another server.')
  if (request.url?.split('?', 1)[0] !== '/metrics') return say(response, 404, 'There is /metrics here.')
  if (request.method !== 'GET') return say(response, 405, 'Metrics can only be read.')
  const text = await exposeMetrics(metrics)
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text)
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`)
}
