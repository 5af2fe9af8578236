/**
 * Whether an answer is the recorded one, but for what differs from run to run.
 *
 * @module
 */

import type { WireAnswer } from './wire-client.ts'
import type { Deviation, WireRow } from './wire-data.ts'

/** What came of a row. */
export interface Verdict {
  /** As KES; otherwise on purpose, with its reason; or wrong. */
  readonly kind: 'same' | 'deviates' | 'wrong'
  /** Of a deviation its reason, of a wrong answer what is wrong. */
  readonly detail: string
}

/** Headers that say nothing about the answer: `Connection: keep-alive` is what HTTP/1.1 means anyway. */
const ignoredHeaders = new Set(['date', 'keep-alive'])

/** Members that we add to what KES says. */
const ourMembers: Readonly<Record<string, readonly string[]>> = { '/v1/key/describe/': ['state', 'key_version'] }

/** Compares an answer with the recorded one, or with the deviation where there is one. */
export function judge(row: WireRow, answer: WireAnswer, deviation: Deviation | undefined): Verdict {
  if (deviation !== undefined) {
    const wrong = differenceFromDeviation(deviation, answer)
    return wrong === undefined ? { kind: 'deviates', detail: deviation.reason } : { kind: 'wrong', detail: wrong }
  }
  const wrong = difference(row, answer)
  if (wrong === undefined && answer.status === null) return judgeRefusal(row, answer.end)
  return wrong === undefined ? { kind: 'same', detail: '' } : { kind: 'wrong', detail: wrong }
}

/**
 * A refused handshake: KES says why in an alert, which Node's TLS cannot be told to send. A certificate is judged when the
 * handshake is over, on both runtimes. The one alert that OpenSSL sends by itself, for none at all, comes only together with
 * `rejectUnauthorized`, which refuses every self-signed one, and those are what API keys are. Where certificates are verified
 * (auth-on) that would do; a second way to refuse, on each runtime another, is not worth two alerts.
 */
function judgeRefusal({ response }: WireRow, end: string): Verdict {
  const alert = (response.tlsAlert ?? '').replaceAll('_', ' ')
  if (end.includes(alert)) return { kind: 'same', detail: '' }
  return {
    kind: 'deviates',
    detail: `The connection is closed without an alert, which node:tls has no way to send after a handshake; KES sends '${alert}'.`,
  }
}

function differenceFromDeviation({ status, body, headers }: Deviation, answer: WireAnswer): string | undefined {
  if (status !== answer.status) return `status ${answer.status}, not ${status}`
  if (answer.status === null) return undefined
  if (body !== undefined && body !== answer.body) return `body ${JSON.stringify(answer.body)}`
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (answer.headers[name.toLowerCase()] !== value) return `header ${name} is ${answer.headers[name.toLowerCase()]}`
  }
  return undefined
}

function difference({ request, response, volatile }: WireRow, answer: WireAnswer): string | undefined {
  if (response.status !== answer.status) {
    return `status ${answer.status}${answer.status === null ? ` (${answer.end})` : `: ${answer.body.slice(0, 200)}`}, not ${response.status}`
  }
  if (answer.status === null) return undefined
  // KES breaks off its answer over HTTP/2 (kes-protocol 2.5): there is nothing to compare with.
  if (response.streamError !== undefined) return undefined
  const body = withoutOurMembers(request.path, answer.body)
  const isSameLength = volatile.length === 0 && body === answer.body
  const headers = differentHeader(response.headers ?? {}, answer.headers, isSameLength)
  if (headers !== undefined) return headers
  if (response.body === undefined || response.body === null || volatile.includes('body')) return undefined
  // An answer to HEAD was recorded without its body.
  if (request.method === 'HEAD') return undefined
  return differentBody(response.body, body, volatile)
}

function differentHeader(
  expected: Readonly<Record<string, string>>,
  actual: Readonly<Record<string, string>>,
  isLengthCompared: boolean,
): string | undefined {
  const wanted = new Map(Object.entries(expected).map(([name, value]) => [name.toLowerCase(), value]))
  for (const [name, value] of wanted) {
    if (name === 'content-length' && !isLengthCompared && actual[name] !== undefined) continue
    if (actual[name] !== value) return `header ${name} is ${actual[name]}, not ${value}`
  }
  for (const [name, value] of Object.entries(actual)) {
    if (ignoredHeaders.has(name) || wanted.has(name) || (name === 'connection' && value === 'keep-alive')) continue
    return `header ${name}: ${value} is not KES's`
  }
  return undefined
}

function differentBody(expected: string, actual: string, volatile: readonly string[]): string | undefined {
  if (volatile.length === 0)
    return expected === actual ? undefined : `body ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`
  const wanted = settle(expected, volatile)
  const found = settle(actual, volatile)
  return wanted === found ? undefined : `body ${found}, not ${wanted}`
}

/** JSON with what is volatile replaced by its type, so that it must be there all the same. */
function settle(text: string, volatile: readonly string[]): string {
  const value: unknown = JSON.parse(text)
  if (Array.isArray(value)) {
    const items = value.map((item) => JSON.stringify(item))
    return `[${(volatile.includes('order of $') ? items.sort() : items).join(',')}]`
  }
  const members = Object.entries(value ?? {}).map(([name, member]) => [
    name,
    volatile.includes(`$.${name}`) ? typeof member : member,
  ])
  return JSON.stringify(Object.fromEntries(members))
}

function withoutOurMembers(path: string, body: string): string {
  const names = Object.entries(ourMembers).find(([prefix]) => path.startsWith(prefix))?.[1]
  if (names === undefined || !body.startsWith('{"name"')) return body
  const members: unknown = JSON.parse(body)
  return `${JSON.stringify(Object.fromEntries(Object.entries(members ?? {}).filter(([name]) => !names.includes(name))))}\n`
}
