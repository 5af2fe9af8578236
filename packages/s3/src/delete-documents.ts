/**
 * DeleteObjects: the list of names, and what became of each.
 *
 * @module
 */

import { type DeleteConditions, readDeleteConditions } from './conditions.ts'
import type { Compatibility } from './encryption-headers.ts'
import { describeError } from './error-response.ts'
import { malformedXml } from './s3-error.ts'
import { childBoolean, childText, type Pause, parseLargeXml, requireRoot, type XmlElement } from './xml-reader.ts'
import { element, wrap, xmlDocument } from './xml-writer.ts'

/** Most names of one request. */
export const maxDeletes = 1000

/** Most bytes of the document: 1,000 names of 1,024 bytes, each byte a character reference, and their markup. */
export const maxDeleteDocumentBytes = 8 * 1024 * 1024

export interface DeleteEntry {
  readonly name: string
  readonly versionId?: string
  readonly conditions?: DeleteConditions
}

export interface DeleteRequest {
  readonly entries: readonly DeleteEntry[]
  /** Only errors are to be answered. */
  readonly isQuiet: boolean
}

/** @throws S3Error `MalformedXML`; of a condition `NotImplemented` (in this dialect) and `InvalidArgument` (it is none) */
export async function parseDelete(
  body: Uint8Array,
  pause: Pause,
  compatibility: Compatibility = 'aws',
): Promise<DeleteRequest> {
  const root = requireRoot(await parseLargeXml(body, { maxElements: 8 * maxDeletes }, pause), 'Delete')
  const entries = root.children.filter((child) => child.name === 'Object').map((child) => entryOf(child, compatibility))
  if (entries.length === 0 || entries.length > maxDeletes) throw malformedXml()
  return { entries, isQuiet: childBoolean(root, 'Quiet') ?? false }
}

const conditionElements = { etag: 'ETag', lastModified: 'LastModifiedTime', size: 'Size' } as const

function entryOf(object: XmlElement, compatibility: Compatibility): DeleteEntry {
  const name = childText(object, 'Key')
  const versionId = childText(object, 'VersionId')
  if (name === undefined || name === '') throw malformedXml()
  const texts = {
    etag: childText(object, 'ETag'),
    lastModified: childText(object, 'LastModifiedTime'),
    size: childText(object, 'Size'),
    names: conditionElements,
  }
  const conditions = readDeleteConditions(texts, compatibility)
  return {
    name,
    ...(versionId === undefined || versionId === '' ? {} : { versionId }),
    ...(conditions === undefined ? {} : { conditions }),
  }
}

/** What became of one name. */
export type DeleteOutcome =
  | {
      readonly entry: DeleteEntry
      /** Version made (a delete marker) or removed. */
      readonly deleted: { readonly versionId?: string; readonly deleteMarker: boolean }
    }
  | { readonly entry: DeleteEntry; readonly error: unknown }

/** The answer, in the order of the request. */
export function formatDeleteResult(outcomes: readonly DeleteOutcome[], isQuiet: boolean): string {
  let content = ''
  for (const outcome of outcomes) {
    if ('error' in outcome) content += formatFailure(outcome.entry, outcome.error)
    else if (!isQuiet) content += formatDeleted(outcome.entry, outcome.deleted)
  }
  return xmlDocument('DeleteResult', content)
}

function formatDeleted(
  entry: DeleteEntry,
  deleted: { readonly versionId?: string; readonly deleteMarker: boolean },
): string {
  const marker = deleted.deleteMarker
    ? element('DeleteMarker', true) + element('DeleteMarkerVersionId', deleted.versionId)
    : ''
  return wrap('Deleted', element('Key', entry.name) + element('VersionId', entry.versionId) + marker)
}

function formatFailure(entry: DeleteEntry, error: unknown): string {
  const { code, message } = describeError(error)
  const name = element('Key', clipped(entry.name)) + element('VersionId', entry.versionId && clipped(entry.versionId))
  return wrap('Error', name + element('Code', code) + element('Message', message))
}

/** Most characters shown of what was refused: no name is longer, and what is must not come back as it is. */
const maxShown = 1024

function clipped(text: string): string {
  if (text.length <= maxShown) return text
  // Not half of a character.
  const last = text.charCodeAt(maxShown - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxShown - 1 : maxShown)
}
