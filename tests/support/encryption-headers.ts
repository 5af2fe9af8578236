/**
 * The encryption headers of S3 as tests send them.
 *
 * @module
 */

import { createHash } from 'node:crypto'

type Headers = Readonly<Record<string, string>>

const sse = 'x-amz-server-side-encryption'

export interface CustomerKeyPair {
  readonly base64: string
  readonly md5: string
}

/** An SSE-C key of 32 bytes that count up from `first`. */
export function customerKey(first: number): CustomerKeyPair {
  const key = Buffer.from(Array.from({ length: 32 }, (_, index) => first + index))
  return { base64: key.toString('base64'), md5: createHash('md5').update(key).digest('base64') }
}

export const keyOne = customerKey(0)
export const keyTwo = customerKey(0x64)

export const sseS3: Headers = { [sse]: 'AES256' }

export function sseKms(keyId?: string, context?: string): Headers {
  return {
    [sse]: 'aws:kms',
    ...(keyId === undefined ? {} : { [`${sse}-aws-kms-key-id`]: keyId }),
    ...(context === undefined ? {} : { [`${sse}-context`]: Buffer.from(context).toString('base64') }),
  }
}

/** Two layers. */
export function dsseKms(keyId?: string, context?: string): Headers {
  return { ...sseKms(keyId, context), [sse]: 'aws:kms:dsse' }
}

export function sseC(key: CustomerKeyPair): Headers {
  return {
    [`${sse}-customer-algorithm`]: 'AES256',
    [`${sse}-customer-key`]: key.base64,
    [`${sse}-customer-key-md5`]: key.md5,
  }
}

/** For the source of a copy. */
export function sourceSseC(key: CustomerKeyPair): Headers {
  const source = 'x-amz-copy-source-server-side-encryption-customer'
  return { [`${source}-algorithm`]: 'AES256', [`${source}-key`]: key.base64, [`${source}-key-md5`]: key.md5 }
}

/** The headers without those named. */
export function without(headers: Headers, ...names: readonly string[]): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)))
}
