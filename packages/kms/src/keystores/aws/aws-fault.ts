/**
 * What goes wrong with AWS Secrets Manager, as this package's errors. The SDK's own errors are never kept as causes: they
 * carry the answer, which may hold a value.
 *
 * @module
 */
import { KmsError, type KmsErrorCode } from '../../kms-error.ts'
import { StoreError } from '../store-error.ts'
import { isThrottling } from './aws-transport.ts'

/** Which call failed. */
export interface AwsCall {
  /** As in `GetSecretValue`. */
  readonly operation: string
  /** Name of the secret; `undefined` when the call is about none. */
  readonly name: string | undefined
  /** Whether what the service says may repeat a value. */
  readonly isSecret: boolean
  /** Cleans text from outside. */
  readonly clean: (text: string) => string
}

/** Exceptions about who asks and what he may (Secrets Manager API, Common Errors). */
const denials = new Set([
  'AccessDeniedException',
  'AccessDenied',
  'ExpiredTokenException',
  'IncompleteSignature',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'NotAuthorized',
  'OptInRequired',
  'UnrecognizedClientException',
])

/** Name of a service's exception; empty for every other error. */
export function awsExceptionName(error: unknown): string {
  return error instanceof Error && statusOfAws(error) !== undefined ? String(error.name) : ''
}

/** What an error says. The SDK takes any value of an answer for a message. */
export function awsMessage(error: unknown): string {
  const message: unknown = error instanceof Error ? error.message : undefined
  return typeof message === 'string' ? message : ''
}

/** The error for an answer that is none. It may have been carried out all the same. */
export function awsNonsense(call: Pick<AwsCall, 'operation' | 'name'>): StoreError {
  const message = `${titleOf(call)} was answered with something that makes no sense`
  return new StoreError('unreachable', message, { isOutcomeUnknown: true })
}

/** Whether the SDK noticed that this machine's clock is wrong, and signs by the service's from now on. */
export function isClockCorrected(error: unknown): boolean {
  return metadataOf(error)?.clockSkewCorrected === true
}

/** The error for a call that failed. */
export function awsFault(error: unknown, call: AwsCall): KmsError {
  if (error instanceof StoreError) {
    const { code, status, isOutcomeUnknown, cause } = error
    const message = `${error.message}, for ${callOf(call)}`
    return new StoreError(code, message, { status, isOutcomeUnknown, cause })
  }
  if (error instanceof KmsError) return error
  const what = titleOf(call)
  const name = awsExceptionName(error)
  const status = statusOfAws(error)
  if (!(error instanceof Error) || (name === '' && /Credential|Token|Provider/.test(error.name))) {
    const said = call.clean(awsMessage(error))
    return new StoreError('permission-denied', `${what}: there are no credentials to ask with: ${said}`, {})
  }
  if (name === '' || status === undefined || error instanceof SyntaxError || status < 300) {
    return awsNonsense(call)
  }
  const isDenied = denials.has(name) || status === 401 || status === 403
  const code: KmsErrorCode = isDenied
    ? 'permission-denied'
    : isThrottling(name) || status === 409 || status === 429
      ? 'busy'
      : 'unreachable'
  const said = call.isSecret ? '' : `: ${call.clean(awsMessage(error))}`
  const right = isDenied ? `; it needs ${rightFor(call)}` : ''
  const shown = /^\w{1,60}$/.test(name) ? ` ${name}` : ''
  return new StoreError(code, `${what} answered ${status}${shown}${said}${right}`, {
    status,
    isOutcomeUnknown: status >= 500,
  })
}

const titleOf = (call: Pick<AwsCall, 'operation' | 'name'>): string => `AWS Secrets Manager: ${callOf(call)}`

function callOf({ operation, name }: Pick<AwsCall, 'operation' | 'name'>): string {
  return `${operation}${name === undefined ? '' : ` of '${name}'`}`
}

function rightFor({ operation, name }: AwsCall): string {
  const kms = new Map([
    ['CreateSecret', ' (and kms:GenerateDataKey, kms:Decrypt on the KMS key)'],
    ['GetSecretValue', ' (and kms:Decrypt on the KMS key)'],
  ])
  return `secretsmanager:${operation}${name === undefined ? '' : ` on secret:${name}-*`}${kms.get(operation) ?? ''}`
}

function statusOfAws(error: unknown): number | undefined {
  const status = metadataOf(error)?.httpStatusCode
  return typeof status === 'number' ? status : undefined
}

function metadataOf(
  error: unknown,
): { readonly httpStatusCode?: unknown; readonly clockSkewCorrected?: unknown } | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  const { $metadata: metadata } = error
  return typeof metadata === 'object' && metadata !== null ? metadata : undefined
}
