/**
 * What real KES stored, sealed and answered, over our wire; and what its SDK sends.
 */
import { readFileSync } from 'node:fs'
import { MemoryKeyStore } from '@strongroom/kms'
import { expect, it } from 'vitest'
import { exchange } from '../conformance/wire-client.ts'
import { certificate, member, startTestServer } from './test-server.fixture.ts'

function golden<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')) as T
}

interface GoldenKey {
  readonly name: string
  readonly stored: string
  readonly describe: string
}
interface GoldenValue {
  readonly name: string
  readonly stored: string
  readonly describe: { readonly status: number; readonly body: string } | null
  readonly hmac?: { readonly status: number; readonly body: string }
}
interface GoldenCase {
  readonly name: string
  readonly key: string
  readonly context: string | null
  readonly ciphertext: string
  readonly status: number
  readonly plaintext: string | null
}
interface SdkRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

const keys = golden<readonly GoldenKey[]>('../kms/testdata/keys.json')
const values = golden<readonly GoldenValue[]>('../kms/testdata/stored-values.json')
const cases = golden<readonly GoldenCase[]>('../kms/testdata/decrypt-cases.json')
const sdkRequests = golden<readonly SdkRequest[]>('testdata/kes/sdk-requests.json')

async function serve(entries: Iterable<readonly [name: string, stored: string]>) {
  const store = new MemoryKeyStore()
  for (const [name, stored] of entries) await store.create(name, Buffer.from(stored, 'utf8'))
  return startTestServer({ openKeyStore: async () => store })
}

/** Without the members that we add. */
function asKes(body: string): string {
  return body.replace(/,"state":"enabled","key_version":1\}/, '}')
}

it('describes and HMACs with every stored value as KES does, and says 502 where KES crashes', async () => {
  const { send } = await serve(values.map(({ stored }, at) => [`v${at}`, stored] as const))
  for (const [at, { describe: described, hmac }] of values.entries()) {
    const answer = await send('GET', `/v1/key/describe/v${at}`)
    const expected = described ?? { status: 502, body: '{"message":"failed to read key"\n}' }
    expect({ status: answer.status, body: asKes(answer.body) }).toEqual({
      status: expected.status,
      body: expected.body.replace('<name>', `v${at}`),
    })
    if (hmac === undefined) continue
    const mac = await send('PUT', `/v1/key/hmac/v${at}`, { message: Buffer.from('Hello World').toString('base64') })
    expect({ status: mac.status, body: mac.body }).toEqual({ status: hmac.status, body: hmac.body })
  }
}, 180_000)

it('decrypts, and refuses to, as KES does', async () => {
  const { send } = await serve(keys.map(({ name, stored }) => [name, stored] as const))
  for (const { name, describe: described } of keys) {
    expect(asKes((await send('GET', `/v1/key/describe/${name}`)).body)).toBe(described)
  }
  for (const { name, key, context, ciphertext, status, plaintext } of cases) {
    const answer = await send('POST', `/v1/key/decrypt/${key}`, { ciphertext, context })
    // Old envelopes that say which cipher sealed them; KES believes the key alone (kes-protocol 6.3).
    const opensHereOnly = /^(?:msgpack|JSON) .* under the other algorithm$/.test(name)
    expect(answer.status, name).toBe(opensHereOnly ? 200 : status)
    if (opensHereOnly) continue
    if (status === 200) expect(member(answer, 'plaintext')).toBe(plaintext)
    else expect(answer.body).toBe('{"message":"decryption failed: ciphertext is not authentic"\n}')
  }
}, 180_000)

it('takes every request that KES’s SDK sends', async () => {
  const { port } = await startTestServer()
  const { cert, key } = await certificate('admin')
  const expected = new Set([200, 307, 400, 404])
  for (const { method, path, headers, body } of sdkRequests) {
    if (path.startsWith('/v1/log/')) continue
    const sent = Object.fromEntries(
      Object.entries(headers).filter(([name]) => !['content-length', 'transfer-encoding'].includes(name)),
    )
    const answer = await exchange(
      { host: '127.0.0.1', port, certificate: { cert, key } },
      { method, path, headers: sent, body: body ?? undefined, isChunked: body !== null },
    )
    expect(expected.has(answer.status ?? 0), `${method} ${path}: ${answer.status}`).toBe(true)
    if (answer.status !== null)
      expect(answer.body, `${method} ${path}`).not.toMatch(/invalid request body|page not found/)
  }
}, 180_000)
