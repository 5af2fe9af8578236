/**
 * The audit log: one line per operation. Beside what KES says of the three operations that it audits (kes-protocol 3.4) a line
 * names operation, key, key version, result, and the object that the encryption context is about.
 *
 * @module
 */
import { asBuffer } from '@strongroom/crypto'
import { quoteJson } from '../protocol/go-json.ts'
import { goDuration, LocalTime, logLevels, slogValue } from '../protocol/go-text.ts'

/** What is known of an operation when it is over. Nothing of it is secret. */
export interface AuditEvent {
  readonly operation: string
  readonly method: string
  /** Decoded. */
  readonly path: string
  /** As KES words it, or the message of the error. */
  readonly message: string
  /** Empty where nobody is known. */
  readonly identity: string
  /** Empty where it is not known. */
  readonly ip: string
  /** Empty where the operation is about no key. */
  readonly key: string
  /** 0 where there is none. */
  readonly keyVersion: number
  /** Associated data of the operation. */
  readonly context: Uint8Array | undefined
  readonly status: number
  readonly durationMs: number
}

/** Where audit goes. */
export interface AuditOptions {
  readonly now: () => number
  /** Lines for people or a collector; several at a time. The bytes are overwritten when it has returned. */
  readonly sink: ((lines: Uint8Array) => void) | undefined
  /** One JSON line, for those who read the stream; `undefined` while nobody does. */
  readonly stream: () => ((line: string) => void) | undefined
}

/** Lines wait for the end of the turn, at most so many bytes of them and one line. */
const maxWaiting = 65_536
/** No line is longer, in bytes: what a client has chosen is cut, and the object is part of a context that is not long, either. */
const maxLine = 65_536
const resultNames: Readonly<Record<number, string>> = { 200: 'ok', 403: 'denied', 404: 'not-found' }

/** Writes audit. Format and level can change while it runs. */
export class Audit {
  level: number = logLevels.INFO
  format: 'text' | 'json' = 'text'
  readonly #options: AuditOptions
  readonly #time = new LocalTime()
  /** Lines are put together here: as text each would leave a kilobyte to the collector. */
  readonly #lines = new LineWriter(maxWaiting + maxLine)
  #isScheduled = false

  constructor(options: AuditOptions) {
    this.#options = options
  }

