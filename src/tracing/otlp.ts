/** Spans to an OpenTelemetry collector: OTLP over HTTP, as JSON (https://opentelemetry.io/docs/specs/otlp/#otlphttp). */
import { createHttpClient } from '../lib/http-request.ts'
import type { Log } from '../lib/log.ts'
import type { EndedSpan, SpanKind } from '../lib/span.ts'
import type { Metrics } from '../monitoring/metrics.ts'

/** Spans wait this long for others. */
const BATCH_MS = 1_000
const MAX_BATCH = 512
/** While the collector is away; further ones are dropped and counted. */
const MAX_WAITING = 4_096
const TIMEOUT_MS = 5_000
const MAX_ANSWER_BYTES = 64 * 1024
const COMPLAINT_INTERVAL_MS = 60_000

const kinds: Record<SpanKind, number> = { internal: 1, server: 2, client: 3, consumer: 5 }
const ERROR = 2

export interface OtlpExporter {
  add(span: EndedSpan): void
  /** Sends what waits, once. */
  stop(): Promise<void>
}

export interface OtlpOptions {
  endpoint: string
  headers: Record<string, string>
  serviceName: string
  log: Log
  metrics: Metrics
}

export function openOtlpExporter({ endpoint, headers, serviceName, log, metrics }: OtlpOptions): OtlpExporter {
  const client = createHttpClient({
    maxConnections: 1,
    maxAnswerBytes: MAX_ANSWER_BYTES,
    timeoutMs: TIMEOUT_MS,
    tls: { rejectUnauthorized: true },
  })
  const resource = { attributes: attributesOf({ 'service.name': serviceName, 'process.pid': process.pid }) }
  let waiting: EndedSpan[] = []
  let timer: NodeJS.Timeout | undefined
  let sending: Promise<void> | undefined
  let lastComplaint = Number.NEGATIVE_INFINITY

  function schedule(): void {
    if (timer !== undefined || sending !== undefined || waiting.length === 0) return
    timer = setTimeout(flush, waiting.length >= MAX_BATCH ? 0 : BATCH_MS)
  }

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    sending = send().finally(() => {
      sending = undefined
      schedule()
    })
  }

  async function send(): Promise<void> {
    const batch = waiting.slice(0, MAX_BATCH)
    waiting = waiting.slice(MAX_BATCH)
    const body = JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'ottavia' }, spans: batch.map(asOtlp) }] }] })
    try {
      const { status } = await client.send(endpoint, { method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body })
      if (status < 200 || status > 299) throw new Error(`it answered with ${status}`)
    } catch (error) {
      metrics.trace_spans_dropped_total.add({}, batch.length)
      if (performance.now() - lastComplaint < COMPLAINT_INTERVAL_MS) return
      lastComplaint = performance.now()
      log.warn({ error: (error as Error).message }, 'the collector of traces takes no spans; they are dropped')
    }
  }

  return {
    add(span) {
      if (waiting.length >= MAX_WAITING) metrics.trace_spans_dropped_total.add({})
      else waiting.push(span)
      schedule()
    },
    async stop() {
      await sending
      if (waiting.length > 0) flush()
      await sending
      clearTimeout(timer)
      client.close()
    },
  }
}

function asOtlp({ traceId, spanId, parentSpanId, name, kind, startedAtMs, endedAtMs, attributes, error }: EndedSpan) {
  return {
    traceId,
    spanId,
    ...(parentSpanId === null ? {} : { parentSpanId }),
    name,
    kind: kinds[kind],
    startTimeUnixNano: nanoseconds(startedAtMs),
    endTimeUnixNano: nanoseconds(endedAtMs),
    attributes: attributesOf(attributes),
    status: error === null ? {} : { code: ERROR, message: error },
  }
}

/** A number of that size has no place for nanoseconds; they are sent as text. */
function nanoseconds(ms: number): string {
  const whole = Math.floor(ms)
  return String(BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1_000_000)))
}

function attributesOf(attributes: Readonly<Record<string, string | number | boolean>>) {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value:
      typeof value === 'string'
        ? { stringValue: value }
        : typeof value === 'boolean'
          ? { boolValue: value }
          : Number.isInteger(value)
            ? { intValue: String(value) }
            : { doubleValue: value },
  }))
}
