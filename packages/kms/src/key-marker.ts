/**
 * The value of a marker entry: that a key is locked, that its deletion has begun, or that it is to be deleted at a certain
 * time (docs/formats/stored-keys.md).
 *
 * @module
 */
import { hmacSha256 } from '@strongroom/crypto'
import type { StoredKey } from './stored-key.ts'
import { familyLength } from './stored-key-message.ts'

/** What a marker says. */
export type MarkerMeaning = 'locked' | 'deleting' | 'scheduled'

/** A marker with the key it is about. */
export interface KeyMarker {
  readonly meaning: MarkerMeaning
  /** Hex; see `keyFamily`. */
  readonly family: string
  /** When it was made; of `scheduled`, when the key is to be deleted. */
  readonly atMs: number
}

/** Frozen: markers and version entries depend on it. */
const familyLabel = 'strongroom key family'

const pattern =
  /^strongroom:(?<meaning>locked|deleting|scheduled):v1:(?<family>[0-9a-f]{32}):(?<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)$/
const maxMarkerBytes = 128

/**
 * 16 bytes that tell one key from another made later under the same name, and that only the holder of its first version
 * can make. Versions and markers carry them, so that what a crash or another node left behind never attaches to a new key.
 */
export function keyFamily(firstVersion: StoredKey): Uint8Array {
  return hmacSha256(firstVersion.key, familyLabel).subarray(0, familyLength)
}

/** The value of a marker entry. Not secret. */
export function formatKeyMarker({ meaning, family, atMs }: KeyMarker): Uint8Array {
  return Buffer.from(`strongroom:${meaning}:v1:${family}:${new Date(atMs).toISOString()}`, 'latin1')
}

/** Reads a marker entry. `undefined` when it is none: a key that moved in from KES may be called `x-locked`. */
export function parseKeyMarker(value: Uint8Array): KeyMarker | undefined {
  if (value.length > maxMarkerBytes) return undefined
  const groups = pattern.exec(Buffer.from(value).toString('latin1'))?.groups
  const meaning = groups?.meaning
  const family = groups?.family
  const atMs = Date.parse(groups?.at ?? '')
  if (family === undefined || !isMeaning(meaning) || Number.isNaN(atMs)) return undefined
  return { meaning, family, atMs }
}

function isMeaning(text: string | undefined): text is MarkerMeaning {
  return text === 'locked' || text === 'deleting' || text === 'scheduled'
}
