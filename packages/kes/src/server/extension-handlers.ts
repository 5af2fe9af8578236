/**
 * What KES does not have: versions, locks, and what a key store keeps of deleted keys (README.md: routes of our own). Their
 * paths lie outside `/v1/`, and only rules that name them grant them: ADR 19.
 *
 * @module
 */
import { isKeyName, type KeyDescription, KmsError } from '@strongroom/kms'
import { bodyShapes } from '../protocol/body-fields.ts'
import { quoteJson } from '../protocol/go-json.ts'
import { goTimeUtc } from '../protocol/go-text.ts'
import type { Call } from './call.ts'
import { type KeyActivity, refuseKeyError } from './key-errors.ts'
import { told, withBody } from './key-handlers.ts'
import type { RouteHandler, ServerContext } from './server-context.ts'

type Work = (call: Call, context: ServerContext) => Promise<KeyDescription | 'done' | 'not done'>

/** As `extension`, of what changes a key: it is answered when all processes of this server know. */
function change(activity: KeyActivity, message: string, work: Work): RouteHandler {
  return extension(activity, message, (call, context) => told(call, context, () => work(call, context)))
}

/** Answers with the key as it is afterwards. */
function extension(activity: KeyActivity, message: string, work: Work): RouteHandler {
  return async (call, context) => {
    if (!isKeyName(call.resource)) {
      call.refuse(400, `key name '${call.resource}' is empty, too long or contains invalid characters`)
      return
    }
    try {
      const key = await work(call, context)
      if (key === 'not done') return
      call.message = `secret key '${call.resource}' ${message}`
      if (key === 'done') return call.done(call.message)
      call.keyVersion = key.currentVersion
      call.json(formatKey(key))
    } catch (error) {
      refuseKeyError(call, error, activity, context)
    }
  }
}

function formatKey({ name, state, algorithm, currentVersion, versions, deletionDueAt }: KeyDescription): string {
  const list = versions.map(
    ({ version, createdAt, createdBy }) =>
      `{"version":${version},"created_at":"${goTimeUtc(createdAt.getTime())}"${createdBy === '' ? '' : `,"created_by":${quoteJson(createdBy)}`}}`,
  )
  const due = deletionDueAt === undefined ? '' : `"deletion_due_at":"${deletionDueAt.toISOString()}",`
  return `{"name":${quoteJson(name)},"state":"${state}",${due}"algorithm":"${algorithm}","key_version":${currentVersion},"versions":[${list.join(',')}]}`
}

export const describeDetails = extension('read', 'described', (call) => call.generation.keys.describeKey(call.resource))

export const rotate = change('read', 'rotated', (call) =>
  call.generation.keys.rotateKey(call.resource, { createdBy: call.caller.identity }),
)

export const lock = change('read', 'locked', (call) => call.generation.keys.lockKey(call.resource))

export const unlock = change('read', 'unlocked', (call) => call.generation.keys.unlockKey(call.resource))

export const recover = change('read', 'recovered', (call) => call.generation.keys.recoverKey(call.resource))

/** A moment as JSON has it, in UTC; milliseconds may be left out. */
const moment = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/

export const schedule = change('delete', 'scheduled for deletion', async (call, context) => {
  // Refused, or the client has gone.
  let key: KeyDescription | 'not done' = 'not done'
  await withBody(call, context, {
    shape: bodyShapes.schedule,
    refusal: 'invalid request body',
    work: async (_call, { text }) => {
      const due = new Date(moment.test(text) ? text : Number.NaN)
      if (Number.isNaN(due.getTime())) return call.refuse(400, 'due is a time such as 2026-01-02T03:04:05Z')
      key = await call.generation.keys.scheduleKeyDeletion(call.resource, due)
    },
  })
  return key
})

export const cancel = change('delete', 'kept', (call) => call.generation.keys.cancelKeyDeletion(call.resource))

export const purge = change('delete', 'purged', async (call) => {
  const { keys, store } = call.generation
  if (!store.hasRecoveryWindow && store.isReachable) {
    throw new KmsError('unsupported', 'this key store keeps nothing of a deleted key that could be purged')
  }
  await keys.purgeKey(call.resource)
  return 'done'
})
