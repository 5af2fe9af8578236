/**
 * What a check of the deployment can find, as data (DESIGN 4, issue 3 section 6).
 *
 * @module
 */

/**
 * The kinds, and whether a finding of the kind leaves open what else is referred to: as long as it stands, nothing that
 * merely looks superfluous is touched, for the damaged record may be what refers to it.
 */
export const findingKinds = {
  /** A record does not open: changed, moved, or of an unknown key or format. It conceals if records of its kind refer to data. */
  'damaged-record': { conceals: false },
  /** A key of no table that this release knows, or not formed as its table's keys are. */
  'unknown-key': { conceals: false },
  /** The entries by which a bucket is found, by name and by owner, are not those of its record. */
  'bucket-index': { conceals: false },
  /** Objects or uploads of a bucket that has no record. */
  'bucket-missing': { conceals: false },
  /** The current version of a name and its versions do not agree. */
  'current-version': { conceals: true },
  /** The stored bytes of an object or part are gone. */
  'missing-data': { conceals: false },
  /** The stored bytes are not as many as the record says. */
  'wrong-size': { conceals: false },
  /** The stored bytes are not those that were sealed. */
  'damaged-data': { conceals: false },
  /** The key to an object's data does not open: record and envelope do not belong together. */
  'damaged-envelope': { conceals: false },
  /** The part table of an object is not the one that its record names. */
  'part-table': { conceals: true },
  /** Headers, user metadata or tags that are kept beside their record cannot be read. */
  'damaged-details': { conceals: false },
  /** A part whose sizes do not add up. */
  'damaged-part': { conceals: false },
  /** Parts of an upload that is gone. */
  'leftover-parts': { conceals: true },
  /** Pieces of a part table or of details that no record names. */
  'leftover-chunks': { conceals: false },
  /** Sealed bytes in the metadata store that no record names. */
  'leftover-data': { conceals: false },
  /** A blob of the blob store that no record names and nobody is writing. */
  'leftover-blob': { conceals: false },
  /** A reference count is not the number of references. */
  'reference-count': { conceals: false },
  /** Noted as garbage, and referred to. */
  'garbage-in-use': { conceals: false },
  /** The key index lacks an entry, or has one too many. */
  'key-index': { conceals: false },
  /** A counter is not what the records sum up to. */
  counter: { conceals: false },
  /** The entry by which a key is found by its name is not that of its record. */
  'key-name': { conceals: false },
  /** Accounts, their names, access keys and lists of keys do not agree. */
  'account-index': { conceals: false },
  /** Something needs a key that has no record, or that the KMS does not have. */
  'key-missing': { conceals: false },
} as const satisfies Record<string, { readonly conceals: boolean }>

export type FindingKind = keyof typeof findingKinds

/** Where it is; ids in hex. */
export interface Place {
  readonly table?: string
  readonly bucket?: string
  readonly name?: string
  readonly versionId?: string
  readonly uploadId?: string
  readonly partNumber?: number
  readonly blobId?: string
  readonly key?: string
  readonly account?: string
  readonly accessKey?: string
  readonly id?: string
}

export interface Finding {
  readonly kind: FindingKind
  readonly place: Place
  /** For people: what is wrong, with its place. */
  readonly detail: string
  /** What is right can be derived from what is left. */
  readonly repairable: boolean
  readonly repaired: boolean
}

/** Why data could not be authenticated; framing and size were checked all the same. */
export type SkipReason = 'client-held' | 'key-locked' | 'key-pending-deletion' | 'key-destroyed' | 'kms-unreachable'

export interface Skipped {
  readonly reason: SkipReason
  /** Versions and running uploads. */
  readonly items: number
  /** Plaintext bytes of the versions. */
  readonly bytes: number
}

export interface FsckReport {
  /** The first of them; see {@link FsckReport.omitted}. */
  readonly findings: readonly Finding[]
  /** Further findings, beyond what a report holds. They were repaired, too, where that was asked for. */
  readonly omitted: number
  /** Findings, listed or not, that were not repaired. */
  readonly unrepaired: number
  /** What looks superfluous but may belong to a damaged record: left alone. */
  readonly withheld: number
  /** What was looked at. */
  readonly checked: Readonly<Record<string, number>>
  readonly skipped: readonly Skipped[]
}

export type FsckPhase = 'index' | 'objects' | 'uploads' | 'references' | 'blobs' | 'data'

export interface FsckProgress {
  readonly phase: FsckPhase
  readonly done: number
  /** Where it is known; an estimate from counters. */
  readonly total?: number
}

const placeWords: readonly (readonly [keyof Place, string])[] = [
  ['bucket', 'bucket'],
  ['name', 'object'],
  ['versionId', 'version'],
  ['uploadId', 'upload'],
  ['partNumber', 'part'],
  ['blobId', 'blob'],
  ['key', 'key'],
  ['account', 'account'],
  ['accessKey', 'access key'],
  ['id', 'id'],
]

/** A place in words. Names are quoted: they may hold anything. */
export function formatPlace(place: Place): string {
  const words = placeWords.flatMap(([field, word]) => {
    const value = place[field]
    return value === undefined ? [] : [`${word} ${field === 'name' ? JSON.stringify(value) : value}`]
  })
  return words.length > 0 ? words.join(', ') : `table ${place.table ?? 'unknown'}`
}
