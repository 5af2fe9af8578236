/**
 * What a client is told when a key cannot be had: kes-protocol 2.5, pairs of status and message that SDKs compare exactly, and
 * for what KES does not know docs/adr/0016-locked-keys-on-the-kes-wire.md.
 *
 * @module
 */
import { KmsError } from '@strongroom/kms'
import type { Call } from './call.ts'
import type { ServerContext } from './server-context.ts'

/** What was being done, as KES names it when the key store fails. */
export type KeyActivity = 'create' | 'read' | 'delete' | 'list'

const storeMessages: Readonly<Record<KeyActivity, string>> = {
  create: 'failed to create key',
  read: 'failed to read key',
  delete: 'failed to delete key',
  list: 'failed to list keys',
}

const notAllowed = 'not authorized: insufficient permissions'

type Answer = readonly [status: number, message: string, reason?: { readonly code: string; readonly text: string }]

/** `undefined`: the key store has failed, or what it holds cannot be read. */
function answerOf({ route }: Call, { code, message }: KmsError, activity: KeyActivity): Answer | undefined {
  switch (code) {
    case 'key-not-found':
      return [404, 'key does not exist']
    case 'key-exists':
      return route.isExtension ? [409, message] : [400, 'key already exists']
    case 'no-hmac-key':
      return [409, 'key does not support HMAC']
    case 'key-disabled':
    case 'key-pending-deletion':
      // Creating over a deleted key that can still be recovered: the message says how.
      return activity === 'create' ? [409, message] : [403, notAllowed, { code, text: message }]
    case 'invalid-name':
      // Valid for KES, but the names of our versions and markers.
      return [400, message]
    case 'not-authentic':
      return route.name === 'key-decrypt' ? [400, 'decryption failed: ciphertext is not authentic'] : undefined
    case 'unsupported':
      return route.isExtension ? [409, message] : undefined
    default:
      return undefined
  }
}

/** Answers with what an error of the key service means; throws it again when it is none. */
export function refuseKeyError(call: Call, error: unknown, activity: KeyActivity, context: ServerContext): void {
  if (!(error instanceof KmsError)) throw error
  const answer = answerOf(call, error, activity)
  if (answer !== undefined) {
    call.refuse(...answer)
    return
  }
  const { request, path, caller } = call
  context.errorLog.write('ERROR', `${storeMessages[activity]}: ${error.message}`, [
    'req.method',
    request.method ?? '',
    'req.path',
    path,
    'req.ip',
    caller.ip,
    'req.identity',
    caller.identity,
  ])
  call.refuse(502, storeMessages[activity])
}

/** What everybody gets who may not. */
export function refuseNotAllowed(call: Call): void {
  call.refuse(403, notAllowed)
}
