/**
 * The key API: kes-protocol 3.2. Names first, then the body, then the key.
 *
 * @module
 */
import { asBuffer } from '@strongroom/crypto'
import { type DataKey, isKeyName, type OpenedByVersion, parseKeyAlgorithm } from '@strongroom/kms'
import { type BodyFields, type BodyShape, bodyShapes, readBodyFields, zeroBodyFields } from '../protocol/body-fields.ts'
import { quoteJson, quoteJsonList } from '../protocol/go-json.ts'
import { parseListPattern } from '../protocol/names.ts'
import type { Call } from './call.ts'
import { type KeyActivity, refuseKeyError } from './key-errors.ts'
import { type BodyStart, hasBody, readBodyStart } from './request-body.ts'
import type { RouteHandler, ServerContext } from './server-context.ts'

/** KES's SDK reads a megabyte: a longer list is cut and says so, though KES's clients cannot go on from there. */
const maxListBytes = 900_000
const keySizeBytes = 32

/** Done, or a promise of it: what needs no waiting makes none, for a promise more is paid by every request. */
type Later = Promise<void> | void

/** Checks the name, then does the work, and turns errors of the key service into answers. */
function keyHandler(activity: KeyActivity, work: (call: Call, context: ServerContext) => Later): RouteHandler {
  return (call, context) => {
    if (!isKeyName(call.resource)) {
      call.refuse(400, `key name '${call.resource}' is empty, too long or contains invalid characters`)
      return
    }
    try {
      const running = work(call, context)
      if (running instanceof Promise)
        return running.catch((error: unknown) => refuseKeyError(call, error, activity, context))
    } catch (error) {
      refuseKeyError(call, error, activity, context)
    }
  }
}

/** Does what changes a key; also where it fails, half-way maybe, it ends when no process of this server remembers the key. */
export async function told<T>({ resource }: Call, { neighbours }: ServerContext, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } finally {
    await neighbours?.keyChanged(resource)
  }
}

/** What is done with a body. */
export interface BodyUse {
  readonly shape: BodyShape
  /** The answer to a body of another form. */
  readonly refusal: string
  readonly work: (call: Call, fields: BodyFields, context: ServerContext) => Later
}

/** Reads the body, and zeroes it and what was read of it when the work is done. */
export function withBody(call: Call, context: ServerContext, use: BodyUse): Later {
  const body = readBodyStart(call.request, call.route.maxBody, context.largeBodies, call.caller.identity)
  return body instanceof Promise
    ? body.then((read) => useBody(call, context, use, read))
    : useBody(call, context, use, body)
}

function useBody(
  call: Call,
  context: ServerContext,
  { shape, refusal, work }: BodyUse,
  body: BodyStart | 'gone' | 'busy',
): Later {
  if (body === 'gone') return
  if (body === 'busy') return call.refuse(503, 'too many large requests at a time')
  let fields: BodyFields | undefined
  let running: Promise<void> | undefined
  try {
    // The rest is not read, so the connection cannot go on.
    if (body.isCut) call.response.shouldKeepAlive = false
    fields = readBodyFields(body.bytes, shape)
    if (fields === undefined) call.refuse(400, refusal)
    else running = work(call, fields, context) ?? undefined
  } finally {
    if (running === undefined) release(call, context, body, fields)
  }
  return running?.finally(() => release(call, context, body, fields))
}

function release(call: Call, context: ServerContext, body: BodyStart, fields: BodyFields | undefined): void {
  if (fields !== undefined) zeroBodyFields(fields)
  body.bytes.fill(0)
  if (body.isLarge) context.largeBodies.give(call.caller.identity)
}

const invalidBody = 'invalid request body'

function base64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64')
}

export const createKey = keyHandler('create', async (call, context) => {
  const { generation, resource, caller } = call
  await told(call, context, () => generation.keys.createKey(resource, { createdBy: caller.identity }))
  call.keyVersion = 1
  call.done(`secret key '${call.resource}' created`)
})

const importing: BodyUse = {
  shape: bodyShapes.import,
  refusal: 'invalid import key request body',
  work: async (call, { main, text }, context) => {
    const algorithm = parseKeyAlgorithm(text)
    if (algorithm === undefined) return call.refuse(406, `algorithm '${text}' is not supported`)
    if (main.length !== keySizeBytes) return call.refuse(406, `invalid key size for '${text}'`)
    const options = { algorithm, createdBy: call.caller.identity }
    await told(call, context, () => call.generation.keys.importKey(call.resource, main, options))
    call.keyVersion = 1
    call.done(`secret key '${call.resource}' created`)
  },
}

export const importKey = keyHandler('create', (call, context) => withBody(call, context, importing))

/** KES's four members, then ours. */
export const describeKey = keyHandler('read', async (call) => {
  const { algorithm, createdAt, createdBy, state, currentVersion } = await call.generation.keys.describeStored(
    call.resource,
  )
  const owner = createdBy === '' ? '' : `,"created_by":${quoteJson(createdBy)}`
  call.keyVersion = currentVersion
  call.message = `secret key '${call.resource}' described`
  call.json(
    `{"name":${quoteJson(call.resource)},"algorithm":"${algorithm}","created_at":"${createdAt}"${owner},` +
      `"state":"${state}","key_version":${currentVersion}}`,
  )
})

