/**
 * Who sent a request: the steps of SigV4 around the look-up of the access key (server-side-encryption.md 1.4 step 4).
 *
 * @module
 */

import type { Accounts, Principal } from '@strongroom/accounts'
import {
  type AuthorizationOptions,
  type ChunkSigning,
  formatScope,
  type ParsedAuthorization,
  type PayloadMode,
  parseAuthorization,
  parsePayloadMode,
  type SigningKeyCache,
  verifySignature,
} from '@strongroom/sigv4'
import type { S3Request } from './request.ts'
import { s3Error } from './s3-error.ts'

/** How the body of a request is protected. */
export interface Payload {
  readonly mode: PayloadMode
  /** Of signed `aws-chunked` bodies: a key of its own, to be zeroed when the request is over. */
  readonly signing: ChunkSigning | undefined
}

/** The outcome of a good signature. */
export interface Authenticated {
  readonly principal: Principal
  readonly isPresigned: boolean
  readonly payload: Payload
}

export interface AuthenticateOptions {
  readonly accounts: Pick<Accounts, 'lookup'>
  readonly signingKeys: SigningKeyCache
  readonly authorization: AuthorizationOptions
}

/**
 * Checks the signature of a request; `undefined` when it bears none.
 *
 * @throws SigV4Error, EngineError `InvalidAccessKeyId`, `InvalidToken`
 */
export async function authenticate(
  request: S3Request,
  query: ReadonlyMap<string, string>,
  options: AuthenticateOptions,
): Promise<Authenticated | undefined> {
  const parsed = parseAuthorization(request, query, options.authorization)
  if (parsed === undefined) return undefined
  return await withSigningKey(parsed, options, (principal, signingKey) => {
    verifySignature(parsed, request, signingKey)
    return { principal, isPresigned: parsed.kind === 'query', payload: payloadOf(parsed, signingKey) }
  })
}

/**
 * Looks an access key up and calls `use` with the signing key for a scope, which the cache goes on owning.
 *
 * @throws EngineError `InvalidAccessKeyId`, `InvalidToken`
 */
export async function withSigningKey<T>(
  claim: Pick<ParsedAuthorization, 'accessKeyId' | 'scope' | 'securityToken'>,
  options: AuthenticateOptions,
  use: (principal: Principal, signingKey: Uint8Array) => T,
): Promise<T> {
  // No temporary credentials are given out, so no token can be right.
  if (claim.securityToken !== undefined) throw s3Error('InvalidToken')
  return await withSecret(claim.accessKeyId, options, (principal, secret) =>
    use(principal, options.signingKeys.get(claim.accessKeyId, secret, claim.scope)),
  )
}

/**
 * Looks an access key up and calls `use` with its secret, which is zeroed after that.
 *
 * @throws EngineError `InvalidAccessKeyId`
 */
export async function withSecret<T>(
  accessKeyId: string,
  { accounts }: Pick<AuthenticateOptions, 'accounts'>,
  use: (principal: Principal, secret: Uint8Array) => T,
): Promise<T> {
  const credential = await accounts.lookup(accessKeyId)
  if (credential === undefined) throw s3Error('InvalidAccessKeyId', undefined, { AWSAccessKeyId: accessKeyId })
  try {
    return use(credential.principal, credential.secret)
  } finally {
    credential.secret.fill(0)
  }
}

function payloadOf(parsed: ParsedAuthorization, signingKey: Uint8Array): Payload {
  const mode = parsePayloadMode(parsed.payloadHash)
  if (mode.kind !== 'aws-chunked' || !mode.isSigned) return { mode, signing: undefined }
  return {
    mode,
    signing: {
      signingKey: Uint8Array.from(signingKey),
      timestamp: parsed.timestamp,
      scope: formatScope(parsed.scope),
      seedSignature: parsed.signature,
    },
  }
}
