import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { openBytes, sealBytes } from './dare.ts'
import { openLegacyBytes } from './dare-legacy.ts'
import { openedSize, sealedSize } from './dare-sizes.ts'
import { formatContext, parseContext } from './encryption-context.ts'
import {
  deriveMinioKek,
  type MinioSealAlgorithm,
  minioEtagKey,
  minioMetaKey,
  minioPartKey,
  minioPartNonce,
  minioPath,
  unsealMinioKey,
} from './minio-keys.ts'
import { base64, codeOf, hex, plaintextP, readTestdata } from './testdata.fixture.ts'

interface GoldenPart {
  readonly number: number
  readonly key: string
  readonly nonce: string | null
  readonly packages: number
  readonly storedSize: number
  readonly plaintextSize: number
  readonly ciphertextSha256: string
  readonly ciphertext?: string
}

interface GoldenObject {
  readonly bucket: string
  readonly name: string
  readonly mode: 'SSE-S3' | 'SSE-KMS' | 'SSE-C'
  readonly plaintextSize: number
  readonly customerKey?: string
  readonly previousCustomerKey?: string
  readonly previousSealedKey?: string
  readonly dek?: string
  readonly kmsAssociatedData?: string
  readonly clientContextStored?: string
  readonly iv: string
  readonly sealAlgorithm: MinioSealAlgorithm
  readonly path: string
  readonly kek: string
  readonly sealedKey: string
  readonly objectKey: string
  readonly multipart: boolean
  readonly uploadId?: string
  readonly parts: readonly GoldenPart[]
  readonly storedEtag: string
  readonly etagUnsealed?: string
  readonly sealedChecksum?: string
  readonly checksumBlobPlain?: string
}

interface Verdict {
  readonly id: string
  readonly sealAlgorithm: MinioSealAlgorithm
  readonly iv: string
  readonly sealedKey: string
  readonly objectKey: string
  /** Indexes into `packages`. */
  readonly ciphertext: readonly number[]
}

interface Golden {
  readonly objects: readonly GoldenObject[]
  readonly compressed: readonly {
    readonly name: string
    readonly mode: GoldenObject['mode']
    readonly dek?: string
    readonly customerKey?: string
    readonly iv: string
    readonly sealedKey: string
    readonly objectKey: string
    readonly ciphertext: string
    readonly s2Stream: string
  }[]
  readonly replicationTarget: { readonly objectKey: string; readonly ciphertext: string; readonly plaintext: string }
  readonly readerVerdicts: {
    readonly customerKey: string
    readonly packages: readonly string[]
    readonly cases: readonly Verdict[]
  }
}

const golden = readTestdata<Golden>('minio-sealed-objects.json')

function externalKey(object: { readonly customerKey?: string; readonly dek?: string }): Buffer {
  return base64(object.customerKey ?? object.dek ?? '')
}

describe.each(golden.objects)('the MinIO object $bucket/$name ($mode)', (object) => {
  const plaintext = plaintextP(object.plaintextSize)
  const objectKey = hex(object.objectKey)

  it('unseals to the recorded object key', () => {
    const path = minioPath(object.bucket, object.name)
    expect(path).toBe(object.path)
    const iv = base64(object.iv)
    const seal = { sealAlgorithm: object.sealAlgorithm, iv, domain: object.mode, path }
    const kek = deriveMinioKek(externalKey(object), seal)
    expect(kek.toString('hex')).toBe(object.kek)
    expect(unsealMinioKey(kek, base64(object.sealedKey)).toString('hex')).toBe(object.objectKey)
    if (object.previousCustomerKey !== undefined && object.previousSealedKey !== undefined) {
      const previous = deriveMinioKek(base64(object.previousCustomerKey), seal)
      expect(unsealMinioKey(previous, base64(object.previousSealedKey)).toString('hex')).toBe(object.objectKey)
      expect(codeOf(() => unsealMinioKey(previous, base64(object.sealedKey)))).toBe('not-authentic')
    }
  })

  it('is rebuilt byte for byte from its plaintext', () => {
    let offset = 0
    for (const part of object.parts) {
      const key = object.multipart ? minioPartKey(objectKey, part.number) : objectKey
      expect(key.toString('hex')).toBe(part.key)
      const nonce = part.nonce === null ? Buffer.alloc(12) : hex(part.nonce)
      if (object.multipart && object.uploadId !== undefined) {
        expect(minioPartNonce(object.uploadId, part.number)).toEqual(nonce)
      }
      const payload = plaintext.subarray(offset, offset + part.plaintextSize)
      const sealed = sealBytes(key, nonce, payload)
      expect(sealed.length).toBe(part.storedSize)
      expect(openedSize(part.storedSize)).toBe(part.plaintextSize)
      expect(sealedSize(part.plaintextSize)).toBe(part.storedSize)
      expect(createHash('sha256').update(sealed).digest('hex')).toBe(part.ciphertextSha256)
      if (part.ciphertext !== undefined) {
        const stored = base64(part.ciphertext)
        expect(stored.equals(sealed)).toBe(true)
        expect(openBytes(key, nonce, stored, part.plaintextSize).equals(payload)).toBe(true)
        const legacy = openLegacyBytes(key, stored, { plaintextSizeBytes: part.plaintextSize })
        expect(legacy.equals(payload)).toBe(true)
      }
      offset += part.plaintextSize
    }
    expect(offset).toBe(object.plaintextSize)
  })

  it('unseals its ETag and checksum', () => {
    if (object.etagUnsealed !== undefined && object.storedEtag.length === 96) {
      const etag = openLegacyBytes(minioEtagKey(objectKey), hex(object.storedEtag), { plaintextSizeBytes: 16 })
      expect(etag.toString('hex')).toBe(object.etagUnsealed)
    }
    if (object.sealedChecksum !== undefined && object.checksumBlobPlain !== undefined) {
      const sealed = base64(object.sealedChecksum)
      const options = { plaintextSizeBytes: openedSize(sealed.length) }
      const blob = openLegacyBytes(minioMetaKey(objectKey, 'object-checksum'), sealed, options)
      expect(blob.toString('base64')).toBe(object.checksumBlobPlain)
    }
  })

  it('has the context that we would write', () => {
    if (object.kmsAssociatedData === undefined) return
    const client = object.clientContextStored === undefined ? new Map() : parseContext(object.clientContextStored)
    if (object.clientContextStored !== undefined) {
      expect(formatContext(client).toString('base64')).toBe(object.clientContextStored)
    }
    const context = new Map([[object.bucket, object.path], ...client])
    expect(formatContext(context).toString()).toBe(object.kmsAssociatedData)
  })
})