export const deleteKey = keyHandler('delete', async (call, context) => {
  await told(call, context, () => call.generation.keys.deleteKey(call.resource))
  call.done(`secret key '${call.resource}' deleted`)
})

/** Ours, and only where KES has nothing to say: it knows no versions. */
const versionMember = (version: number): string => (version === 1 ? '' : `,"key_version":${version}`)

const generating: BodyUse = {
  shape: bodyShapes.generate,
  refusal: invalidBody,
  work: (call, { context }) => generate(call, context),
}

/** Alone among the routes it takes a request without a body, though not one with an empty body of chunks. */
export const generateKey = keyHandler('read', (call, context) =>
  hasBody(call.request) ? withBody(call, context, generating) : generate(call, undefined),
)

function generate(call: Call, given: Uint8Array | undefined): Later {
  call.context = given
  const made = call.generation.keys.makeDataKey(call.resource, given ?? new Uint8Array(0))
  return made instanceof Promise ? made.then((key) => answerDataKey(call, key)) : answerDataKey(call, made)
}

function answerDataKey(call: Call, { plaintext, ciphertext, keyVersion }: DataKey): void {
  call.keyVersion = keyVersion
  call.message = 'data key generated'
  try {
    call.ascii(`{"plaintext":"${base64(plaintext)}","ciphertext":"${base64(ciphertext)}"${versionMember(keyVersion)}}`)
  } finally {
    plaintext.fill(0)
  }
}

const encrypting: BodyUse = {
  shape: bodyShapes.encrypt,
  refusal: invalidBody,
  work: async (call, { main, context: associated }) => {
    call.context = associated
    const { ciphertext, keyVersion } = await call.generation.keys.encrypt(call.resource, main, associated)
    call.keyVersion = keyVersion
    call.message = 'plaintext encrypted'
    call.ascii(`{"ciphertext":"${base64(ciphertext)}"${versionMember(keyVersion)}}`)
  },
}

export const encrypt = keyHandler('read', (call, context) => withBody(call, context, encrypting))

const wholeNumber = /^[1-9]\d{0,8}$/

const decrypting: BodyUse = {
  shape: bodyShapes.decrypt,
  refusal: invalidBody,
  work: (call, { main, context: associated, text }) => {
    call.context = associated
    const opened = open(call, main, associated, text)
    return opened instanceof Promise ? opened.then((one) => answerPlaintext(call, one)) : answerPlaintext(call, opened)
  },
}

export const decrypt = keyHandler('read', (call, context) => withBody(call, context, decrypting))

/** With the version that `key_version` names, a member of ours; else with the one that fits. */
function open(
  { generation: { keys }, resource }: Call,
  ciphertext: Uint8Array,
  associated: Uint8Array,
  version: string,
): OpenedByVersion | Promise<OpenedByVersion> {
  if (version === '' || !wholeNumber.test(version)) return keys.decryptAny(resource, ciphertext, associated)
  const keyVersion = Number(version)
  return keys.decrypt(resource, keyVersion, ciphertext, associated).then((plaintext) => ({ keyVersion, plaintext }))
}

function answerPlaintext(call: Call, { plaintext, keyVersion }: OpenedByVersion): void {
  call.keyVersion = keyVersion
  call.message = 'ciphertext decrypted'
  try {
    call.ascii(`{"plaintext":"${base64(plaintext)}"}`)
  } finally {
    plaintext.fill(0)
  }
}

const authenticating: BodyUse = {
  shape: bodyShapes.hmac,
  refusal: invalidBody,
  work: async (call, { main }) => {
    const mac = await call.generation.keys.hmac(call.resource, main)
    call.keyVersion = 1
    call.message = 'HMAC computed'
    try {
      call.ascii(`{"hmac":"${base64(mac)}"}`)
    } finally {
      mac.fill(0)
    }
  },
}

export const hmac = keyHandler('read', (call, context) => withBody(call, context, authenticating))

/** KES lists by a literal beginning, a trailing `*` included, so that with it `my-*` finds nothing; here it finds `my-…`. */
export const listKeys: RouteHandler = async (call, context) => {
  const prefix = parseListPattern(call.resource)
  if (prefix === undefined) {
    call.refuse(400, `listing pattern '${call.resource}' is empty, too long or is invalid`)
    return
  }
  try {
    // No name is longer than the longest pattern without a `*`.
    const names = await call.generation.keys.listKeys(prefix.length < 80 ? `${prefix}*` : prefix)
    const { kept, next } = cutList(names)
    call.message = 'secret keys listed'
    call.json(`{"names":${quoteJsonList(kept)}${next === '' ? '' : `,"continue_at":${quoteJson(next)}`}}`)
  } catch (error) {
    refuseKeyError(call, error, 'list', context)
  }
}

function cutList(names: readonly string[]): { readonly kept: readonly string[]; readonly next: string } {
  let bytes = 0
  for (const [at, name] of names.entries()) {
    bytes += name.length + 3
    if (bytes > maxListBytes) return { kept: names.slice(0, at), next: name }
  }
  return { kept: names, next: '' }
}
