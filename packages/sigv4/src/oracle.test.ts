import { createHash, createHmac } from 'node:crypto'
import { SignatureV4 } from '@smithy/signature-v4'
import aws4 from 'aws4'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAuthorization } from './authorization.ts'
import { examples, exampleTimeMs, now, scope, secret, signOptions } from './aws-examples.fixture.ts'
import type { SignableRequest } from './canonical-request.ts'
import { parseQuery } from './query-string.ts'
import { signRequest } from './sign.ts'
import { deriveSigningKey } from './signing-key.ts'
import { encodeUriComponent, encodeUriPath } from './uri-encoding.ts'
import { verifySignature } from './verify.ts'

const credentials = { accessKeyId: examples.accessKeyId, secretAccessKey: examples.secret }
const signingKey = deriveSigningKey(secret, scope)

/** The hash interface that the SDK's signer wants. */
class NodeSha256 {
  readonly #hash: { update(data: Uint8Array): unknown; digest(): Uint8Array }

  constructor(key?: unknown) {
    this.#hash = key === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(key))
  }

  update(data: unknown): void {
    this.#hash.update(bytesOf(data))
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {
    throw new Error('not used')
  }
}

function bytesOf(data: unknown): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data)
  if (data instanceof Uint8Array) return data
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  throw new TypeError('bytes expected')
}

const sdk = new SignatureV4({
  credentials,
  region: 'us-east-1',
  service: 's3',
  sha256: NodeSha256,
  uriEscapePath: false,
})

function verify(request: SignableRequest): void {
  const parsed = parseAuthorization(request, parseQuery(request.rawQuery), { regions: ['us-east-1'], now })
  if (parsed === undefined) throw new Error('anonymous')
  verifySignature(parsed, request, signingKey)
}

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
const parameters = fc.dictionary(
  text.filter((name) => name !== '__proto__' && !name.toLowerCase().startsWith('x-amz-')),
  text,
  { maxKeys: 6 },
)
const metadata = fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.stringMatching(/^[!-~]([ -~]{0,18}[!-~])?$/), {
  maxKeys: 4,
})

function rawQueryOf(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => `${encodeUriComponent(name)}=${encodeUriComponent(value)}`)
    .join('&')
}

describe('against other signers', () => {
  it('agrees with aws4 on paths, queries and metadata', () => {
    fc.assert(
      fc.property(text, parameters, metadata, (name, query, meta) => {
        const headers: Record<string, string> = { host: 'localhost', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
        for (const [key, value] of Object.entries(meta)) headers[`x-amz-meta-${key}`] = value
        const rawPath = encodeUriPath(`/bucket/${name}`)
        const rawQuery = rawQueryOf(query)
        const path = rawQuery === '' ? rawPath : `${rawPath}?${rawQuery}`
        const theirs = aws4.sign(
          {
            service: 's3',
            region: 'us-east-1',
            method: 'PUT',
            path,
            headers: { ...headers, 'X-Amz-Date': '20130524T000000Z' },
          },
          credentials,
        )
        const signature = /Signature=([0-9a-f]{64})/.exec(String(theirs.headers?.Authorization))?.[1]
        const ours = signRequest(
          { method: 'PUT', rawPath, rawQuery, headers },
          { ...signOptions, payloadHash: 'UNSIGNED-PAYLOAD' },
        )
        expect(ours.signature).toBe(signature)
        verify({ method: 'PUT', rawPath, rawQuery, headers: ours.headers })
      }),
    )
  })

  it('verifies what the AWS SDK for JavaScript signs', async () => {
    await fc.assert(
      fc.asyncProperty(text, parameters, metadata, async (name, query, meta) => {
        const headers: Record<string, string> = { host: 'localhost', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
        for (const [key, value] of Object.entries(meta)) headers[`x-amz-meta-${key}`] = value
        const request = {
          method: 'PUT',
          protocol: 'https:',
          hostname: 'localhost',
          path: encodeUriPath(`/bucket/${name}`),
          query,
          headers,
        }
        const signed = await sdk.sign(request, { signingDate: new Date(exampleTimeMs) })
        verify({ method: 'PUT', rawPath: request.path, rawQuery: rawQueryOf(query), headers: signed.headers })
      }),
    )
  })

  it('verifies what the AWS SDK for JavaScript presigns, with hoisted headers', async () => {
    const request = {
      method: 'PUT',
      protocol: 'https:',
      hostname: 'localhost',
      path: '/bucket/a%20b',
      query: { 'x-id': 'PutObject' },
      headers: {
        host: 'localhost',
        'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-meta-a': 'ü b',
      },
    }
    const signed = await sdk.presign(request, { expiresIn: 60, signingDate: new Date(exampleTimeMs) })
    const query: Record<string, string> = {}
    for (const [name, value] of Object.entries(signed.query ?? {})) if (typeof value === 'string') query[name] = value
    expect(query['x-amz-server-side-encryption']).toBe('aws:kms')
    verify({ method: 'PUT', rawPath: request.path, rawQuery: rawQueryOf(query), headers: { host: 'localhost' } })
  })
})
