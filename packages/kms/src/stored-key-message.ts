/**
 * The protobuf message inside a stored key: kes-protocol 7.1 and, for versions from 2 on, the mark of
 * docs/formats/stored-keys.md in a field that KES skips.
 *
 * @module
 */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { KeyAlgorithm } from './contract.ts'
import type { StoredKey, VersionMark } from './stored-key.ts'
import { type KeyTimestamp, normalTimestamp } from './timestamp.ts'

/** Wire numbers. Frozen: every stored key depends on them. */
const algorithmNumbers: Readonly<Record<KeyAlgorithm, number>> = { AES256: 1, ChaCha20: 2 }
const algorithms: ReadonlyMap<number, KeyAlgorithm> = new Map([
  [1, 'AES256'],
  [2, 'ChaCha20'],
])
const sha256Number = 1
/** Far from what KES may add to its message. Frozen. */
const markField = 1000
const secretLength = 32

/** Length of a family in bytes. */
export const familyLength = 16

/** The message, fields in KES's order. The caller zeroes it. */
export function encodeKeyMessage(stored: StoredKey): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(1, WireType.LengthDelimited).fork()
  writer.tag(1, WireType.LengthDelimited).bytes(stored.key)
  writer.tag(2, WireType.Varint).uint32(algorithmNumbers[stored.algorithm]).join()
  if (stored.hmacKey !== undefined) {
    writer.tag(2, WireType.LengthDelimited).fork()
    writer.tag(1, WireType.LengthDelimited).bytes(stored.hmacKey)
    writer.tag(2, WireType.Varint).uint32(sha256Number).join()
  }
  writer.tag(3, WireType.LengthDelimited).fork()
  if (stored.createdAt.seconds !== 0) writer.tag(1, WireType.Varint).int64(stored.createdAt.seconds)
  if (stored.createdAt.nanos !== 0) writer.tag(2, WireType.Varint).int32(stored.createdAt.nanos)
  writer.join()
  if (stored.createdBy !== '') writer.tag(4, WireType.LengthDelimited).string(stored.createdBy)
  if (stored.mark !== undefined) {
    writer.tag(markField, WireType.LengthDelimited).fork()
    writer.tag(1, WireType.Varint).uint32(stored.mark.version)
    writer.tag(2, WireType.LengthDelimited).bytes(stored.mark.family).join()
  }
  return writer.finish()
}

/** A secret with its type number, as `SecretKey` and `HMACKey` have it. A repeated message merges into the first. */
interface TypedSecret {
  bytes: Uint8Array
  type: number
}

interface Draft {
  secret?: TypedSecret
  hmac?: TypedSecret
  time: { seconds: bigint; nanos: number }
  createdBy: string
  mark?: { version: number; family: Uint8Array }
}

type FieldReader<T> = (reader: BinaryReader, into: T) => void

/** Which wire type a field has and how it is read. Fields not listed, or of another wire type, are skipped, as Go does. */
type Fields<T> = ReadonlyMap<number, readonly [WireType, FieldReader<T>]>

const secretFields: Fields<TypedSecret> = new Map<number, readonly [WireType, FieldReader<TypedSecret>]>([
  [
    1,
    [
      WireType.LengthDelimited,
      (reader, into) => {
        into.bytes = reader.bytes()
      },
    ],
  ],
  [
    2,
    [
      WireType.Varint,
      (reader, into) => {
        into.type = reader.uint32()
      },
    ],
  ],
])

const timeFields: Fields<Draft['time']> = new Map<number, readonly [WireType, FieldReader<Draft['time']>]>([
  [
    1,
    [
      WireType.Varint,
      (reader, into) => {
        into.seconds = BigInt(reader.int64())
      },
    ],
  ],
  [
    2,
    [
      WireType.Varint,
      (reader, into) => {
        into.nanos = reader.int32()
      },
    ],
  ],
])

const markFields: Fields<{ version: number; family: Uint8Array }> = new Map<
  number,
  readonly [WireType, FieldReader<{ version: number; family: Uint8Array }>]
>([
  [
    1,
    [
      WireType.Varint,
      (reader, into) => {
        into.version = reader.uint32()
      },
    ],
  ],
  [
    2,
    [
      WireType.LengthDelimited,
      (reader, into) => {
        into.family = reader.bytes()
      },
    ],
  ],
])

const none = new Uint8Array(0)

const keyFields: Fields<Draft> = new Map<number, readonly [WireType, FieldReader<Draft>]>([
  [
    1,
    [
      WireType.LengthDelimited,
      (reader, into) => {
        into.secret ??= { bytes: none, type: 0 }
        readMessage(reader.bytes(), secretFields, into.secret)
      },
    ],
  ],
  [
    2,
    [
      WireType.LengthDelimited,
      (reader, into) => {
        into.hmac ??= { bytes: none, type: 0 }
        readMessage(reader.bytes(), secretFields, into.hmac)
      },
    ],
  ],
  [3, [WireType.LengthDelimited, (reader, into) => readMessage(reader.bytes(), timeFields, into.time)]],
  [
    4,
    [
      WireType.LengthDelimited,
      (reader, into) => {
        into.createdBy = reader.string(true)
      },
    ],
  ],
  [
    markField,
    [
      WireType.LengthDelimited,
      (reader, into) => {
        into.mark ??= { version: 0, family: none }
        readMessage(reader.bytes(), markFields, into.mark)
      },
    ],
  ],
])

function readMessage<T>(bytes: Uint8Array, fields: Fields<T>, into: T): void {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    const field = fields.get(number)
    if (field !== undefined && field[0] === wireType) field[1](reader, into)
    else reader.skip(wireType, number)
  }
}

/**
 * Reads the message; `message` stays the caller's to zero, the result has copies.
 *
 * @returns `undefined` when it is not a key, whatever is wrong
 */
export function decodeKeyMessage(message: Uint8Array): StoredKey | undefined {
  const draft: Draft = { time: { seconds: 0n, nanos: 0 }, createdBy: '' }
  try {
    readMessage(message, keyFields, draft)
  } catch {
    // The wire reader throws plain errors for cut off, oversized and malformed input: all the same to the caller.
    return undefined
  }
  return fromDraft(draft)
}

function fromDraft({ secret, hmac, time, createdBy, mark }: Draft): StoredKey | undefined {
  // KES crashes when either message is missing; a missing one is refused here like a wrong one.
  if (secret === undefined || hmac === undefined) return undefined
  const algorithm = algorithms.get(secret.type)
  if (algorithm === undefined || secret.bytes.length !== secretLength) return undefined
  if (hmac.type !== sha256Number || hmac.bytes.length !== secretLength) return undefined
  if (mark !== undefined && (mark.version < 2 || mark.family.length !== familyLength)) return undefined
  const createdAt: KeyTimestamp | undefined = normalTimestamp(time.seconds, time.nanos)
  if (createdAt === undefined) return undefined
  const versionMark: { mark?: VersionMark } =
    mark === undefined ? {} : { mark: { version: mark.version, family: Uint8Array.from(mark.family) } }
  return {
    algorithm,
    key: Uint8Array.from(secret.bytes),
    hmacKey: Uint8Array.from(hmac.bytes),
    createdAt,
    createdBy,
    ...versionMark,
  }
}