  /** Whether anybody wants to know: otherwise an event need not be made. */
  get isOn(): boolean {
    return this.level <= logLevels.INFO && (this.#options.sink !== undefined || this.#options.stream() !== undefined)
  }

  write(whole: AuditEvent): void {
    if (this.level > logLevels.INFO) return
    const event = shortened(whole)
    const time = this.#time.format(this.#options.now())
    const object = event.context === undefined ? '' : objectOfContext(event.context)
    const stream = this.#options.stream()
    const json = stream === undefined && this.format === 'text' ? '' : formatJson(event, time, object)
    stream?.(json)
    if (this.#options.sink === undefined) return
    if (this.format === 'json') this.#lines.add(json)
    else addText(this.#lines, event, time, object)
    if (this.#lines.length >= maxWaiting) this.flush()
    else if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(this.#flushSoon)
    }
  }

  readonly #flushSoon = (): void => {
    this.#isScheduled = false
    this.flush()
  }

  /** Hands over what waits. */
  flush(): void {
    const { sink } = this.#options
    if (this.#lines.length > 0) this.#lines.take((lines) => sink?.(lines))
  }
}

/** Text put behind one another as UTF-8. */
class LineWriter {
  length = 0
  readonly #bytes: Buffer

  constructor(sizeBytes: number) {
    this.#bytes = Buffer.alloc(sizeBytes)
  }

  add(text: string): void {
    this.length += this.#bytes.write(text, this.length)
  }

  /** Begins anew when `use` is done. */
  take(use: (bytes: Buffer) => void): void {
    const bytes = this.#bytes.subarray(0, this.length)
    this.length = 0
    use(bytes)
  }
}

/** Names and paths of requests that are served are shorter. */
const maxTextLength = 256

/** What a client has chosen takes a bounded place: a stranger whose every request is denied writes the log, too. */
function shortened(event: AuditEvent): AuditEvent {
  const { path, key, message } = event
  if (path.length <= maxTextLength && message.length <= maxTextLength) return event
  return { ...event, path: cut(path), key: cut(key), message: cut(message) }
}

const cut = (text: string): string => (text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text)

function resultOf(status: number): string {
  return resultNames[status] ?? (status < 500 ? 'refused' : 'failed')
}

/** KES's line with our pairs after KES's. Only what a client has chosen can need quotes; an empty value does, too. */
function addText(lines: LineWriter, event: AuditEvent, time: string, object: string): void {
  const { ip, identity, key, keyVersion, status } = event
  lines.add('time=')
  lines.add(time)
  lines.add(' level=INFO msg=')
  lines.add(slogValue(event.message))
  lines.add(' req.method=')
  lines.add(event.method)
  lines.add(' req.path=')
  lines.add(slogValue(event.path))
  lines.add(' req.ip=')
  lines.add(ip === '' ? '""' : ip)
  lines.add(' req.identity=')
  lines.add(identity === '' ? '""' : identity)
  lines.add(' res.code=')
  lines.add(String(status))
  lines.add(' res.time=')
  lines.add(goDuration(event.durationMs))
  lines.add(' op=')
  lines.add(event.operation)
  lines.add(' result=')
  lines.add(resultOf(status))
  if (key !== '') {
    lines.add(' key=')
    lines.add(slogValue(key))
  }
  if (keyVersion > 0) {
    lines.add(' key.version=')
    lines.add(String(keyVersion))
  }
  if (object !== '') {
    lines.add(' object=')
    lines.add(slogValue(object))
  }
  lines.add('\n')
}

/** The event of `/v1/log/audit`: KES's members, its time in nanoseconds as its SDK reads them, then ours. */
function formatJson(event: AuditEvent, time: string, object: string): string {
  const ip = event.ip === '' ? '' : `"ip":${quoteJson(event.ip)},`
  const identity = event.identity === '' ? '' : `,"identity":${quoteJson(event.identity)}`
  const key = event.key === '' ? '' : `,"key":${quoteJson(event.key)}`
  const version = event.keyVersion > 0 ? `,"key_version":${event.keyVersion}` : ''
  const about = object === '' ? '' : `,"object":${quoteJson(object)}`
  return (
    `{"time":"${time}","request":{${ip}"path":${quoteJson(event.path)}${identity}},` +
    `"response":{"code":${event.status},"time":${Math.round(event.durationMs * 1e6)}},` +
    `"method":${quoteJson(event.method)},"operation":"${event.operation}","result":"${resultOf(event.status)}"${key}${version}${about}}\n`
  )
}

/** No context of an object is longer. */
const maxContextBytes = 4_096

/** MinIO's contexts name the object as `{"bucket":"bucket/object"}` (kes-protocol 15.2): the first pair of that form. */
function objectOfContext(context: Uint8Array): string {
  if (context[0] !== 0x7b || context.length > maxContextBytes) return ''
  const text = asBuffer(context).toString('utf8')
  return objectOfSinglePair(text) ?? objectOfPairs(text)
}

/** The usual context, one pair without escapes, in a quarter of the time of a parser. */
function objectOfSinglePair(text: string): string | undefined {
  const nameEnd = text.indexOf('"', 2)
  const valueEnd = text.length - 2
  if (text[1] !== '"' || nameEnd < 3 || !text.endsWith('"}') || !text.startsWith('":"', nameEnd)) return undefined
  if (text.indexOf('"', nameEnd + 3) !== valueEnd || text.includes('\\')) return undefined
  const value = text.slice(nameEnd + 3, valueEnd)
  return isObjectOf(text.slice(2, nameEnd), value) ? value : ''
}

function objectOfPairs(text: string): string {
  let pairs: unknown
  try {
    pairs = JSON.parse(text)
  } catch {
    // A context is any bytes.
    return ''
  }
  if (typeof pairs !== 'object' || pairs === null) return ''
  for (const [name, value] of Object.entries(pairs)) {
    if (typeof value === 'string' && name !== '' && isObjectOf(name, value)) return value
  }
  return ''
}

function isObjectOf(bucket: string, path: string): boolean {
  return path === bucket || (path.startsWith(bucket) && path.charCodeAt(bucket.length) === 0x2f)
}
