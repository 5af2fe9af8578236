import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CanonicalDigest } from './canonical-digest.ts'
import { openBytes, sealBytes } from './dare.ts'
import { openedSize, planRange } from './dare-sizes.ts'
import { deriveKey } from './kdf.ts'
import { deriveKek, sealKey, unsealKey } from './key-seal.ts'
import { RecordSealer } from './record-seal.ts'
import { openValue, sealedValueKeyId, sealValue } from './sealed-value.ts'
import { hex, plaintextP, readTestdata } from './testdata.fixture.ts'

type Field =
  | readonly ['text', string]
  | readonly ['bytes', string]
  | readonly ['uint', number]
  | readonly ['absent']
  | readonly ['present', readonly Field[]]
  | readonly ['list', readonly (readonly Field[])[]]

interface StreamVectors {
  readonly streams: readonly {
    readonly vector: string
    readonly key: string
    readonly nonce: string
    readonly plaintextSizeBytes: number
    readonly sealedSizeBytes: number
    readonly sealed?: string
    readonly headers?: readonly string[]
    readonly sealedSha256?: string
  }[]
  readonly ranges: readonly ({
    readonly vector: string
    readonly plaintextSizeBytes: number
    readonly offset: number
  } & ReturnType<typeof planRange>)[]
}

interface KeyVectors {
  readonly canonicalDigests: readonly {
    vector: string
    label: string
    fields: readonly Field[]
    encoding: string
    digest: string
  }[]
  readonly keks: readonly {
    vector: string
    dataKey: string
    iv: string
    domain: string
    digest: string
    kek: string
  }[]
  readonly sealedKeys: readonly { vector: string; kek: string; key: string; nonce: string; sealed: string }[]
  readonly derivedKeys: readonly { vector: string; key: string; label: string; context: string; derived: string }[]
  readonly records: readonly {
    vector: string
    metadataKey: string
    keyId: number
    salt: string
    counter: number
    kvKey: string
    body: string
    sealed: string
  }[]
  readonly values: readonly {
    vector: string
    key: string
    keyId: number
    salt: string
    associatedData: string
    plaintext: string
    sealed: string
  }[]
}

const streams = readTestdata<StreamVectors>('sealed-stream.json')
const keys = readTestdata<KeyVectors>('key-sealing.json')

describe('the vectors of docs/formats/sealed-stream.md', () => {
  it.each(streams.streams)('seal and open: $vector', (vector) => {
    const plaintext = plaintextP(vector.plaintextSizeBytes)
    const sealed = sealBytes(hex(vector.key), hex(vector.nonce), plaintext)
    expect(sealed.length).toBe(vector.sealedSizeBytes)
    expect(openedSize(sealed.length)).toBe(vector.plaintextSizeBytes)
    if (vector.sealed !== undefined) expect(sealed.toString('hex')).toBe(vector.sealed)
    else expect(createHash('sha256').update(sealed).digest('hex')).toBe(vector.sealedSha256)
    vector.headers?.forEach((header, i) => {
      expect(sealed.subarray(i * 65_568, i * 65_568 + 16).toString('hex')).toBe(header)
    })
    expect(openBytes(hex(vector.key), hex(vector.nonce), sealed, plaintext.length).equals(plaintext)).toBe(true)
  })

  it.each(streams.ranges)('plan: $vector', ({ vector: _, plaintextSizeBytes, offset, ...expected }) => {
    expect(planRange(plaintextSizeBytes, offset, expected.length)).toEqual(expected)
  })
})

function addFields(digest: CanonicalDigest, fields: readonly Field[]): void {
  for (const field of fields) {
    if (field[0] === 'text') digest.text(field[1])
    else if (field[0] === 'bytes') digest.bytes(hex(field[1]))
    else if (field[0] === 'uint') digest.uint(field[1])
    else if (field[0] === 'absent') digest.optional(undefined, () => undefined)
    else if (field[0] === 'present') digest.optional(field[1], addFields)
    else digest.list(field[1], addFields)
  }
}

describe('the vectors of docs/formats/key-sealing.md', () => {
  it.each(keys.canonicalDigests)('digest: $vector', ({ label, fields, encoding, digest }) => {
    const canonical = new CanonicalDigest(label)
    addFields(canonical, fields)
    expect(canonical.digest().toString('hex')).toBe(digest)
    expect(createHash('sha256').update(hex(encoding)).digest('hex')).toBe(digest)
  })

  it.each(keys.keks)('derive a key-encryption key: $vector', ({ dataKey, iv, domain, digest, kek }) => {
    const derived = deriveKek(hex(dataKey), { iv: hex(iv), domain, digest: hex(digest) })
    expect(derived.toString('hex')).toBe(kek)
  })

  it.each(keys.derivedKeys)('derive a key: $vector', ({ key, label, context, derived }) => {
    expect(deriveKey(hex(key), label, hex(context)).toString('hex')).toBe(derived)
  })

  it.each(keys.sealedKeys)('seal a key: $vector', ({ kek, key, nonce, sealed }) => {
    expect(sealKey(hex(kek), hex(key), () => hex(nonce)).toString('hex')).toBe(sealed)
    expect(unsealKey(hex(kek), hex(sealed)).toString('hex')).toBe(key)
  })

  it.each(keys.records)('seal a record: $vector', ({ metadataKey, keyId, salt, counter, kvKey, body, sealed }) => {
    const ring = new Map([[keyId, hex(metadataKey)]])
    const sealer = new RecordSealer({ currentKeyId: keyId, keys: ring, random: () => hex(salt) })
    for (let before = 0; before < counter; before += 1) sealer.seal(hex(kvKey), hex(body))
    expect(sealer.seal(hex(kvKey), hex(body)).toString('hex')).toBe(sealed)
    expect(sealer.open(hex(kvKey), hex(sealed)).toString('hex')).toBe(body)
  })

  it.each(keys.values)('seal a value: $vector', ({ key, keyId, salt, associatedData, plaintext, sealed }) => {
    const made = sealValue(hex(key), keyId, hex(plaintext), hex(associatedData), () => hex(salt))
    expect(made.toString('hex')).toBe(sealed)
    expect(sealedValueKeyId(made)).toBe(keyId)
    expect(openValue(hex(key), made, hex(associatedData)).toString('hex')).toBe(plaintext)
  })
})

describe('the examples shown in the format documents', () => {
  function allVectors(name: string): Map<string, unknown> {
    const groups = Object.values(readTestdata<Record<string, unknown>>(name)).filter((group) => Array.isArray(group))
    return new Map(groups.flat().map((entry: { vector: string }) => [entry.vector, entry]))
  }

  it.each([
    ['sealed-stream', 4],
    ['key-sealing', 6],
  ])('are those of %s.json', (name, atLeast) => {
    const document = readFileSync(new URL(`../../../docs/formats/${name}.md`, import.meta.url), 'utf8')
    const shown = [...document.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, text]) => JSON.parse(text ?? ''))
    const vectors = allVectors(`${name}.json`)
    expect(shown.length).toBeGreaterThanOrEqual(atLeast)
    for (const example of shown) expect(example).toEqual(vectors.get(example.vector))
  })
})
