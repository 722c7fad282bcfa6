/** One piece of work in a trace, as OpenTelemetry names its parts, and W3C's header that names it to others. */
import { randomBytes } from 'node:crypto'

export type SpanKind = 'internal' | 'server' | 'client' | 'consumer'
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>

export interface SpanAbout {
  kind?: SpanKind
  attributes?: SpanAttributes
}

/** What is told of a span when it has ended. Times are milliseconds since 1970, with a fraction. */
export interface EndedSpan {
  traceId: string
  spanId: string
  parentSpanId: string | null
  name: string
  kind: SpanKind
  startedAtMs: number
  endedAtMs: number
  attributes: Record<string, string | number | boolean>
  /** Why it failed; null where it did not. */
  error: string | null
}

/** https://www.w3.org/TR/trace-context/ */
export interface TraceParent {
  traceId: string
  spanId: string
  sampled: boolean
}

const MAX_ERROR_LENGTH = 500

export class Span {
  readonly sampled: boolean
  readonly #tell: (span: EndedSpan) => void
  readonly #told: EndedSpan
  #ended = false

  /** A root, or the child of a span of somebody else. */
  constructor(
    name: string,
    about: SpanAbout,
    { parent, sampled, tell }: { parent: Pick<TraceParent, 'traceId' | 'spanId'> | null; sampled: boolean; tell(span: EndedSpan): void },
  ) {
    this.sampled = sampled
    this.#tell = tell
    this.#told = {
      traceId: parent?.traceId ?? randomBytes(16).toString('hex'),
      spanId: randomBytes(8).toString('hex'),
      parentSpanId: parent?.spanId ?? null,
      name,
      kind: about.kind ?? 'internal',
      startedAtMs: nowMs(),
      endedAtMs: 0,
      attributes: { ...about.attributes },
      error: null,
    }
  }

  get traceId(): string {
    return this.#told.traceId
  }

  get traceparent(): string {
    const { traceId, spanId } = this.#told
    return `00-${traceId}-${spanId}-${this.sampled ? '01' : '00'}`
  }

  child(name: string, about: SpanAbout): Span {
    return new Span(name, about, { parent: this.#told, sampled: this.sampled, tell: this.#tell })
  }

  set(attributes: SpanAttributes): void {
    Object.assign(this.#told.attributes, attributes)
  }

  /** Once; further calls do nothing. */
  end(error?: unknown): void {
    if (this.#ended) return
    this.#ended = true
    if (!this.sampled) return
    this.#told.endedAtMs = nowMs()
    if (error !== undefined) this.#told.error = (error instanceof Error ? error.message : String(error)).slice(0, MAX_ERROR_LENGTH)
    this.#tell(this.#told)
  }
}

/** Null for what is none: then the trace begins anew, as the standard asks. */
export function parseTraceparent(header: string | undefined): TraceParent | null {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header ?? '')
  if (match === null) return null
  const [, version, traceId, spanId, flags, more] = match
  if (version === 'ff' || (version === '00' && more !== undefined) || /^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return null
  return { traceId: traceId!, spanId: spanId!, sampled: (Number.parseInt(flags!, 16) & 1) === 1 }
}

const nowMs = (): number => performance.timeOrigin + performance.now()
