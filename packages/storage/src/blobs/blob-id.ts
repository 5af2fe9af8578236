/**
 * Names of blobs: 16 hex digits of the writing process's session, then 32 random ones (DESIGN 4, `blob / blobId`).
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { StorageError } from '../storage-error.ts'
import type { BlobId, SessionId } from './contract.ts'

const sessionDigits = 16
const blobDigits = 48
const randomBytes = 16

/** Makes an id of a session's blob from 16 random bytes. @throws StorageError `invalid` */
export function makeBlobId(sessionId: SessionId, random: Uint8Array): BlobId {
  if (!isSessionId(sessionId)) throw new StorageError('invalid', 'a session id has 16 lower-case hex digits')
  if (random.length !== randomBytes) throw new StorageError('invalid', `a blob id takes ${randomBytes} random bytes`)
  return sessionId + Buffer.from(random).toString('hex')
}

/** The session that a blob belongs to. @throws StorageError `invalid` */
export function sessionOf(blobId: BlobId): SessionId {
  checkBlobId(blobId)
  return blobId.slice(0, sessionDigits)
}

/** Adapters make paths and keys of ids: nothing else than an id may get there. @throws StorageError `invalid` */
export function checkBlobId(blobId: string): void {
  if (!isBlobId(blobId)) throw new StorageError('invalid', 'a blob id has 48 lower-case hex digits')
}

/** Whether this is a blob id, as text. */
export function isBlobId(text: string): boolean {
  return text.length === blobDigits && isLowerHex(text)
}

/** Whether this is a session id, as text. */
export function isSessionId(text: string): boolean {
  return text.length === sessionDigits && isLowerHex(text)
}

/** Whether all characters are lower-case hex digits. */
export function isLowerHex(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    const isDigit = unit >= 0x30 && unit <= 0x39
    if (!isDigit && !(unit >= 0x61 && unit <= 0x66)) return false
  }
  return true
}
