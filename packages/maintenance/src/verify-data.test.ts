import { CryptoError } from '@strongroom/crypto'
import { dataKey, decodeObjectRecord, encodeObjectRecord, formatId } from '@strongroom/engine'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Store } from './damage.fixture.ts'
import { populate } from './populate.fixture.ts'
import { blobBytes, clientKey, kindsOf, TestDeployment } from './test-deployment.fixture.ts'

let test: TestDeployment
let store: Store

beforeEach(async () => {
  test = await TestDeployment.open()
  store = new Store(test)
})

afterEach(() => test.close())

/** Flips one bit of the blob of an object. */
async function flipBlob(name: string, at: number): Promise<string> {
  const blobId = formatId(await store.blobIdOf(name))
  await test.overwriteBlob(blobId, (bytes) => {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 0x10
    return changed
  })
  return blobId
}

describe('fsck with data', () => {
  it('finds a changed bit in a blob, and reports each object that shares it', async () => {
    await populate(test)
    const blobId = await flipBlob('blob', 5_000)
    expect((await test.fsck()).findings).toEqual([])
    const report = await test.fsck({ verifyData: true })
    expect(report.findings.map(({ kind, place }) => [kind, place.name, place.blobId])).toEqual([
      ['damaged-data', 'blob', blobId],
      ['damaged-data', 'blob-copy', blobId],
    ])
    expect(report.findings.every(({ repairable }) => !repairable)).toBe(true)
  })

  it('finds a changed bit in inline data', async () => {
    await populate(test)
    await test.flip(await store.entryAt(dataKey.encode(await store.blobIdOf('large-metadata'))))
    expect(kindsOf(await test.fsck({ verifyData: true }))).toEqual(['damaged-data'])
  })

  it('finds a changed bit in a part of an object and of a running upload', async () => {
    await populate(test)
    const before = await test.fsck({ verifyData: true })
    for (const sessionId of [test.engine.sessionId]) {
      for await (const { blobId } of test.blobs.list(sessionId)) {
        await test.overwriteBlob(blobId, (bytes) =>
          Buffer.from(bytes.map((byte, at) => (at === 400 ? byte ^ 1 : byte))),
        )
      }
    }
    const report = await test.fsck({ verifyData: true })
    const parts = report.findings.filter(({ place }) => place.partNumber !== undefined)
    expect(new Set(parts.map(({ place }) => place.name))).toEqual(
      new Set(['multipart', 'multipart-dual', 'multipart-kms', 'multipart-kms-copy', 'running']),
    )
    expect(before.findings).toEqual([])
  })

  it('finds data that was put in the place of other data of the same size', async () => {
    const bucket = await test.bucket('bucket')
    await test.put(bucket, 'one', blobBytes)
    await test.put(bucket, 'two', blobBytes)
    const [one, two] = [await store.blobIdOf('one'), await store.blobIdOf('two')]
    let bytes: Buffer = Buffer.alloc(0)
    await test.overwriteBlob(formatId(one), (own) => {
      bytes = own
      return own
    })
    await test.overwriteBlob(formatId(two), () => bytes)
    const report = await test.fsck({ verifyData: true })
    expect(report.findings).toMatchObject([{ kind: 'damaged-data', place: { name: 'two' } }])
  })

  it('reads data of one layer once for all copies, and data of two layers for each, whose inner key only that proves', async () => {
    const bucket = await test.bucket('bucket')
    const modes = { one: 'sse-kms', two: 'dsse-kms' } as const
    await test.put(bucket, 'one', blobBytes, { mode: modes.one })
    await test.copy(bucket, 'one', 'one-copy', { encryption: { mode: modes.one } })
    const once = await test.fsck({ verifyData: true })
    expect(once).toMatchObject({ findings: [], checked: { verifiedVersions: 2, authenticatedBytes: blobBytes } })
    await test.put(bucket, 'two', blobBytes, { mode: modes.two })
    await test.copy(bucket, 'two', 'two-copy', { encryption: { mode: modes.two } })
    expect(await store.blobIdOf('two-copy')).toEqual(await store.blobIdOf('two'))
    const twice = await test.fsck({ verifyData: true })
    expect(twice).toMatchObject({ findings: [], checked: { verifiedVersions: 4, authenticatedBytes: 3 * blobBytes } })
  })

  it('finds a record that says something else than what its key is bound to', async () => {
    const bucket = await test.bucket('bucket')
    await test.put(bucket, 'one', 10)
    const entry = await store.current('one')
    const record = decodeObjectRecord(test.records.open(entry))
    await test.replace(entry, encodeObjectRecord({ ...record, isNull: !record.isNull }))
    expect(kindsOf(await test.fsck({ verifyData: true }))).toEqual(['damaged-envelope'])
  })

  it('checks the framing of what only clients have the key to, and says that this is all', async () => {
    const bucket = await test.bucket('bucket')
    await test.put(bucket, 'customer', 200_000, clientKey(7))
    const clean = await test.fsck({ verifyData: true })
    expect(clean.findings).toEqual([])
    expect(clean.skipped).toEqual([{ reason: 'client-held', items: 1, bytes: 200_000 }])
    expect(clean.checked).toMatchObject({ framedBytes: 200_000 })
    // In the ciphertext nothing shows; in the header of the second package it does.
    await flipBlob('customer', 70_000)
    expect((await test.fsck({ verifyData: true })).findings).toEqual([])
    await flipBlob('customer', 65_536 + 32 + 5)
    expect(kindsOf(await test.fsck({ verifyData: true }))).toEqual(['damaged-data'])
  })

  it('reports a locked key and goes on', async () => {
    const bucket = await test.bucket('bucket')
    await test.put(bucket, 'one', blobBytes)
    await test.engine.createKey({ requester: { accountId: '100000000001', isRootAccount: true }, name: 'second' })
    await test.put(bucket, 'two', blobBytes, { mode: 'sse-kms', keyId: 'second' })
    await test.engine.lockKey('second')
    const report = await test.fsck({ verifyData: true })
    expect(report.findings).toEqual([])
    expect(report.skipped).toEqual([{ reason: 'key-locked', items: 1, bytes: blobBytes }])
    expect(report.checked).toMatchObject({ authenticatedBytes: blobBytes, framedBytes: blobBytes })
  })

  it('does not miss a key that was destroyed on purpose', async () => {
    const bucket = await test.bucket('bucket')
    await test.engine.createKey({ requester: { accountId: '100000000001', isRootAccount: true }, name: 'second' })
    await test.put(bucket, 'two', blobBytes, { mode: 'sse-kms', keyId: 'second' })
    await test.engine.deleteKey('second', { force: true, reason: 'a test' })
    const report = await test.fsck({ verifyData: true })
    expect(report.findings).toEqual([])
    expect(report.skipped).toEqual([{ reason: 'key-destroyed', items: 1, bytes: blobBytes }])
  })

  it('authenticates data without server-side encryption, and finds that the keyring lacks its key', async () => {
    const plain = await TestDeployment.open({ defaultEncryption: 'none' })
    try {
      const bucket = await plain.bucket('bucket')
      await plain.put(bucket, 'one', blobBytes)
      expect(await plain.fsck({ verifyData: true })).toMatchObject({
        findings: [],
        checked: { authenticatedBytes: blobBytes },
      })
      const plainDataKeys = { currentId: 2, keys: new Map([[2, Buffer.alloc(32, 2)]]) }
      expect(kindsOf(await plain.fsck({ verifyData: true, plainDataKeys }))).toEqual(['damaged-envelope'])
    } finally {
      await plain.close()
    }
  })

  it('passes on what is no damage', async () => {
    const bucket = await test.bucket('bucket')
    await test.put(bucket, 'one', 10)
    const recordSealer = {
      seal: test.options.recordSealer.seal.bind(test.options.recordSealer),
      open: () => {
        throw new CryptoError('invalid-argument', 'the record sealer is closed')
      },
    }
    await expect(test.fsck({ recordSealer })).rejects.toThrow('closed')
  })
})
