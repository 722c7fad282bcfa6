/**
 * What Prometheus reads: counters, gauges and histograms, declared in a table (`monitoring/metrics.ts`) and shown in its text format
 * (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4).
 */

/** Sets of label values of one metric; further ones are counted together, with `other` as every value. Labels never hold ids. */
const MAX_SERIES = 2_000
const OTHER = 'other'

interface Definition<L extends string> {
  readonly help: string
  readonly labels: readonly L[]
}
export interface CounterDefinition<L extends string> extends Definition<L> {
  readonly kind: 'counter'
}
export interface GaugeDefinition<L extends string> extends Definition<L> {
  readonly kind: 'gauge'
}
export interface HistogramDefinition<L extends string> extends Definition<L> {
  readonly kind: 'histogram'
  /** Upper bounds, rising; the last one, infinity, is not among them. */
  readonly buckets: readonly number[]
}
export type MetricDefinition = CounterDefinition<string> | GaugeDefinition<string> | HistogramDefinition<string>

export type LabelValues<L extends string> = { readonly [N in L]: string }

export interface Counter<L extends string> {
  /** Never negative. */
  add(labels: LabelValues<L>, growth?: number): void
}
export interface Gauge<L extends string> {
  set(labels: LabelValues<L>, value: number): void
  /** Forgets all values: before those are set that were just looked up. */
  clear(): void
}
export interface Histogram<L extends string> {
  observe(labels: LabelValues<L>, value: number): void
}

/** What a definition's metric can be told. */
export type MetricOf<D> =
  D extends CounterDefinition<infer L>
    ? Counter<L>
    : D extends GaugeDefinition<infer L>
      ? Gauge<L>
      : D extends HistogramDefinition<infer L>
        ? Histogram<L>
        : never

export const counter = <const L extends string = never>(help: string, labels: readonly L[] = []): CounterDefinition<L> => ({
  kind: 'counter',
  help,
  labels,
})
export const gauge = <const L extends string = never>(help: string, labels: readonly L[] = []): GaugeDefinition<L> => ({
  kind: 'gauge',
  help,
  labels,
})
export const histogram = <const L extends string = never>(
  help: string,
  buckets: readonly number[],
  labels: readonly L[] = [],
): HistogramDefinition<L> => ({ kind: 'histogram', help, buckets, labels })

/** One metric of one registry. */
export class Metric implements Counter<string>, Gauge<string>, Histogram<string> {
  readonly #name: string
  readonly #definition: MetricDefinition
  /** By their label values: a number, or a histogram's buckets, each with what it alone holds, then the sum. */
  readonly #series = new Map<string, { labels: string; values: number[] }>()

  constructor(name: string, definition: MetricDefinition) {
    this.#name = name
    this.#definition = definition
    // So that the first error is a rise from zero, which `rate` sees, and not a series that was not there before.
    if (definition.labels.length === 0 && definition.kind !== 'gauge') this.#valuesOf({})
  }

  add(labels: LabelValues<string>, growth = 1): void {
    this.#valuesOf(labels)[0]! += growth
  }

  set(labels: LabelValues<string>, value: number): void {
    this.#valuesOf(labels)[0] = value
  }

  observe(labels: LabelValues<string>, value: number): void {
    const values = this.#valuesOf(labels)
    const { buckets } = this.#definition as HistogramDefinition<string>
    const bucket = buckets.findIndex((bound) => value <= bound)
    values[bucket < 0 ? buckets.length : bucket]! += 1
    values[buckets.length + 1]! += value
  }

  clear(): void {
    this.#series.clear()
  }

  /** Its lines; none where nothing was ever counted. */
  expose(): string {
    if (this.#series.size === 0) return ''
    const { kind, help } = this.#definition
    let text = `# HELP ${this.#name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${this.#name} ${kind}\n`
    for (const { labels, values } of this.#series.values()) {
      text += kind === 'histogram' ? this.#exposeHistogram(labels, values) : `${this.#name}${braced(labels)} ${values[0]}\n`
    }
    return text
  }

  #exposeHistogram(labels: string, values: number[]): string {
    const { buckets } = this.#definition as HistogramDefinition<string>
    const comma = labels === '' ? '' : ','
    let text = ''
    let count = 0
    for (let i = 0; i <= buckets.length; i++) {
      count += values[i]!
      text += `${this.#name}_bucket{${labels}${comma}le="${buckets[i] ?? '+Inf'}"} ${count}\n`
    }
    return `${text}${this.#name}_sum${braced(labels)} ${values[buckets.length + 1]}\n${this.#name}_count${braced(labels)} ${count}\n`
  }

  #valuesOf(labels: LabelValues<string>): number[] {
    const names = this.#definition.labels
    const written = names.map((name) => `${name}="${escaped(labels[name]!)}"`).join(',')
    let series = this.#series.get(written)
    if (series === undefined) {
      if (this.#series.size >= MAX_SERIES && names.some((name) => labels[name] !== OTHER)) {
        return this.#valuesOf(Object.fromEntries(names.map((name) => [name, OTHER])))
      }
      const length = this.#definition.kind === 'histogram' ? this.#definition.buckets.length + 2 : 1
      series = { labels: written, values: new Array<number>(length).fill(0) }
      this.#series.set(written, series)
    }
    return series.values
  }
}

const braced = (labels: string): string => (labels === '' ? '' : `{${labels}}`)

const escaped = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
