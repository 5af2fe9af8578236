/**
 * Metric families as text and as delimited protobuf of Prometheus: kes-protocol 3.1. Plain data in, bytes out; what a family is
 * worth is asked for only when somebody reads it.
 *
 * @module
 */

/** A histogram's state; `counts` are not cumulative, one per bucket and one for what is above. */
export interface HistogramValue {
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly sum: number
}

/** Can be sent as JSON. */
export type Family = {
  readonly name: string
  readonly help: string
} & (
  | {
      readonly type: 'counter' | 'gauge'
      readonly value: number
      /** What is made of the values of several processes. Default: their sum. */
      readonly ofMany?: 'max' | 'min'
    }
  /** One sample per value of the label `code`. */
  | { readonly type: 'counter'; readonly codes: readonly (readonly [code: number, count: number])[] }
  | { readonly type: 'histogram'; readonly histogram: HistogramValue }
)

/** The families of several processes of one server as one: what counts is added up. Each has the same, in the same order. */
export function mergeFamilies(ofProcesses: readonly (readonly Family[])[]): readonly Family[] {
  const [first = [], ...others] = ofProcesses
  return others.reduce((merged, families) => merged.map((family, at) => merge(family, families[at] ?? family)), first)
}

function merge(one: Family, other: Family): Family {
  if ('value' in one) {
    if (!('value' in other)) return one
    const value = one.ofMany === undefined ? one.value + other.value : Math[one.ofMany](one.value, other.value)
    return { ...one, value }
  }
  if ('codes' in one) {
    if (!('codes' in other)) return one
    const codes = new Map(one.codes)
    for (const [code, count] of other.codes) codes.set(code, (codes.get(code) ?? 0) + count)
    return { ...one, codes: [...codes] }
  }
  if (!('histogram' in other)) return one
  const { bounds, counts, sum } = one.histogram
  const { histogram } = other
  const added = counts.map((count, at) => count + (histogram.counts[at] ?? 0))
  return { ...one, histogram: { bounds, counts: added, sum: sum + histogram.sum } }
}

/** Prometheus' text format 0.0.4. A family without samples is left out. */
export function formatFamilies(families: readonly Family[]): string {
  let text = ''
  for (const family of families) {
    const samples = textSamples(family)
    if (samples !== '') text += `# HELP ${family.name} ${family.help}\n# TYPE ${family.name} ${family.type}\n${samples}`
  }
  return text
}

function textSamples(family: Family): string {
  const { name } = family
  if ('value' in family) return `${name} ${number(family.value)}\n`
  if ('codes' in family) {
    return [...family.codes]
      .sort(([a], [b]) => a - b)
      .map(([code, count]) => `${name}{code="${code}"} ${number(count)}\n`)
      .join('')
  }
  const { bounds, counts, sum } = family.histogram
  let total = 0
  let text = ''
  for (const [at, bound] of bounds.entries()) {
    total += counts[at] ?? 0
    text += `${name}_bucket{le="${bound}"} ${number(total)}\n`
  }
  total += counts[bounds.length] ?? 0
  return `${text}${name}_bucket{le="+Inf"} ${number(total)}\n${name}_sum ${number(sum)}\n${name}_count ${number(total)}\n`
}

/** As Go's `%g` with the shortest digits: an exponent, of two digits at least, from a million up and below 0.0001. */
function number(value: number): string {
  const size = Math.abs(value)
  if (size === 0 || (size < 1e6 && size >= 1e-4)) return String(value)
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
}

const types = { counter: 0, gauge: 1, histogram: 4 } as const

/** `io.prometheus.client.MetricFamily` messages, each with its length before it. */
export function encodeFamilies(families: readonly Family[]): Uint8Array {
  const parts: Uint8Array[] = []
  for (const family of families) {
    const metrics = protobufMetrics(family)
    if (metrics.length === 0) continue
    const message = Buffer.concat([
      textField(1, family.name),
      textField(2, family.help),
      varintField(3, types[family.type]),
      ...metrics.map((metric) => bytesField(4, metric)),
    ])
    parts.push(varint(message.length), message)
  }
  return Buffer.concat(parts)
}

function protobufMetrics(family: Family): Uint8Array[] {
  if ('value' in family) {
    // Metric.gauge = 2, Metric.counter = 3, each with value = 1.
    return [bytesField(family.type === 'gauge' ? 2 : 3, doubleField(1, family.value))]
  }
  if ('codes' in family) {
    return [...family.codes].map(([code, count]) =>
      Buffer.concat([
        bytesField(1, Buffer.concat([textField(1, 'code'), textField(2, String(code))])),
        bytesField(3, doubleField(1, count)),
      ]),
    )
  }
  const { bounds, counts, sum } = family.histogram
  let total = 0
  const buckets: Uint8Array[] = []
  for (const [at, bound] of bounds.entries()) {
    total += counts[at] ?? 0
    buckets.push(bytesField(3, Buffer.concat([varintField(1, total), doubleField(2, bound)])))
  }
  total += counts[bounds.length] ?? 0
  return [bytesField(7, Buffer.concat([varintField(1, total), doubleField(2, sum), ...buckets]))]
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

function varintField(field: number, value: number): Uint8Array {
  return Buffer.concat([varint(field * 8), varint(value)])
}

function doubleField(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(9)
  bytes[0] = field * 8 + 1
  bytes.writeDoubleLE(value, 1)
  return bytes
}

function bytesField(field: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([varint(field * 8 + 2), varint(value.length), value])
}

function textField(field: number, value: string): Uint8Array {
  return bytesField(field, Buffer.from(value, 'utf8'))
}
