/**
 * Ways to tamper with what is stored: with the value of an entry, with entries, with the packages of a sealed stream.
 *
 * @module
 */

import type { Commit, Entry } from '@strongroom/storage'

/** The columns of the matrix. */
export const changeNames = [
  'flip',
  'cut',
  'extend',
  'swap',
  'duplicate',
  'older value',
  'put back',
  'delete',
  'packages',
] as const

export type ChangeName = (typeof changeNames)[number]

export const changeMeanings: Readonly<Record<ChangeName, string>> = {
  flip: 'one bit of the first byte, of one in the middle, or of the last',
  cut: 'the last byte is gone, or the second half, or everything',
  extend: 'one byte more',
  swap: "two of one kind in each other's place",
  duplicate: 'the value once more, in another place of its kind',
  'older value': 'the value that stood there before; tried with up to four entries',
  'put back': 'one that was deleted is there again',
  delete: 'gone',
  packages: 'packages of the sealed stream swapped, repeated, left out; the last one moved to the front',
}

/** Other bytes in the place of some; several, where there are several ways. */
export const byteChanges: Readonly<Partial<Record<ChangeName, (value: Buffer) => Buffer[]>>> = {
  flip: (value) => {
    const places = new Set([0, value.length >> 1, value.length - 1].filter((at) => at >= 0 && at < value.length))
    return [...places].map((at) => {
      const changed = Buffer.from(value)
      changed[at] = (changed[at] ?? 0) ^ 1
      return changed
    })
  },
  cut: (value) => {
    if (value.length === 0) return []
    const lengths = new Set([value.length - 1, value.length >> 1, 0])
    return [...lengths].map((length) => value.subarray(0, length))
  },
  extend: (value) => [Buffer.concat([value, Buffer.of(1)])],
  packages: (value) => {
    const parts = packagesOf(value)
    if (parts.length < 3) return []
    const [first = Buffer.alloc(0), second = Buffer.alloc(0), ...rest] = parts
    return [
      [second, first, ...rest],
      [first, first, ...rest],
      [first, second, second, ...rest],
      [second, ...rest],
      [...parts.slice(-1), first, second, ...rest.slice(0, -1)],
      parts.slice(0, -1),
    ].map((pieces) => Buffer.concat(pieces))
  },
}

const fullPackageBytes = 16 + 65_536 + 16

function packagesOf(stream: Buffer): Buffer[] {
  const parts: Buffer[] = []
  for (let start = 0; start < stream.length; start += fullPackageBytes) {
    parts.push(stream.subarray(start, start + fullPackageBytes))
  }
  return parts
}

/** What is known of a kind of entries when one of them is changed. */
export interface Kind {
  readonly entries: readonly Entry[]
  /** All values that each entry ever had, oldest first, by key in hex; of those that are gone, too. */
  readonly history: ReadonlyMap<string, readonly Buffer[]>
}

/** The commit that puts the value back that an entry had before, if it had one. */
const olderValueOf =
  (history: Kind['history']) =>
  ({ key, value }: Entry): Commit[] => {
    const older = history.get(hex(key))?.findLast((each) => Buffer.compare(each, value) !== 0)
    return older ? [{ puts: [{ key, value: older }] }] : []
  }

const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex')

/** The commits that make a change to an entry; none where it cannot be made. */
export function commitsFor(change: ChangeName, entry: Entry, { entries, history }: Kind): Commit[] {
  const { key } = entry
  const value = Buffer.from(entry.value)
  const ofBytes = byteChanges[change]
  if (ofBytes) return ofBytes(value).map((changed) => ({ puts: [{ key, value: changed }] }))
  switch (change) {
    case 'swap': {
      const other = entries.find((each) => Buffer.compare(each.value, value) !== 0)
      if (!other) return []
      return [
        {
          puts: [
            { key, value: other.value },
            { key: other.key, value },
          ],
        },
      ]
    }
    case 'duplicate': {
      const copy = Buffer.from(key)
      const last = copy.length - 1
      copy[last] = (copy[last] ?? 0) ^ 1
      const isTaken = copy.length < 3 || entries.some((each) => Buffer.compare(each.key, copy) === 0)
      return isTaken ? [] : [{ puts: [{ key: copy, value }] }]
    }
    case 'older value':
      // Whether it is detected depends on what else was written with it: several entries are tried.
      return [entry, ...entries.filter((each) => each !== entry)].flatMap(olderValueOf(history)).slice(0, 4)
    case 'put back': {
      const gone = [...history].find(([id]) => !entries.some((each) => hex(each.key) === id))
      const last = gone?.[1].at(-1)
      return gone && last ? [{ puts: [{ key: Buffer.from(gone[0], 'hex'), value: last }] }] : []
    }
    default:
      return [{ deletes: [key] }]
  }
}
