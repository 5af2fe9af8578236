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
  /** Lines for people or a collector; several at a time. */
  readonly sink: ((lines: string) => void) | undefined
  /** One JSON line, for those who read the stream; `undefined` while nobody does. */
  readonly stream: () => ((line: string) => void) | undefined
}

/** Lines wait for the end of the turn, at most so many characters of them. */
const maxWaiting = 65_536
const resultNames: Readonly<Record<number, string>> = { 200: 'ok', 403: 'denied', 404: 'not-found' }

/** Writes audit. Format and level can change while it runs. */
export class Audit {
  level: number = logLevels.INFO
  format: 'text' | 'json' = 'text'
  readonly #options: AuditOptions
  readonly #time = new LocalTime()
  #waiting = ''
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
    this.#waiting += this.format === 'json' ? json : formatText(event, time, object)
    if (this.#waiting.length >= maxWaiting) this.flush()
    else if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(() => this.flush())
    }
  }

  /** Hands over what waits. */
  flush(): void {
    this.#isScheduled = false
    const lines = this.#waiting
    this.#waiting = ''
    if (lines !== '') this.#options.sink?.(lines)
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
function formatText(event: AuditEvent, time: string, object: string): string {
  const { operation, method, path, message, ip, identity, key, keyVersion, status, durationMs } = event
  const who = `req.ip=${ip === '' ? '""' : ip} req.identity=${identity === '' ? '""' : identity}`
  const what = `op=${operation} result=${resultOf(status)}${key === '' ? '' : ` key=${slogValue(key)}`}`
  const version = keyVersion > 0 ? ` key.version=${keyVersion}` : ''
  const about = object === '' ? '' : ` object=${slogValue(object)}`
  return (
    `time=${time} level=INFO msg=${slogValue(message)} req.method=${method} req.path=${slogValue(path)} ${who} ` +
    `res.code=${status} res.time=${goDuration(durationMs)} ${what}${version}${about}\n`
  )
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
