/**
 * Versions: enabled, suspended, delete markers, the null version, listings of versions.
 *
 * @module
 */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RawResponse } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

let server: TestServer
let bucket = ''
let made = 0

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  await server?.stop()
})

beforeEach(async () => {
  bucket = `versions-${++made}`
  await server.raw.send({ method: 'PUT', bucket })
})

async function setVersioning(status: string): Promise<void> {
  const body = `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`
  const answer = await server.raw.send({ method: 'PUT', bucket, query: { versioning: undefined }, body })
  expect(answer.status).toBe(200)
}

const put = async (name: string, body: string): Promise<string | undefined> => {
  const answer = await server.raw.send({ method: 'PUT', bucket, name, body })
  expect(answer.status).toBe(200)
  return version(answer)
}

const version = (answer: RawResponse): string | undefined => answer.headers['x-amz-version-id'] as string | undefined

const get = async (name: string, versionId?: string): Promise<RawResponse> =>
  await server.raw.send({ method: 'GET', bucket, name, ...(versionId === undefined ? {} : { query: { versionId } }) })

const remove = async (name: string, versionId?: string): Promise<RawResponse> =>
  await server.raw.send({
    method: 'DELETE',
    bucket,
    name,
    ...(versionId === undefined ? {} : { query: { versionId } }),
  })

describe('a bucket that never had versions', () => {
  it('says so, and names no version ids', async () => {
    const state = await server.raw.send({ method: 'GET', bucket, query: { versioning: undefined } })
    expect([state.status, state.element('Status')]).toEqual([200, undefined])
    expect(await put('a', '1')).toBeUndefined()
    expect(version(await get('a'))).toBeUndefined()
    expect((await get('a', 'null')).text).toBe('1')
  })
})

describe('a bucket with versions', () => {
  it('keeps every version, and reads each by its id', async () => {
    await put('a', 'before')
    await setVersioning('Enabled')
    const ids = [await put('a', '1'), await put('a', '2')]
    expect(new Set(ids).size).toBe(2)
    expect((await get('a')).text).toBe('2')
    expect((await get('a', ids[0])).text).toBe('1')
    expect((await get('a', 'null')).text).toBe('before')
  })

  it('puts a delete marker on a plain DELETE and takes it away again', async () => {
    await setVersioning('Enabled')
    const id = await put('a', '1')
    const marker = await remove('a')
    expect([marker.status, marker.headers['x-amz-delete-marker']]).toEqual([204, 'true'])
    const gone = await get('a')
    expect([gone.status, gone.code, gone.headers['x-amz-delete-marker'], version(gone)]).toEqual([
      404,
      'NoSuchKey',
      'true',
      version(marker),
    ])
    const named = await get('a', version(marker))
    expect([named.status, named.code, named.headers['x-amz-delete-marker']]).toEqual([405, 'MethodNotAllowed', 'true'])
    expect((await get('a', id)).text).toBe('1')
    const undone = await remove('a', version(marker))
    expect([undone.status, undone.headers['x-amz-delete-marker']]).toEqual([204, 'true'])
    expect((await get('a')).text).toBe('1')
  })

  it('shows the version before when the newest is removed by its id', async () => {
    await setVersioning('Enabled')
    await put('a', '1')
    const newest = await put('a', '2')
    expect(version(await remove('a', newest))).toBe(newest)
    expect((await get('a')).text).toBe('1')
  })

  it('knows what a version id is', async () => {
    await setVersioning('Enabled')
    const id = await put('a', '1')
    await remove('a', id)
    expect((await get('a', id)).code).toBe('NoSuchVersion')
    const wrong = await get('a', 'not a version id')
    expect([wrong.status, wrong.code, wrong.message]).toEqual([400, 'InvalidArgument', 'Invalid version id specified'])
  })

  it('replaces the null version while suspended', async () => {
    await setVersioning('Enabled')
    const kept = await put('a', 'kept')
    await setVersioning('Suspended')
    expect(await put('a', 'first null')).toBe('null')
    expect(await put('a', 'second null')).toBe('null')
    expect((await get('a', 'null')).text).toBe('second null')
    expect((await get('a', kept)).text).toBe('kept')
    const listed = await server.raw.send({ method: 'GET', bucket, query: { versions: undefined } })
    expect(listed.elements('VersionId')).toEqual(['null', kept])
  })
})

describe('the listing of versions', () => {
  it('has names in order and each name newest first, page by page', async () => {
    await setVersioning('Enabled')
    const expected: string[] = []
    for (const name of ['a', 'b', 'b/c']) {
      const ids = [await put(name, '1'), await put(name, '2'), version(await remove(name))]
      for (const id of ids.reverse()) expected.push(`${name} ${id}`)
    }
    for (const pageSize of [1, 2, 4, 100]) {
      const listed: string[] = []
      let markers: Record<string, string> = {}
      for (let isLast = false; !isLast; ) {
        const query = { versions: undefined, 'max-keys': String(pageSize), ...markers }
        const page = await server.raw.send({ method: 'GET', bucket, query })
        const [keys, ids] = [page.elements('Key'), page.elements('VersionId')]
        for (const [index, key] of keys.entries()) listed.push(`${key} ${ids[index]}`)
        expect(keys.length).toBeLessThanOrEqual(pageSize)
        isLast = page.element('IsTruncated') === 'false'
        if (!isLast) {
          markers = {
            'key-marker': page.element('NextKeyMarker') ?? '',
            'version-id-marker': page.element('NextVersionIdMarker') ?? '',
          }
        }
      }
      expect(listed).toEqual(expected)
    }
    const rolled = await server.raw.send({ method: 'GET', bucket, query: { versions: undefined, delimiter: '/' } })
    expect(rolled.elements('Key')).toHaveLength(6)
    expect(rolled.text).toContain('<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>')
    expect(rolled.elements('IsLatest').filter((latest) => latest === 'true')).toHaveLength(2)
  })
})
