/**
 * From an error, whoever threw it, to what the client sees.
 *
 * @module
 */

import { type ErrorEntry, errorEntry, errorTable } from './error-table.ts'
import { element, plainXmlDocument } from './xml-writer.ts'

/** What the errors of `s3`, `sigv4`, `accounts` and `engine` have in common. */
interface WireError {
  readonly code: string
  readonly clientMessage?: string | undefined
  readonly fields?: Readonly<Record<string, string>> | undefined
}

/** Where it happened. */
export interface ErrorContext {
  readonly requestId: string
  readonly hostId: string
  readonly bucket?: string | undefined
  /** The object name. */
  readonly name?: string | undefined
  /** Path of the resource, for the documents that show it. */
  readonly resource?: string | undefined
}

export interface ErrorResponse {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly fields: Readonly<Record<string, string>>
  /** Headers that go with the status. */
  readonly headers: Readonly<Record<string, string>>
  /** Not in the table: a fault of ours, to be logged with its cause. */
  readonly isUnexpected: boolean
}

// Clients that are told to wait come back after so many seconds.
const retryAfter: Readonly<Record<string, string>> = { 'retry-after': '5' }

/** Status, code, text and fields of any error; an unknown one is `InternalError` and shows nothing of itself. */
export function describeError(error: unknown): ErrorResponse {
  const wire = isWireError(error) ? error : undefined
  const entry = wire === undefined ? undefined : errorEntry(wire.code)
  if (wire === undefined || entry === undefined)
    return responseOf(errorTable.InternalError, { code: 'InternalError' }, true)
  return responseOf(entry, wire, false)
}

function responseOf(entry: ErrorEntry, wire: WireError, isUnexpected: boolean): ErrorResponse {
  return {
    status: entry.status,
    code: wire.code,
    message: wire.clientMessage ?? entry.message,
    fields: wire.fields ?? {},
    headers: entry.status === 503 ? retryAfter : {},
    isUnexpected,
  }
}

function isWireError(error: unknown): error is Error & WireError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && 'clientMessage' in error
}

/** The XML body. Answers to HEAD and with status 304 have none. */
export function formatError(response: ErrorResponse, context: ErrorContext): string {
  const shows = errorEntry(response.code)?.shows
  let content = element('Code', response.code) + element('Message', response.message)
  for (const [name, value] of Object.entries(response.fields)) content += element(name, value)
  if (shows !== undefined && response.fields[shows] === undefined) {
    content += element(shows, shows === 'Key' ? context.name : context.bucket)
  }
  content += element('Resource', context.resource)
  content += element('RequestId', context.requestId) + element('HostId', context.hostId)
  return plainXmlDocument('Error', content)
}
