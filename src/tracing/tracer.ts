/** Where traces begin: requests and flows. Off until a collector is configured, and then nothing of it is even loaded. */
import type { Config } from '../config/config.ts'
import type { Log } from '../lib/log.ts'
import { parseTraceparent, Span, type SpanAbout } from '../lib/span.ts'
import type { Metrics } from '../monitoring/metrics.ts'
import type { OtlpExporter } from './otlp.ts'

export interface Tracer {
  /** A span below the one that `traceparent` names, or a new trace; undefined where none are made. */
  begin(name: string, about: SpanAbout & { traceparent?: string }): Span | undefined
  /** Sends what waits, for a bounded time. */
  stop(): Promise<void>
}

export const noTracer: Tracer = { begin: () => undefined, async stop() {} }

/**
 * In: the environment, of which OpenTelemetry's usual variables stand for options that are not given: OTEL_EXPORTER_OTLP_ENDPOINT,
 * OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME.
 */
export async function openTracer(
  { config, log, metrics }: { config: Config; log: Log; metrics: Metrics },
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Tracer> {
  const { sample_ratio, otlp_headers, service_name } = config.tracing
  const endpoint = endpointOf(config, environment)
  if (endpoint === undefined) return noTracer
  const exporter: OtlpExporter = (await import('./otlp.ts')).openOtlpExporter({
    endpoint,
    headers: Object.keys(otlp_headers).length > 0 ? otlp_headers : headersOf(environment.OTEL_EXPORTER_OTLP_HEADERS),
    serviceName: service_name ?? environment.OTEL_SERVICE_NAME ?? 'ottavia',
    log,
    metrics,
  })
  return {
    begin(name, { traceparent, ...about }) {
      const parent = parseTraceparent(traceparent)
      // Who passes on a request has decided for the whole trace.
      const sampled = parent === null ? Math.random() < sample_ratio : parent.sampled
      return new Span(name, about, { parent, sampled, tell: (span) => exporter.add(span) })
    },
    stop: () => exporter.stop(),
  }
}

/** As OpenTelemetry's specification has it: the variable for traces is used as it is, to the general one the path is added. */
function endpointOf({ tracing }: Config, environment: Readonly<Record<string, string | undefined>>): string | undefined {
  const general = tracing.otlp_endpoint ?? environment.OTEL_EXPORTER_OTLP_ENDPOINT
  const forTraces = tracing.otlp_endpoint === null ? environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT : undefined
  return forTraces || (general ? `${general.replace(/\/$/, '')}/v1/traces` : undefined)
}

/** `name=value,name=value`, percent-encoded. */
function headersOf(text = ''): Record<string, string> {
  const pairs = text
    .split(',')
    .map((pair) => pair.split('=', 2).map((part) => part.trim()))
    .filter((pair) => pair.length === 2)
  return Object.fromEntries(pairs.map(([name, value]) => [name!, decodeURIComponent(value!)]))
}
