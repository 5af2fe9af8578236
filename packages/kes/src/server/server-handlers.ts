/**
 * What a server says of itself, and the log streams: kes-protocol 3.1 and 3.4.
 *
 * @module
 */
import { arch, availableParallelism, cpus } from 'node:os'
import { quoteJson } from '../protocol/go-json.ts'
import { type Call, type CallResponse, sendText } from './call.ts'
import type { Generation } from './generation.ts'
import type { MetricSources } from './kes-metrics.ts'
import { encodeFamilies, type Family, formatFamilies } from './metric-families.ts'
import type { RouteHandler, ServerContext } from './server-context.ts'

export const version: RouteHandler = (call, context) => {
  call.json(`{"version":${quoteJson(context.version)},"commit":${quoteJson(context.commit)}}`)
}

export const ready: RouteHandler = async (call) => {
  const { reachable } = await call.generation.store.health()
  if (reachable) call.done('')
  else call.refuse(504, 'key store is not reachable')
}

/** Go's names of processors. */
const goArchitectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  mipsel: 'mipsle',
  ppc64: 'ppc64le',
}
const goSystems: Readonly<Record<string, string>> = { win32: 'windows', sunos: 'solaris' }

/** What hardly changes and costs a system call or more to ask for. */
class Sampled<T> {
  readonly #read: () => T
  readonly #validMs: number
  #value: T | undefined
  #readAt = Number.NEGATIVE_INFINITY

  constructor(validMs: number, read: () => T) {
    this.#read = read
    this.#validMs = validMs
  }

  get(): T {
    const now = performance.now()
    if (this.#value === undefined || now - this.#readAt >= this.#validMs) {
      this.#value = this.#read()
      this.#readAt = now
    }
    return this.#value
  }
}

const machine = new Sampled(60_000, () => {
  const system = goSystems[process.platform] ?? process.platform
  const processor = goArchitectures[arch()] ?? arch()
  return `"os":"${system}","arch":"${processor}"`
})
const processors = new Sampled(60_000, () => `"num_cpu":${cpus().length},"num_cpu_used":${availableParallelism()}`)
const heapUsed = new Sampled(1_000, () => process.memoryUsage().heapUsed)

/** `keystore_unavailable` is left out on purpose: without it KES's SDK, and so MinIO, sees the endpoint as offline. */
export const status: RouteHandler = async (call, context) => {
  const { reachable, latencyMs } = await call.generation.store.health()
  const uptime = Math.floor(context.uptimeMs() / 1_000)
  call.json(
    `{"version":${quoteJson(context.version)},${machine.get()},"uptime":${uptime},${processors.get()},` +
      `"mem_heap_used":${heapUsed.get()},"mem_stack_used":0,` +
      `${reachable ? `"keystore_latency":${latencyMs}` : '"keystore_unreachable":true'}}`,
  )
}

export const listRoutes: RouteHandler = (call) => {
  const rows = call.generation.routes.all
    .filter(({ isExtension }) => !isExtension)
    .map(
      ({ method, path, maxBody, timeoutMs }) =>
        `{"method":"${method}","path":"${path}","max_body":${maxBody},"timeout":${Math.floor(timeoutMs / 1_000)}}`,
    )
  call.json(`[${rows.join(',')}]`)
}

const protobufType = 'application/vnd.google.protobuf'
const protobufContentType = `${protobufType}; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores`
const textContentType = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores'

/** What this process counts, with what the key store of a generation does. */
export function ownFamilies({ keys, store }: Generation, context: ServerContext): readonly Family[] {
  const sources: MetricSources = {
    uptimeSeconds: () => context.uptimeMs() / 1_000,
    cache: () => keys.cacheCounts,
    store: () => store,
    connections: context.connections,
  }
  return context.metrics.families(sources)
}

export const metrics: RouteHandler = async (call, context) => {
  const families = (await context.neighbours?.families()) ?? ownFamilies(call.generation, context)
  const response: CallResponse = call.response
  call.status = 200
  if (wantsProtobuf(call)) {
    const body = encodeFamilies(families)
    response.writeHead(200, { 'Content-Type': protobufContentType, 'Content-Length': body.length })
    response.end(body)
  } else {
    sendText(response, 200, textContentType, formatFamilies(families))
  }
}

/** Prometheus asks for `application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited`. */
function wantsProtobuf({ request }: Call): boolean {
  const accepted = (('headers' in request ? request.headers.accept : undefined) ?? '')
    .split(',', 16)
    .map((part) => part.replaceAll(' ', '').toLowerCase())
  return accepted.some(
    (part) =>
      part.startsWith(protobufType) &&
      part.includes('proto=io.prometheus.client.metricfamily') &&
      part.includes('encoding=delimited'),
  )
}

export const streamErrors: RouteHandler = async (call, context) => openStream(call, await context.errorStream.add(call))

export const streamAudit: RouteHandler = async (call, context) => openStream(call, await context.auditStream.add(call))

function openStream(call: Call, isOpen: boolean): void {
  if (isOpen) call.status = 200
  else call.refuse(503, 'too many readers of this log')
}
