/**
 * Browser form uploads: the policy document, its conditions and its signature.
 * "Creating a POST policy" and "Authenticating requests in browser-based uploads using POST (SigV4)".
 *
 * @module
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import { type AuthorizationOptions, parseCredential, signatureAlgorithm, signatureMismatch } from './authorization.ts'
import { hmacSha256 } from './canonical-request.ts'
import { type CredentialScope, parseTimestamp } from './credential-scope.ts'
import { invalidArgument, SigV4Error } from './sigv4-error.ts'

type Condition =
  | { readonly kind: 'eq' | 'starts-with'; readonly field: string; readonly value: string; readonly text: string }
  | { readonly kind: 'content-length-range'; readonly min: number; readonly max: number }

/** A policy document that was read, not yet judged. */
export interface PostPolicy {
  readonly expiresMs: number
  readonly conditions: readonly Condition[]
}

/** The claim of a signed form. */
export interface ParsedPostSignature {
  readonly accessKeyId: string
  readonly scope: CredentialScope
  readonly signature: string
  /** The policy field as sent: base64, and itself the string to sign. */
  readonly policy: string
  readonly securityToken: string | undefined
}

const maxPolicyLength = 65_536
const maxConditions = 1000

/**
 * Reads the signature fields of a form. `undefined` when there are none: an anonymous upload.
 *
 * @param fields form fields by lower-case name, those before `file`
 * @throws SigV4Error `InvalidArgument`, `InvalidRequest` (Signature Version 2), `AuthorizationQueryParametersError`
 */
export function parsePostSignature(
  fields: ReadonlyMap<string, string>,
  options: AuthorizationOptions,
): ParsedPostSignature | undefined {
  if (fields.has('awsaccesskeyid') || (fields.has('signature') && !fields.has('x-amz-signature'))) {
    throw new SigV4Error(
      'InvalidRequest',
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
    )
  }
  if (!fields.has('policy') && !fields.has('x-amz-signature') && !fields.has('x-amz-credential')) return undefined
  const required = (name: string): string => requiredField(fields, name)
  const policy = required('policy')
  if (required('x-amz-algorithm') !== signatureAlgorithm) {
    throw invalidArgument(`X-Amz-Algorithm only supports "${signatureAlgorithm}"`, 'x-amz-algorithm')
  }
  const { accessKeyId, scope } = parseCredential(required('x-amz-credential'), 'query', options)
  const timestamp = required('x-amz-date')
  if (parseTimestamp(timestamp) === undefined || timestamp.slice(0, 8) !== scope.date) {
    throw invalidArgument('X-Amz-Date must be formated via ISO8601 Long format', 'x-amz-date', timestamp.slice(0, 64))
  }
  const signature = required('x-amz-signature')
  return { accessKeyId, scope, signature, policy, securityToken: fields.get('x-amz-security-token') }
}

