/**
 * Commits and their results as bytes, between two processes of one release on one machine: nothing of it is ever stored.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { StorageError, type StorageErrorCode } from '../../storage-error.ts'
import type { Check, Commit, CommitResult } from '../contract.ts'

/** A commit that has to be answered under its number. */
export interface CommitRequest {
  readonly id: number
  readonly commit: Commit
}

/** What became of a commit. */
export interface CommitReply {
  readonly id: number
  readonly outcome: CommitResult | StorageError
}

/** In place of a version: there must be no entry. Versions begin at 1. */
const absentVersion = 0

const byteKey = 2
const byteNumber = 8

/** @param commit one that `checkCommit` has let pass */
export function encodeCommitRequest(id: number, { checks = [], puts = [], deletes = [], adds = [] }: Commit): Buffer {
  let length = 4 + 4
  for (const { key } of checks) length += byteKey + key.length + byteNumber
  for (const { key, value } of puts) length += byteKey + key.length + byteKey + value.length
  for (const key of deletes) length += byteKey + key.length
  for (const { key } of adds) length += byteKey + key.length + byteNumber
  const bytes = Buffer.allocUnsafe(length)
  let at = bytes.writeUInt32BE(id, 0)
  for (const list of [checks, puts, deletes, adds]) at = bytes.writeUInt8(list.length, at)
  const write = (content: Uint8Array): void => {
    at = bytes.writeUInt16BE(content.length, at)
    bytes.set(content, at)
    at += content.length
  }
  for (const { key, version } of checks) {
    write(key)
    at = bytes.writeDoubleBE(version === 'absent' ? absentVersion : version, at)
  }
  for (const { key, value } of puts) {
    write(key)
    write(value)
  }
  for (const key of deletes) write(key)
  for (const { key, delta } of adds) {
    write(key)
    at = bytes.writeDoubleBE(delta, at)
  }
  return bytes
}

/** Keys and values are views of `bytes`. */
export function decodeCommitRequest(bytes: Buffer): CommitRequest {
  const id = bytes.readUInt32BE(0)
  const [checkCount = 0, putCount = 0, deleteCount = 0, addCount = 0] = bytes.subarray(4, 8)
  let at = 8
  const read = (): Buffer => {
    const start = at + byteKey
    at = start + bytes.readUInt16BE(at)
    return bytes.subarray(start, at)
  }
  const readNumber = (): number => {
    at += byteNumber
    return bytes.readDoubleBE(at - byteNumber)
  }
  const checks = times(checkCount, (): Check => {
    const key = read()
    const version = readNumber()
    return { key, version: version === absentVersion ? 'absent' : version }
  })
  const puts = times(putCount, () => ({ key: read(), value: read() }))
  const deletes = times(deleteCount, read)
  const adds = times(addCount, () => ({ key: read(), delta: readNumber() }))
  return { id, commit: { checks, puts, deletes, adds } }
}

const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make)

const status = { committed: 0, failedCheck: 1, error: 2 } as const

export function encodeCommitReply({ id, outcome }: CommitReply): Buffer {
  const [code, content] = encodeOutcome(outcome)
  const bytes = Buffer.allocUnsafe(5 + content.length)
  bytes.writeUInt32BE(id, 0)
  bytes.writeUInt8(code, 4)
  bytes.set(content, 5)
  return bytes
}

function encodeOutcome(outcome: CommitReply['outcome']): [number, Uint8Array] {
  if (outcome instanceof StorageError) return [status.error, Buffer.from(`${outcome.code} ${outcome.message}`)]
  return outcome.committed ? [status.committed, nothing] : [status.failedCheck, outcome.failedKey]
}

const nothing = new Uint8Array(0)
const committed: CommitResult = { committed: true }

export function decodeCommitReply(bytes: Buffer): CommitReply {
  const id = bytes.readUInt32BE(0)
  const content = bytes.subarray(5)
  switch (bytes.readUInt8(4)) {
    case status.committed:
      return { id, outcome: committed }
    case status.failedCheck:
      return { id, outcome: { committed: false, failedKey: content } }
    default:
      return { id, outcome: decodeError(content.toString()) }
  }
}

function decodeError(text: string): StorageError {
  const space = text.indexOf(' ')
  // The other process is of the same release, and its codes are ours.
  return new StorageError(text.slice(0, space) as StorageErrorCode, text.slice(space + 1))
}
