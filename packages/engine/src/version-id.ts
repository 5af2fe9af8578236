/**
 * Version ids as clients see them: the 16 hex digits of the sequence, or `null`.
 *
 * @module
 */

import { EngineError } from './engine-error.ts'

const digits = 16

/** The id of a version. */
export function formatVersionId(version: { readonly sequence: number; readonly isNull: boolean }): string {
  return version.isNull ? 'null' : version.sequence.toString(16).padStart(digits, '0')
}

/** The sequence that an id names, or `null`. @throws EngineError `InvalidArgument` if it can be no version's id */
export function parseVersionId(text: string): number | null {
  if (text === 'null') return null
  const sequence = text.length === digits ? Number.parseInt(text, 16) : Number.NaN
  if (Number.isSafeInteger(sequence) && sequence.toString(16).padStart(digits, '0') === text) return sequence
  throw new EngineError('InvalidArgument', {
    message: 'Invalid version id specified',
    fields: { ArgumentName: 'versionId', ArgumentValue: text },
  })
}
