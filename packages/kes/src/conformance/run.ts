/**
 * Replays the recording against a KES server, whoever made it.
 *
 * @module
 */
import type { ClientCertificate } from './client-certificates.ts'
import { judge, type Verdict } from './compare.ts'
import { exchange } from './wire-client.ts'
import { requestBody, type WireData, type WireRow } from './wire-data.ts'

/** A server under test. */
export interface ConformanceTarget {
  readonly host: string
  readonly port: number
  /** Name of the configuration that it runs with, and a key store that was empty when it started. */
  readonly server: string
  /** Rows of certificates that are not here are left out. */
  readonly certificates: ReadonlyMap<string, ClientCertificate>
  /** Does what a row wants done before it; rows that want it are left out where absent. */
  readonly before?: (what: string) => Promise<void>
  /** Whether our deviations count. Default `true`; a real KES is compared with the recording alone. */
  readonly hasDeviations?: boolean
}

export interface RowResult extends Verdict {
  readonly row: WireRow
}

/** Replays the rows of one server, in order. */
export async function replay(data: WireData, target: ConformanceTarget): Promise<readonly RowResult[]> {
  const results: RowResult[] = []
  const deviations = new Map(data.deviations.map((deviation) => [deviation.id, deviation]))
  let done: string | undefined
  for (const row of data.rows) {
    if (row.server !== target.server || !canReplay(row, target)) continue
    if (row.before !== undefined && row.before !== done) {
      await target.before?.(row.before)
      done = row.before
    }
    const answer = await exchange(peerOf(row, target), requestOf(row))
    const deviation = target.hasDeviations === false ? undefined : deviations.get(row.id)
    results.push({ row, ...judge(row, answer, deviation) })
  }
  return results
}

/** Rows of the server's configuration that cannot be replayed against it: what they need is out of reach. */
export function leftOut(data: WireData, target: ConformanceTarget): readonly WireRow[] {
  return data.rows.filter((row) => row.server === target.server && !canReplay(row, target))
}

function canReplay({ before, request }: WireRow, target: ConformanceTarget): boolean {
  if (before !== undefined && target.before === undefined) return false
  return request.cert === 'none' || target.certificates.has(request.cert)
}

function peerOf({ request }: WireRow, { host, port, certificates }: ConformanceTarget) {
  return { host, port, certificate: certificates.get(request.cert), tls: request.tls }
}

/** What was sent over HTTP/2 had no length: over HTTP/1.1 that is a chunked body. */
function requestOf({ request }: WireRow) {
  const { method, path, headers, body, http } = request
  const isMarked = Object.entries(headers).some(
    ([name, value]) => name.toLowerCase() === 'transfer-encoding' && value === 'chunked',
  )
  return { method, path, headers, body: requestBody(request), isChunked: isMarked || (http === '2' && body !== null) }
}
