/**
 * Prometheus metrics: requests by operation and status, latency, bytes, requests in flight, and helpers with which the
 * server registers its own. Label values come from closed lists; anything else counts as `other`, so that no client
 * can make the registry grow.
 *
 * @module
 */

import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Labels and the values each may have. */
export type LabelValues = Readonly<Record<string, readonly string[]>>

/** One value per label, in the order of the labels' declaration. */
export interface BoundCounter {
  inc(labels: readonly string[], by?: number): void
}

export interface BoundHistogram {
  observe(labels: readonly string[], value: number): void
}

export interface MetricsOptions {
  /** The operations that requests are counted by. */
  readonly operations: readonly string[]
  /** Put before every name. Default `strongroom_`. */
  readonly prefix?: string
  /** Also the process's own: CPU, memory, event loop. Default true. */
  readonly includeProcess?: boolean
}

/** What one process's registry holds. Only {@link mergeMetrics} looks inside. */
export type MetricsSnapshot = object

const OTHER = 'other'
const LATENCY_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** What is known of one operation; plain numbers, turned into metrics only when they are asked for. */
interface OperationTotals {
  readonly byStatus: Map<number, number>
  readonly latency: { observe(seconds: number): void }
  bytesIn: number
  bytesOut: number
}

/** One registry and the request metrics in it. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #prefix: string
  readonly #totals = new Map<string, OperationTotals>()
  readonly #other: OperationTotals
  #inFlight = 0

  constructor(options: MetricsOptions) {
    this.#prefix = options.prefix ?? 'strongroom_'
    if (options.includeProcess !== false) collectDefaultMetrics({ register: this.#registry })
    const latency = new Histogram({
      name: `${this.#prefix}request_duration_seconds`,
      help: 'Time from the end of the request headers to the end of the response.',
      labelNames: ['operation'],
      buckets: LATENCY_SECONDS,
      registers: [this.#registry],
    })
    const totals = (operation: string): OperationTotals => {
      const fresh = { byStatus: new Map(), latency: latency.labels(operation), bytesIn: 0, bytesOut: 0 }
      this.#totals.set(operation, fresh)
      return fresh
    }
    for (const operation of options.operations) totals(operation)
    this.#other = this.#totals.get(OTHER) ?? totals(OTHER)
    this.#registerTotals()
  }

  /** A request has come. */
  begin(): void {
    this.#inFlight += 1
  }

  /** A request that `begin` was called for is over. */
  end(operation: string, status: number, durationSeconds: number, bytesIn: number, bytesOut: number): void {
    this.#inFlight -= 1
    const totals = this.#totals.get(operation) ?? this.#other
    const known = status >= 100 && status <= 599 ? status : 0
    totals.byStatus.set(known, (totals.byStatus.get(known) ?? 0) + 1)
    totals.bytesIn += bytesIn
    totals.bytesOut += bytesOut
    totals.latency.observe(durationSeconds)
  }

  /** Registers a counter. Every combination of values exists from the start, at zero. */
  counter(name: string, help: string, labels: LabelValues = {}): BoundCounter {
    const counter = new Counter({ ...this.#named(name, help), labelNames: Object.keys(labels) })
    for (const values of combinations(labels)) counter.inc(labelled(labels, values), 0)
    return { inc: (values, by = 1) => counter.inc(labelled(labels, values), by) }
  }

  /** Registers a histogram with its own buckets. */
  histogram(name: string, help: string, buckets: readonly number[], labels: LabelValues = {}): BoundHistogram {
    const histogram = new Histogram({
      ...this.#named(name, help),
      labelNames: Object.keys(labels),
      buckets: [...buckets],
    })
    return { observe: (values, value) => histogram.observe(labelled(labels, values), value) }
  }

  /**
   * Registers a gauge that is asked for its value whenever metrics are read. `ofMany`: what is made of the values of several
   * processes, by {@link mergeMetrics}.
   */
  gauge(
    name: string,
    help: string,
    read: () => number | Promise<number>,
    { ofMany = 'sum' }: { readonly ofMany?: 'sum' | 'max' } = {},
  ): void {
    new Gauge({
      ...this.#named(name, help),
      aggregator: ofMany,
      async collect() {
        this.set(await read())
      },
    })
  }

  /** The value of `Content-Type` for `text()`. */
  get contentType(): string {
    return this.#registry.contentType
  }

  /** All metrics in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  /** All metrics, for {@link mergeMetrics}; can be sent as JSON. */
  snapshot(): Promise<MetricsSnapshot> {
    return this.#registry.getMetricsAsJSON()
  }

  #named(name: string, help: string): { name: string; help: string; registers: Registry[] } {
    return { name: `${this.#prefix}${name}`, help, registers: [this.#registry] }
  }

  #registerTotals(): void {
    const totals = this.#totals
    new Counter({
      ...this.#named('requests_total', 'Requests by operation and status.'),
      labelNames: ['operation', 'status'],
      collect() {
        this.reset()
        for (const [operation, { byStatus }] of totals) {
          for (const [status, count] of byStatus) this.inc({ operation, status: String(status) }, count)
        }
      },
    })
    for (const [name, help, field] of [
      ['received_bytes_total', 'Bytes of request bodies.', 'bytesIn'],
      ['sent_bytes_total', 'Bytes of response bodies.', 'bytesOut'],
    ] as const) {
      new Counter({
        ...this.#named(name, help),
        labelNames: ['operation'],
        collect() {
          this.reset()
          for (const [operation, values] of totals) this.inc({ operation }, values[field])
        },
      })
    }
    this.gauge('requests_in_flight', 'Requests being served.', () => this.#inFlight)
  }
}

/** The metrics of several processes of one server as one text in Prometheus' format: what counts is added up. */
export function mergeMetrics(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return AggregatorRegistry.aggregate([...snapshots]).metrics()
}

function labelled(labels: LabelValues, values: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {}
  let at = 0
  for (const name in labels) {
    const value = values[at] ?? OTHER
    result[name] = labels[name]?.includes(value) === true ? value : OTHER
    at += 1
  }
  return result
}

function combinations(labels: LabelValues): string[][] {
  let found: string[][] = [[]]
  for (const values of Object.values(labels)) {
    found = found.flatMap((before) => values.map((value) => [...before, value]))
  }
  return found
}
