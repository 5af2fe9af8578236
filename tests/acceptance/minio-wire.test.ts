/**
 * The requests about encryption that were recorded against MinIO, replayed: the same status, code and content, but for the
 * rows listed in testdata/minio-sse-wire.differences.json, each with the reason why the answer is another one.
 *
 * @module
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeUriComponent } from '@strongroom/sigv4'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RawResponse } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

interface Row {
  readonly row: number
  readonly method: string
  readonly path: string
  readonly query?: readonly (readonly [name: string, value: string])[]
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly auth?: 'none'
  /** What later rows call the upload id or entity tag that this one returns. */
  readonly creates?: string
  readonly status: number
  readonly code?: string
  readonly responseBody?: string
}

interface Difference {
  readonly why: string
  /** Status and code. */
  readonly ours: string
  readonly rows: readonly number[]
}

const read = async <T>(file: string): Promise<T> =>
  JSON.parse(await readFile(join(import.meta.dirname, 'testdata', file), 'utf8'))

let server: TestServer

beforeAll(async () => {
  server = await startServer({ defaultEncryption: 'none' })
  const requester = { accountId: server.accounts.rootAccountId, isRootAccount: true }
  for (const name of ['testkey-1', 'testkey-2']) await server.engine.createKey({ requester, name })
})

afterAll(async () => {
  await server?.stop()
})

describe("MinIO's answers about encryption", () => {
  it('are ours too, but for the rows that have a reason', { timeout: 120_000 }, async () => {
    const rows = await read<readonly Row[]>('minio-sse-wire.json')
    const differences = await read<readonly Difference[]>('minio-sse-wire.differences.json')
    const expected = new Map(differences.flatMap(({ ours, rows }) => rows.map((row) => [row, ours] as const)))
    const wrong: string[] = []
    const replay = new Replay()
    for (const row of rows) {
      const answer = await replay.send(row)
      const wanted = expected.get(row.row) ?? outcome(row.method, row.status, row.code)
      const got = outcome(row.method, answer.status, answer.code)
      if (got !== wanted) wrong.push(`row ${row.row}: ${got} instead of ${wanted}`)
      else if (isRead(row) && !expected.has(row.row) && answer.text !== row.responseBody) {
        wrong.push(`row ${row.row}: other content`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('that differ each have one reason', async () => {
    const differences = await read<readonly Difference[]>('minio-sse-wire.differences.json')
    const numbers = differences.flatMap(({ rows }) => rows)
    expect(new Set(numbers).size).toBe(numbers.length)
    expect(differences.filter(({ why }) => why.length < 20)).toEqual([])
  })
})

const outcome = (method: string, status: number, code: string | undefined): string =>
  method === 'HEAD' || code === undefined ? String(status) : `${status} ${code}`

const isRead = (row: Row): boolean => row.method === 'GET' && row.status < 300 && row.responseBody !== undefined

/** Sends rows and fills in what earlier ones returned. */
class Replay {
  readonly #values = new Map<string, string>()

  async send(row: Row): Promise<RawResponse> {
    const query = (row.query ?? []).map(
      ([name, value]) => `${encodeUriComponent(name)}=${encodeUriComponent(this.#filled(value))}`,
    )
    const answer = await server.raw.send({
      method: row.method,
      rawPath: row.path,
      query: query.join('&'),
      ...(row.headers === undefined ? {} : { headers: row.headers }),
      ...(row.body === undefined ? {} : { body: this.#filled(row.body) }),
      ...(row.auth === undefined ? {} : { auth: row.auth }),
    })
    const etag = answer.headers.etag?.replaceAll('"', '')
    const created = row.creates?.startsWith('{etag') === true ? etag : answer.element('UploadId')
    if (row.creates !== undefined && created !== undefined) this.#values.set(row.creates, created)
    return answer
  }

  #filled(text: string): string {
    return text.replace(/\{(?:upload|etag):\d+\}/g, (name) => this.#values.get(name) ?? 'none')
  }
}
