/**
 * Reads the published examples of `testdata/aws-examples.json` for tests.
 *
 * @module
 */

import { readFileSync } from 'node:fs'
import type { SignableRequest } from './canonical-request.ts'
import type { CredentialScope } from './credential-scope.ts'

interface StreamedExample extends SignableRequest {
  readonly seedSignature: string
  readonly chunkSizes: readonly number[]
  readonly chunkSignatures: readonly string[]
  readonly trailers?: Readonly<Record<string, string>>
  readonly trailerSignature?: string
}

interface AwsExamples {
  readonly accessKeyId: string
  readonly secret: string
  readonly region: string
  readonly timestamp: string
  readonly requests: readonly (SignableRequest & { readonly name: string; readonly signature: string })[]
  readonly presigned: {
    readonly host: string
    readonly rawPath: string
    readonly expiresSeconds: number
    readonly signature: string
  }
  readonly chunked: StreamedExample
  readonly chunkedWithTrailer: StreamedExample
}

export const examples: AwsExamples = JSON.parse(
  readFileSync(new URL('../testdata/aws-examples.json', import.meta.url), 'utf8'),
)
export const secret: Uint8Array = Buffer.from(examples.secret, 'utf8')
export const scope: CredentialScope = { date: '20130524', region: examples.region, service: 's3' }
export const exampleTimeMs = Date.UTC(2013, 4, 24)
export const now = (): number => exampleTimeMs
export const signOptions = { credentials: { accessKeyId: examples.accessKeyId, secret }, region: examples.region, now }