describe('other things that MinIO seals', () => {
  it.each(golden.compressed)('opens the compressed object $name', (object) => {
    const path = minioPath('comp', object.name)
    const seal = { sealAlgorithm: 'DAREv2-HMAC-SHA256', iv: base64(object.iv), domain: object.mode, path } as const
    const objectKey = unsealMinioKey(deriveMinioKek(externalKey(object), seal), base64(object.sealedKey))
    expect(objectKey.toString('hex')).toBe(object.objectKey)
    const sealed = base64(object.ciphertext)
    const stream = openLegacyBytes(objectKey, sealed, { plaintextSizeBytes: openedSize(sealed.length) })
    expect(stream.toString('base64')).toBe(object.s2Stream)
  })

  it('opens replication targets', () => {
    const { objectKey, ciphertext, plaintext } = golden.replicationTarget
    const sealed = base64(ciphertext)
    const opened = openLegacyBytes(hex(objectKey), sealed, { plaintextSizeBytes: openedSize(sealed.length) })
    expect(opened.toString()).toBe(plaintext)
  })
})

describe('streams made to be misread', () => {
  const { packages, cases } = golden.readerVerdicts

  /** What we make of each; MinIO delivers `truncated-at-package` as whole and `legacy-seal-dare1*` under a zero key. */
  const verdicts: Readonly<Record<string, 'opens' | 'seal refused' | 'data refused' | 'size refused'>> = {
    aes: 'opens',
    chacha: 'opens',
    'chacha-sealed-with-chacha': 'opens',
    'legacy-seal-dare2': 'opens',
    'legacy-seal-dare1': 'seal refused',
    'legacy-seal-dare1-zero-key': 'seal refused',
    'seal-dare1-with-new-algorithm': 'seal refused',
    'data-dare1': 'opens',
    'data-dare1-chacha': 'opens',
    'two-packages': 'opens',
    'two-packages-full-final': 'opens',
    'final-flag-missing': 'data refused',
    'final-flag-missing-second': 'data refused',
    'truncated-at-package': 'data refused',
    'order-swapped': 'data refused',
    'data-after-final': 'data refused',
    'nonce-changes': 'data refused',
    'cipher-changes': 'data refused',
    'short-non-final': 'data refused',
    'bad-tag-last': 'data refused',
    'bad-tag-first': 'data refused',
    'bad-version': 'data refused',
    'size-impossible': 'size refused',
    empty: 'opens',
  }

  function judge(verdict: Verdict): string {
    const path = minioPath('vect', verdict.id)
    const { sealAlgorithm } = verdict
    const seal = { sealAlgorithm, iv: base64(verdict.iv), domain: 'SSE-C', path } as const
    const kek = deriveMinioKek(base64(golden.readerVerdicts.customerKey), seal)
    const code = codeOf(() => unsealMinioKey(kek, base64(verdict.sealedKey)))
    if (code !== 'nothing was thrown') return code === 'not-authentic' ? 'seal refused' : code
    const objectKey = unsealMinioKey(kek, base64(verdict.sealedKey))
    expect(objectKey.toString('hex')).toBe(verdict.objectKey)
    const sealed = Buffer.concat(verdict.ciphertext.map((index) => base64(packages[index] ?? '')))
    if (codeOf(() => openedSize(sealed.length)) === 'invalid-size') return 'size refused'
    const plaintextSizeBytes = openedSize(sealed.length)
    const opening = () => openLegacyBytes(objectKey, sealed, { plaintextSizeBytes })
    if (codeOf(opening) === 'not-authentic') return 'data refused'
    expect(opening().equals(plaintextP(plaintextSizeBytes))).toBe(true)
    return 'opens'
  }

  it('covers every recorded case', () => {
    expect(cases.map(({ id }) => id).sort()).toEqual(Object.keys(verdicts).sort())
  })

  it.each(cases)('judges $id rightly', (verdict) => {
    expect(judge(verdict)).toBe(verdicts[verdict.id])
  })
})

describe('minioPath', () => {
  it.each([
    ['b', 'o', 'b/o'],
    ['b', 'dir/', 'b/dir'],
    ['b', '//x', 'b/x'],
    ['b', 'a/./b/../c', 'b/a/c'],
    ['b', '..', '.'],
    ['b', '../..', '..'],
    ['b', '', 'b'],
    ['', '', ''],
    ['', 'x', 'x'],
    ['/b', '../../x', '/x'],
  ])('joins %j and %j as Go does', (bucket, objectName, path) => {
    expect(minioPath(bucket, objectName)).toBe(path)
  })
})
