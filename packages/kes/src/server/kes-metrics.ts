/**
 * What a KES server counts: every family that KES has, and ours beside them, each of ours with exactly one sample, because
 * KES's SDK takes no other (kes-protocol 3.1).
 *
 * @module
 */
import { availableParallelism, cpus } from 'node:os'
import type { LoadedKeyCounts } from '@strongroom/kms'
import type { Family, HistogramValue } from './metric-families.ts'

/** Seconds. */
const bounds = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 3, 5, 10] as const

/** What the metrics ask others for when they are read. */
export interface MetricSources {
  readonly uptimeSeconds: () => number
  readonly cache: () => LoadedKeyCounts
  readonly store: () => { readonly isReachable: boolean; readonly calls: number; readonly failures: number }
  readonly connections: () => number
}

/** Counters that live as long as the process: a reload does not touch them. */
export class KesMetrics {
  /** Requests of counted routes that are being served. */
  active = 0
  /** Lines sent to readers of `/v1/log/*`. */
  auditEvents = 0
  errorEvents = 0
  /** Requests turned away before they were counted by KES: 405, and who may not. */
  refused = 0
  /** Connections cut because a request was not answered in time. */
  timeouts = 0
  reloads = 0
  failedReloads = 0
  readonly #codes = [new Map<number, number>(), new Map<number, number>(), new Map<number, number>()] as const
  readonly #counts = new Array<number>(bounds.length + 1).fill(0)
  #sum = 0

  /** A request of a counted route was answered. */
  answered(status: number, seconds: number): void {
    const codes = this.#codes[status < 400 ? 0 : status < 500 ? 1 : 2]
    codes.set(status, (codes.get(status) ?? 0) + 1)
    this.#sum += seconds
    let at = 0
    for (const bound of bounds) {
      if (seconds <= bound) break
      at++
    }
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
  }

  /** All families, by name. */
  families(sources: MetricSources): readonly Family[] {
    return [...this.#requests(), ...this.#process(sources), ...this.#own(sources)].sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )
  }

  #requests(): Family[] {
    const [success, error, failure] = this.#codes
    const histogram: HistogramValue = { bounds, counts: this.#counts, sum: this.#sum }
    const helps = {
      kes_http_request_success: 'Number of requests that have been served successfully.',
      kes_http_request_error: 'Number of request that failed due to some error. (HTTP 4xx status code)',
      kes_http_request_failure: 'Number of request that failed due to some internal failure. (HTTP 5xx status code)',
      kes_http_request_active: 'Number of active requests that are not finished, yet.',
      kes_http_response_time: 'Histogram of request response times spawning from 10ms to 10s.',
      kes_log_error_events: 'Number of error log events written to the error log targets.',
      kes_log_audit_events: 'Number of audit log events written to the audit log targets.',
    } as const
    const named = <N extends keyof typeof helps>(name: N) => ({ name, help: helps[name] })
    return [
      { ...named('kes_http_request_success'), type: 'counter', codes: [...success] },
      { ...named('kes_http_request_error'), type: 'counter', codes: [...error] },
      { ...named('kes_http_request_failure'), type: 'counter', codes: [...failure] },
      { ...named('kes_http_request_active'), type: 'gauge', value: this.active },
      { ...named('kes_http_response_time'), type: 'histogram', histogram },
      { ...named('kes_log_error_events'), type: 'counter', value: this.errorEvents },
      { ...named('kes_log_audit_events'), type: 'counter', value: this.auditEvents },
    ]
  }

  #process({ uptimeSeconds }: MetricSources): Family[] {
    const gauge = (name: string, help: string, value: number, ofMany?: 'max'): Family => ({
      name: `kes_system_${name}`,
      help,
      type: 'gauge',
      value,
      ...(ofMany === undefined ? {} : { ofMany }),
    })
    const more = 'It may be larger than the number of usable CPUs.'
    const fewer = 'It may be smaller than the number of available CPUs.'
    return [
      gauge(
        'up_time',
        'The time the server has been up and running in seconds.',
        Math.floor(uptimeSeconds() * 100) / 100,
        'max',
      ),
      gauge('num_cpu', `The number of logical CPUs available on the system. ${more}`, cpus().length, 'max'),
      gauge('num_cpu_used', `The number of logical CPUs usable by the server. ${fewer}`, availableParallelism(), 'max'),
      gauge('num_threads', 'The number of concurrent co-routines/threads that currently exists.', this.active + 1),
      gauge(
        'mem_heap_used',
        'The number of bytes that are currently allocated on the heap memory.',
        process.memoryUsage().heapUsed,
      ),
      // Neither runtime tells these two; the SDK wants a sample.
      gauge('mem_heap_objects', 'The number of objects that are currently allocated on the heap memory.', 0),
      gauge('mem_stack_used', 'The bytes of stack memory obtained from the OS.', 0),
    ]
  }

  #own({ cache, store, connections }: MetricSources): Family[] {
    const { hits, misses, loads, failures, unconfirmed } = cache()
    const { isReachable, calls, failures: storeFailures } = store()
    const values: readonly (readonly [
      name: string,
      type: 'counter' | 'gauge',
      help: string,
      value: number,
      ofMany?: 'max' | 'min',
    ])[] = [
      ['cache_hits_total', 'counter', 'Uses of a key that was in memory.', hits],
      ['cache_misses_total', 'counter', 'Uses of a key that had to wait for the key store.', misses],
      ['cache_loads_total', 'counter', 'Keys read from the key store; several waiting uses share one.', loads],
      ['cache_load_failures_total', 'counter', 'Keys that could not be read from the key store.', failures],
      [
        'cache_unconfirmed_uses_total',
        'counter',
        'Uses of a key in memory whose state the key store could not confirm.',
        unconfirmed,
      ],
      [
        'key_store_reachable',
        'gauge',
        'Whether the key store answered when it was last asked.',
        isReachable ? 1 : 0,
        'min',
      ],
      ['key_store_calls_total', 'counter', 'Calls of the key store.', calls],
      ['key_store_failures_total', 'counter', 'Calls that the key store did not answer.', storeFailures],
      ['connections', 'gauge', 'Open connections.', connections()],
      ['requests_refused_total', 'counter', 'Requests of callers that may not, and with a wrong method.', this.refused],
      [
        'request_timeouts_total',
        'counter',
        'Connections cut because a request was not answered in time.',
        this.timeouts,
      ],
      ['reloads_total', 'counter', 'Configurations taken over while running.', this.reloads, 'max'],
      ['failed_reloads_total', 'counter', 'Configurations that could not be taken over.', this.failedReloads, 'max'],
    ]
    return values.map(([name, type, help, value, ofMany]) => ({
      name: `strongroom_kes_${name}`,
      help,
      type,
      value,
      ...(ofMany === undefined ? {} : { ofMany }),
    }))
  }
}
