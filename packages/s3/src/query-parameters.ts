/**
 * Parameters that several operations share, with S3's texts for values that are wrong.
 *
 * @module
 */

import { invalidArgument } from './s3-error.ts'

const largest = 2_147_483_647

/**
 * A parameter such as `max-keys`. `undefined` and the empty text give `fallback`; more than `limit` gives `limit`, as on AWS.
 *
 * @throws S3Error `InvalidArgument`
 */
export function parseLimit(text: string | undefined, name: string, fallback: number, limit: number): number {
  if (text === undefined || text === '') return Math.min(fallback, limit)
  return Math.min(parseInteger(text, name), limit)
}

/** @throws S3Error `InvalidArgument` for anything but 0 to 2,147,483,647 */
export function parseInteger(text: string, name: string): number {
  const shown = text.slice(0, 64)
  if (!/^-?\d{1,15}$/.test(text))
    throw invalidArgument(`Provided ${name} not an integer or within integer range`, name, shown)
  const value = Number(text)
  if (value > largest) throw invalidArgument(`Provided ${name} not an integer or within integer range`, name, shown)
  if (value < 0) throw invalidArgument(`Argument ${name} must be an integer between 0 and ${largest}`, name, shown)
  return value
}

/**
 * A version id in a query: absent, or not empty.
 *
 * @throws S3Error `InvalidArgument`
 */
export function parseVersionId(query: ReadonlyMap<string, string>): string | undefined {
  const versionId = query.get('versionId')
  if (versionId === '') throw invalidArgument('Version id cannot be the empty string', 'versionId', '')
  return versionId
}