function requiredField(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name.toLowerCase())
  if (value !== undefined && value !== '') return value
  throw invalidArgument(
    `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
    name,
    '',
  )
}

/** @throws SigV4Error `SignatureDoesNotMatch` */
export function verifyPostSignature(parsed: ParsedPostSignature, signingKey: Uint8Array): void {
  const expected = hmacSha256(signingKey, parsed.policy).toString('hex')
  const provided = Buffer.from(parsed.signature, 'latin1')
  const wanted = Buffer.from(expected, 'latin1')
  if (provided.length !== wanted.length || !timingSafeEqual(provided, wanted)) {
    throw signatureMismatch({ AWSAccessKeyId: parsed.accessKeyId })
  }
}

/** The claim of a form signed with Signature Version 2. */
export interface ParsedPostSignatureV2 {
  readonly accessKeyId: string
  /** base64 */
  readonly signature: string
  /** The policy field as sent: base64, and itself the string to sign. */
  readonly policy: string
}

/**
 * Reads the signature fields of a form that is signed with Signature Version 2; `undefined` when it is not. Amazon S3 takes
 * no such form for a bucket made since 2020: {@link parsePostSignature} refuses it.
 *
 * @param fields form fields by lower-case name, those before `file`
 * @throws SigV4Error `InvalidArgument`
 */
export function parsePostSignatureV2(fields: ReadonlyMap<string, string>): ParsedPostSignatureV2 | undefined {
  if (fields.has('x-amz-signature') || !(fields.has('awsaccesskeyid') || fields.has('signature'))) return undefined
  return {
    accessKeyId: requiredField(fields, 'AWSAccessKeyId'),
    signature: requiredField(fields, 'signature'),
    policy: requiredField(fields, 'policy'),
  }
}

/** @param secret stays the caller's @throws SigV4Error `SignatureDoesNotMatch` */
export function verifyPostSignatureV2(parsed: ParsedPostSignatureV2, secret: Uint8Array): void {
  const wanted = createHmac('sha1', secret).update(parsed.policy).digest()
  const provided = Buffer.from(parsed.signature, 'base64')
  if (provided.length !== wanted.length || !timingSafeEqual(provided, wanted)) {
    throw signatureMismatch({ AWSAccessKeyId: parsed.accessKeyId })
  }
}

/** Makes the signature field for a base64 policy. */
export function signPostPolicy(policyBase64: string, signingKey: Uint8Array): string {
  return hmacSha256(signingKey, policyBase64).toString('hex')
}

/** @throws SigV4Error `InvalidPolicyDocument` */
export function parsePostPolicy(policyBase64: string): PostPolicy {
  if (policyBase64.length > maxPolicyLength) throw invalidPolicy('Invalid Policy: Policy is too large.')
  let document: unknown
  try {
    const bytes = Buffer.from(policyBase64, 'base64')
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw invalidPolicy('Invalid Policy: Invalid JSON.', cause)
  }
  if (!isRecord(document)) throw invalidPolicy('Invalid Policy: Invalid JSON.')
  const { expiration, conditions } = document
  if (typeof expiration !== 'string') throw invalidPolicy('Invalid Policy: Policy missing expiration.')
  const isIso = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/.test(expiration)
  const expiresMs = isIso ? Date.parse(expiration) : Number.NaN
  if (Number.isNaN(expiresMs)) throw invalidPolicy("Invalid Policy: Invalid 'expiration' value.")
  if (!Array.isArray(conditions)) throw invalidPolicy('Invalid Policy: Policy missing conditions.')
  if (conditions.length > maxConditions) throw invalidPolicy('Invalid Policy: Too many conditions.')
  return { expiresMs, conditions: conditions.flatMap(parseCondition) }
}

function parseCondition(condition: unknown): Condition[] {
  if (isRecord(condition)) {
    const entries = Object.entries(condition)
    if (entries.length !== 1) {
      throw invalidPolicy(
        'Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
      )
    }
    return entries.map(([name, value]) => {
      if (typeof value !== 'string')
        throw invalidPolicy('Invalid Policy: Invalid Simple-Condition: value must be a string.')
      return { kind: 'eq', field: name.toLowerCase(), value, text: JSON.stringify(['eq', `$${name}`, value]) }
    })
  }
  if (!Array.isArray(condition) || condition.length !== 3) throw invalidPolicy('Invalid Policy: Invalid Condition.')
  const [operator, first, second]: readonly unknown[] = condition
  const kind = typeof operator === 'string' ? operator.toLowerCase() : ''
  if (kind === 'content-length-range') {
    return [{ kind, min: rangeBound(first), max: rangeBound(second) }]
  }
  const isMatch = kind === 'eq' || kind === 'starts-with'
  if (!isMatch || typeof first !== 'string' || typeof second !== 'string' || !first.startsWith('$')) {
    throw invalidPolicy('Invalid Policy: Invalid Condition.')
  }
  return [{ kind, field: first.slice(1).toLowerCase(), value: second, text: JSON.stringify(condition) }]
}

function rangeBound(value: unknown): number {
  const bound = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  if (typeof bound !== 'number' || !Number.isSafeInteger(bound) || bound < 0) {
    throw invalidPolicy('Invalid Policy: Invalid Condition: content-length-range.')
  }
  return bound
}

// Fields that need no condition. Every other one must be covered, customer keys and the bucket included: a policy that names
// no bucket would be good for each one of its signer.
const exemptFields: ReadonlySet<string> = new Set(['x-amz-signature', 'signature', 'file', 'policy', 'awsaccesskeyid'])

/**
 * Judges everything of a policy but the length of the file.
 *
 * @param fields form fields by lower-case name with `bucket` added, and `key` with `${filename}` already filled in
 * @throws SigV4Error `AccessDenied`
 */
export function checkPostPolicy(policy: PostPolicy, fields: ReadonlyMap<string, string>, nowMs: number): void {
  if (nowMs >= policy.expiresMs) throw policyDenied('Policy expired.')
  const covered = new Set<string>()
  for (const condition of policy.conditions) {
    if (condition.kind === 'content-length-range') continue
    covered.add(condition.field)
    const value = fields.get(condition.field) ?? ''
    const holds = condition.kind === 'eq' ? value === condition.value : startsWith(condition, value)
    if (!holds) throw policyDenied(`Policy Condition failed: ${condition.text}`)
  }
  const extra: string[] = []
  for (const name of fields.keys()) {
    const isExempt = exemptFields.has(name) || name.startsWith('x-ignore-')
    if (!isExempt && !covered.has(name)) extra.push(name)
  }
  if (extra.length > 0) throw policyDenied(`Extra input fields: ${extra.join(', ')}`)
}

// "Content-Type" may be a list: each entry must begin so (AWS, "Condition matching").
function startsWith(condition: { readonly field: string; readonly value: string }, value: string): boolean {
  if (condition.field !== 'content-type' || !value.includes(',')) return value.startsWith(condition.value)
  return value.split(',').every((entry) => entry.trim().startsWith(condition.value))
}

/** The bounds that all `content-length-range` conditions leave for the file, in bytes. */
export function postPolicySizeRange(policy: PostPolicy): { readonly min: number; readonly max: number } {
  let min = 0
  let max = Number.MAX_SAFE_INTEGER
  for (const condition of policy.conditions) {
    if (condition.kind !== 'content-length-range') continue
    min = Math.max(min, condition.min)
    max = Math.min(max, condition.max)
  }
  return { min, max }
}

/** @throws SigV4Error `EntityTooSmall`, `EntityTooLarge` */
export function checkPostSize(policy: PostPolicy, sizeBytes: number): void {
  const { min, max } = postPolicySizeRange(policy)
  if (sizeBytes < min) {
    throw new SigV4Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', {
      ProposedSize: String(sizeBytes),
      MinSizeAllowed: String(min),
    })
  }
  if (sizeBytes > max) {
    throw new SigV4Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
      ProposedSize: String(sizeBytes),
      MaxSizeAllowed: String(max),
    })
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function policyDenied(detail: string): SigV4Error {
  return new SigV4Error('AccessDenied', `Invalid according to Policy: ${detail}`)
}

function invalidPolicy(message: string, cause?: unknown): SigV4Error {
  return new SigV4Error('InvalidPolicyDocument', message, {}, { cause })
}
