/** A collector of traces on the loopback address, as an OpenTelemetry collector takes them: OTLP over HTTP, as JSON. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface CollectedSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  startTimeUnixNano: string
  endTimeUnixNano: string
  status: { code?: number; message?: string }
  /** By name; numbers as text. */
  attributes: Record<string, string>
}

interface OtlpAttribute {
  key: string
  value: Record<string, string | boolean>
}

export interface TraceCollector {
  /** `http://127.0.0.1:PORT` */
  endpoint: string
  spans: CollectedSpan[]
  /** Of the last request. */
  headers: Record<string, unknown>
  /** What it answers with from now on. */
  status: number
  stop(): Promise<void>
}

export async function collectTraces(): Promise<TraceCollector> {
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      collector.headers = request.headers
      if (request.url === '/v1/traces' && collector.status === 200) {
        const { resourceSpans } = JSON.parse(text) as {
          resourceSpans: { scopeSpans: { spans: (Omit<CollectedSpan, 'attributes'> & { attributes: OtlpAttribute[] })[] }[] }[]
        }
        for (const span of resourceSpans.flatMap(({ scopeSpans }) => scopeSpans).flatMap(({ spans }) => spans)) {
          const attributes = Object.fromEntries(span.attributes.map(({ key, value }) => [key, String(Object.values(value)[0])]))
          collector.spans.push({ ...span, attributes })
        }
      }
      response.writeHead(collector.status, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const collector: TraceCollector = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: [],
    headers: {},
    status: 200,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return collector
}
