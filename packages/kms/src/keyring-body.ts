/**
 * The bytes of a keyring before they are sealed: docs/formats/keyring.md. Binary, so that every buffer that held a secret
 * can be zeroed.
 *
 * @module
 */
import { type KeyringContent, type KeyringEntry, type KeyringPurpose, keyringPurposes } from './keyring.ts'
import { KmsError } from './kms-error.ts'

const bodyVersion = 1
const secretLength = 32
const entryLength = 1 + 4 + 8 + secretLength
const headLength = 1 + 4
const tailLength = secretLength + 4 + secretLength
const maxEntries = 100_000

const purposesByNumber: ReadonlyMap<number, KeyringPurpose> = new Map(
  (Object.entries(keyringPurposes) as [KeyringPurpose, number][]).map(([purpose, number]) => [number, purpose]),
)

/** The caller zeroes the result. */
export function encodeKeyringBody(content: KeyringContent): Uint8Array {
  const body = Buffer.allocUnsafeSlow(headLength + content.entries.length * entryLength + tailLength)
  let at = body.writeUInt8(bodyVersion, 0)
  at = body.writeUInt32BE(content.entries.length, at)
  for (const { purpose, id, createdAtMs, key } of content.entries) {
    at = body.writeUInt8(keyringPurposes[purpose], at)
    at = body.writeUInt32BE(id, at)
    at = body.writeBigUInt64BE(BigInt(createdAtMs), at)
    body.set(key, at)
    at += secretLength
  }
  body.set(content.credentialsSeed, at)
  at = body.writeUInt32BE(content.credentialsGeneration, at + secretLength)
  body.set(content.signingSeed, at)
  return body
}

/**
 * Reads a body that was authentic. `body` stays the caller's to zero, the result has copies.
 *
 * @throws KmsError `unsupported` for a body of a later format, `invalid-key` for one that is none
 */
export function decodeKeyringBody(bytes: Uint8Array): KeyringContent {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (body.length < headLength + tailLength) throw malformed()
  if (body.readUInt8(0) !== bodyVersion) throw new KmsError('unsupported', 'the keyring is of a later format')
  const count = body.readUInt32BE(1)
  if (count > maxEntries || body.length !== headLength + count * entryLength + tailLength) throw malformed()
  const entries: KeyringEntry[] = []
  for (let i = 0; i < count; i++) entries.push(decodeEntry(body.subarray(headLength + i * entryLength)))
  const tail = body.subarray(headLength + count * entryLength)
  return {
    entries,
    credentialsSeed: Uint8Array.from(tail.subarray(0, secretLength)),
    credentialsGeneration: tail.readUInt32BE(secretLength),
    signingSeed: Uint8Array.from(tail.subarray(secretLength + 4)),
  }
}

function decodeEntry(entry: Buffer): KeyringEntry {
  const purpose = purposesByNumber.get(entry.readUInt8(0))
  if (purpose === undefined) throw new KmsError('unsupported', 'the keyring has a key for an unknown purpose')
  return {
    purpose,
    id: entry.readUInt32BE(1),
    createdAtMs: Number(entry.readBigUInt64BE(5)),
    key: Uint8Array.from(entry.subarray(13, entryLength)),
  }
}

function malformed(): KmsError {
  return new KmsError('invalid-key', 'the keyring is malformed')
}
