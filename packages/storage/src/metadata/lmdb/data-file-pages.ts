/**
 * Whether all pages that an LMDB file refers to are there. One that was cut ends the process (SIGBUS) as soon as somebody reads
 * what is missing, so that this is found before LMDB maps it. A file may rightly be shorter than its head says ("if the freeDB
 * lists the final pages", LMDB's source has it): the trees of such a file, and only of such a one, are walked.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import type { FileHandle } from 'node:fs/promises'
import { StorageError } from '../../storage-error.ts'

/** Offsets in a head page, behind the 24 bytes that every page begins with: `MDB_meta`. */
const freeRootOffset = 88
const mainRootOffset = 136
const lastPageOffset = 144
const transactionOffset = 152
const metaBytes = 160

const pageHeaderBytes = 24
const pageFlagsOffset = 18
const lowerOffset = 20
const branchFlag = 1

/** Of a node, and of `MDB_db`, the value of a node that stands for a named database. */
const nodeHeaderBytes = 8
const bigDataFlag = 1
const subDataFlag = 2
const subRootOffset = 40

/** The root of an empty tree. */
const noPage = 2n ** 64n - 1n

interface Heads {
  readonly freeRoot: bigint
  readonly mainRoot: bigint
  readonly lastPage: bigint
}

/** A page that another one refers to; the pages of a large value have no tree below them. */
interface Reference {
  readonly page: bigint
  readonly isTree: boolean
}

/**
 * @param sizeBytes of the file, whose two head pages have been looked at
 * @throws StorageError `corrupt` if a page is missing, or if a page of a file that is not complete is none
 */
export async function checkPages(handle: FileHandle, path: string, sizeBytes: number, pageSize: number): Promise<void> {
  const pages = BigInt(Math.floor(sizeBytes / pageSize))
  const { freeRoot, mainRoot, lastPage } = await readHeads(handle, pageSize)
  if (lastPage < pages) return
  try {
    if (await hasAll(handle, pages, pageSize, [freeRoot, mainRoot])) return
  } catch (error) {
    // Something that a page of a tree says of itself lies behind its end.
    if (!(error instanceof RangeError)) throw error
  }
  const wantedBytes = (Number(lastPage) + 1) * pageSize
  const message = `${path} was cut short: it has ${sizeBytes} of up to ${wantedBytes} bytes, and what is missing is in use: restore it from a backup`
  throw new StorageError('corrupt', message)
}

async function hasAll(handle: FileHandle, pages: bigint, pageSize: number, roots: readonly bigint[]): Promise<boolean> {
  const bytes = Buffer.alloc(pageSize)
  const wanted: Reference[] = roots.map((page) => ({ page, isTree: true }))
  let left = pages
  for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
    const { page, isTree } = next
    if (page === noPage) continue
    // No page is referred to twice: more references than pages are a loop.
    if (page >= pages || left <= 0n) return false
    left -= 1n
    if (!isTree) continue
    await handle.read(bytes, 0, pageSize, Number(page) * pageSize)
    wanted.push(...referencesOf(bytes))
  }
  return true
}

/** Of the two head pages the one of the later transaction counts. */
async function readHeads(handle: FileHandle, pageSize: number): Promise<Heads> {
  const head = Buffer.alloc(metaBytes)
  let found: (Heads & { readonly transaction: bigint }) | undefined
  for (const position of [0, pageSize]) {
    await handle.read(head, 0, metaBytes, position)
    const transaction = head.readBigUInt64LE(transactionOffset)
    if (found !== undefined && found.transaction >= transaction) continue
    found = {
      transaction,
      freeRoot: head.readBigUInt64LE(freeRootOffset),
      mainRoot: head.readBigUInt64LE(mainRootOffset),
      lastPage: head.readBigUInt64LE(lastPageOffset),
    }
  }
  return found ?? { freeRoot: noPage, mainRoot: noPage, lastPage: 0n }
}

/** What a page of a tree refers to. Of a large value, whose pages lie side by side, the last one. */
function* referencesOf(page: Buffer): Generator<Reference> {
  const flags = page.readUInt16LE(pageFlagsOffset)
  const isBranch = (flags & branchFlag) !== 0
  const nodes = page.readUInt16LE(lowerOffset) >> 1
  for (let index = 0; index < nodes; index += 1) {
    const node = pageHeaderBytes + page.readUInt16LE(pageHeaderBytes + 2 * index)
    // Of a branch the child's number, of a leaf the length of the value.
    const low = page.readUInt32LE(node)
    const nodeFlags = page.readUInt16LE(node + 4)
    const value = node + nodeHeaderBytes + page.readUInt16LE(node + 6)
    if (isBranch) yield { page: BigInt(low) + (BigInt(nodeFlags) << 32n), isTree: true }
    else if ((nodeFlags & subDataFlag) !== 0) yield { page: page.readBigUInt64LE(value + subRootOffset), isTree: true }
    else if ((nodeFlags & bigDataFlag) !== 0) {
      const last = Math.floor((pageHeaderBytes - 1 + low) / page.length)
      yield { page: page.readBigUInt64LE(value) + BigInt(last), isTree: false }
    }
  }
}
