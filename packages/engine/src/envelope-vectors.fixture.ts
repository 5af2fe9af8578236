/**
 * Reads `testdata/envelopes.json`: envelopes with everything they are bound to, all bytes in hex.
 *
 * @module
 */

import { readFileSync } from 'node:fs'
import type { BoundContent } from './envelope.ts'
import type { Envelope } from './envelope-record.ts'

/** One envelope that opens. */
export interface EnvelopeVector {
  readonly name: string
  readonly dataKey: Buffer
  readonly objectKey: Buffer
  /** Of the inner layer, where there are two. */
  readonly innerDataKey?: Buffer
  readonly innerObjectKey?: Buffer
  /** The envelope as `writeEnvelope` encodes it. */
  readonly encoded: Buffer
  readonly content: BoundContent
  readonly envelope: Envelope
}

/** JSON with hex strings for bytes, marked by `0x`. */
function revive(value: unknown): unknown {
  if (typeof value === 'string' && value.startsWith('0x')) return Buffer.from(value.slice(2), 'hex')
  if (Array.isArray(value)) return value.map(revive)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revive(inner)]))
}

export const envelopeVectors = revive(
  JSON.parse(readFileSync(new URL('../testdata/envelopes.json', import.meta.url), 'utf8')),
) as readonly EnvelopeVector[]
