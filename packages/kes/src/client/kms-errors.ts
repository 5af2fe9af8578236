/**
 * What the refusals of a KES server mean to whoever uses a `Kms`: kes-protocol 2.5, 14. Pairs of status and words first, as
 * the SDKs of KES compare them, then the status alone.
 *
 * @module
 */
import { KmsError, type KmsErrorCode } from '@strongroom/kms'
import { KesError } from '../kes-error.ts'

const byWords: readonly (readonly [status: number, words: RegExp, code: KmsErrorCode])[] = [
  [404, /^key does not exist$/, 'key-not-found'],
  [400, /^key (?:already exists|does already exist)$/, 'key-exists'],
  [400, /^decryption failed: ciphertext is not authentic$/, 'not-authentic'],
  [400, /^(?:key name|listing pattern) /, 'invalid-name'],
  [400, /^tls: /, 'permission-denied'],
  [406, /^invalid key size/, 'invalid-key'],
  [409, /^key does not support HMAC$/, 'no-hmac-key'],
]

const byStatus: ReadonlyMap<number, KmsErrorCode> = new Map<number, KmsErrorCode>([
  [401, 'permission-denied'],
  [403, 'permission-denied'],
  [429, 'busy'],
])

/** The codes that a Strongroom may name; a `Record`, so that none is forgotten. */
const reasons: Readonly<Record<KmsErrorCode, true>> = {
  'key-not-found': true,
  'key-exists': true,
  'key-disabled': true,
  'key-pending-deletion': true,
  'not-authentic': true,
  'invalid-name': true,
  'invalid-key': true,
  'no-hmac-key': true,
  'permission-denied': true,
  unreachable: true,
  busy: true,
  sealed: true,
  unsupported: true,
}

const isReason = (text: string | undefined): text is KmsErrorCode => text !== undefined && Object.hasOwn(reasons, text)

/** Anything thrown by a `KesClient` as a KmsError; other errors as they are. */
export function asKmsError(error: unknown): unknown {
  if (!(error instanceof KesError)) return error
  return new KmsError(codeOf(error), error.message, { cause: error })
}

function codeOf({ code, status = 0, message, reason }: KesError): KmsErrorCode {
  if (code !== 'refused') return 'unreachable'
  if (isReason(reason)) return reason
  const known = byWords.find(([wanted, words]) => wanted === status && words.test(message))
  if (known !== undefined) return known[2]
  // A key store that does not answer its server is as unreachable as the server itself.
  return byStatus.get(status) ?? (status >= 500 && status !== 501 ? 'unreachable' : 'unsupported')
}
