/**
 * A server whose keys are in a separate key service over mTLS, and everything that can be wrong with that: each gives the
 * documented error in bounded time, listings and deletions go on, and when it is over nothing has to be restarted
 * (DESIGN 1 promises 5 and 6).
 *
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { sseKms, sseS3 } from '../support/encryption-headers.ts'
import { fullPolicy, KesService, minioPolicy } from '../support/kes-service.ts'
import type { RawResponse } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'outage'
const kmsTimeoutMs = 1_500
/** For one request: the time-out, and what a loaded machine needs. */
const boundMs = kmsTimeoutMs + 4_000
/** So long the state of a key is believed, and with it the data keys that are in memory: what goes wrong shows after it. */
const beliefMs = 4_100
let kes: KesService
let server: TestServer

const startWith = (service: KesService, args: readonly string[] = []): Promise<TestServer> =>
  startServer({
    defaultKey: 'deployment',
    // No data key is believed for longer than a moment, so that every read asks.
    args: [...service.flags, '--kms-timeout', `${kmsTimeoutMs}ms`, '--data-key-cache-time', '1ms', ...args],
  })

const put = (name: string, headers: Readonly<Record<string, string>> = sseS3, at = server): Promise<RawResponse> =>
  at.raw.send({ method: 'PUT', bucket, name, headers, body: name })
const get = (name: string, at = server): Promise<RawResponse> => at.raw.send({ method: 'GET', bucket, name })

/** Status and code. */
const outcome = ({ status, code }: RawResponse): string => (status < 300 ? String(status) : `${status} ${code}`)

/** What waits for long is not part of every run: `npm run kes-acceptance` runs it. */
const isWhole = process.env.STRONGROOM_TEST_KEYS === 'kes'

/** Tries again, as clients do, until it works. */
async function recovered(request: () => Promise<RawResponse>): Promise<RawResponse> {
  const until = Date.now() + 20_000
  for (;;) {
    const answer = await request()
    if (answer.status < 300 || Date.now() > until) return answer
    await sleep(100)
  }
}

/** The documented answer to writing and reading, in bounded time, while all that needs no key goes on. */
async function expectOutage(writes: string, reads: string): Promise<void> {
  await sleep(beliefMs)
  for (const [request, expected] of [
    [() => put('new'), writes],
    [() => put('new', sseKms('named')), writes],
    [() => get('before'), reads],
    [() => get('named'), reads],
  ] as const) {
    const started = performance.now()
    expect(outcome(await request())).toBe(expected)
    expect(performance.now() - started).toBeLessThan(boundMs)
  }
  await expectKeylessWork()
}

async function expectKeylessWork(): Promise<void> {
  const listed = await server.raw.send({ method: 'GET', bucket, query: { 'list-type': '2' } })
  expect([listed.status, listed.elements('Key')]).toEqual([200, expect.arrayContaining(['before', 'named'])])
  expect((await server.raw.send({ method: 'HEAD', bucket, name: 'named' })).status).toBe(200)
  expect((await server.raw.send({ method: 'DELETE', bucket, name: 'nothing' })).status).toBe(204)
}

async function expectAllWell(): Promise<void> {
  expect(outcome(await recovered(() => put('after')))).toBe('200')
  expect(outcome(await recovered(() => put('after-named', sseKms('named'))))).toBe('200')
  for (const name of ['before', 'named', 'after']) {
    const answer = await recovered(() => get(name))
    expect([name, outcome(answer), answer.text]).toEqual([name, '200', name])
  }
}

beforeAll(async () => {
  kes = await KesService.start()
  server = await startWith(kes)
  await server.raw.send({ method: 'PUT', bucket })
  const requester = { accountId: server.accounts.rootAccountId, isRootAccount: true }
  await server.engine.createKey({ requester, name: 'named' })
  expect(outcome(await put('before'))).toBe('200')
  expect(outcome(await put('named', sseKms('named')))).toBe('200')
})

afterAll(async () => {
  await server?.stop()
  await kes?.stop()
})

describe('a key service in a process of its own', { timeout: 120_000 }, () => {
  beforeEach(async () => {
    kes.gate.set('open')
  })

  it('has the keys: the default key and the named one, as KES stores them', async () => {
    expect(await kes.asAdmin((client) => client.listKeys(''))).toMatchObject({ names: ['deployment', 'named'] })
  })

  it('that is cut off: 503 within seconds, and all is well when it is back', async () => {
    kes.gate.set('cut')
    await expectOutage('503 ServiceUnavailable', '503 ServiceUnavailable')
    kes.gate.set('open')
    await expectAllWell()
  })

  it('that dies and comes back', async () => {
    await kes.kill()
    await expectOutage('503 ServiceUnavailable', '503 ServiceUnavailable')
    await kes.run()
    await expectAllWell()
  })

  it('with a certificate that is not trusted: 503, until the new one is trusted and the server reloads', async () => {
    await kes.kill()
    await kes.changeCertificate()
    await kes.run()
    await expectOutage('503 ServiceUnavailable', '503 ServiceUnavailable')
    await kes.trust()
    await server.reload()
    await expectAllWell()
  })

  it('whose policy denies it: 403, until the policy allows it', async () => {
    await kes.allow(['/v1/status'])
    await expectOutage('403 AccessDenied', '403 AccessDenied')
    await kes.allow(fullPolicy)
    await expectAllWell()
  })

  it('that has lost a key: writes 400, reads 403, the other key goes on', async () => {
    const requester = { accountId: server.accounts.rootAccountId, isRootAccount: true }
    await server.engine.createKey({ requester, name: 'lost' })
    expect(outcome(await put('lost', sseKms('lost')))).toBe('200')
    await kes.asAdmin((client) => client.deleteKey('lost'))
    await sleep(beliefMs)
    expect(outcome(await put('new', sseKms('lost')))).toBe('400 KMS.NotFoundException')
    expect(outcome(await get('lost'))).toBe('403 AccessDenied')
    expect(outcome(await get('before'))).toBe('200')
    await expectKeylessWork()
  })

  it('rotates, locks and describes keys for the server', async () => {
    expect(await server.engine.rotateKey('named')).toMatchObject({ currentVersion: 2 })
    expect(await server.engine.lockKey('named')).toMatchObject({ state: 'locked' })
    expect(outcome(await get('named'))).toBe('400 KMS.DisabledException')
    expect(await server.engine.unlockKey('named')).toMatchObject({ state: 'enabled' })
    const { state } = await server.engine.scheduleKeyDeletion('named', { force: true, reason: 'a test' })
    expect([state, outcome(await get('named'))]).toEqual(['pending-deletion', '400 KMS.KMSInvalidStateException'])
    await server.engine.cancelKeyDeletion('named')
    await server.engine.unlockKey('named')
    await expectAllWell()
  })
})

if (isWhole)
  describe('a key service in trouble for longer', { timeout: 120_000 }, () => {
    it.each([
      ['takes connections and says nothing', 'silent'],
      ['answers after 10 seconds', 10_000],
    ] as const)('that %s: 503 when the time is over', async (_, state) => {
      kes.gate.set(state)
      await expectOutage('503 ServiceUnavailable', '503 ServiceUnavailable')
      // Connections on which late answers may come are not used again.
      kes.gate.set('cut')
      kes.gate.set('open')
      await expectAllWell()
    })

    it('that flaps: every request works or is refused in time, and none gives something else', async () => {
      for (let round = 0; round < 12; round++) {
        kes.gate.set(round % 2 === 0 ? 'cut' : 'open')
        for (const request of [() => put(`flap-${round}`), () => get('before')]) {
          const started = performance.now()
          expect(['200', '503 ServiceUnavailable']).toContain(outcome(await request()))
          expect(performance.now() - started).toBeLessThan(boundMs)
        }
      }
      kes.gate.set('open')
      await expectAllWell()
    })

    it('whose policy is the one that MinIO recommends: everything works', async () => {
      await kes.allow(minioPolicy)
      await sleep(beliefMs)
      await expectAllWell()
      await kes.allow(fullPolicy)
    })

    it('that locks a key: the documented refusals within five seconds, and everything back after it', async () => {
      await kes.asAdmin((client) => client.extension('lock', 'named'))
      await sleep(5_000)
      expect(outcome(await put('new', sseKms('named')))).toBe('400 KMS.DisabledException')
      expect(outcome(await get('named'))).toBe('400 KMS.DisabledException')
      expect(outcome(await get('before'))).toBe('200')
      await expectKeylessWork()
      await kes.asAdmin((client) => client.extension('unlock', 'named'))
      await sleep(5_000)
      await expectAllWell()
    })
  })

if (isWhole)
  describe('several key services', { timeout: 120_000 }, () => {
    it('asks another key service when the first is silent', async () => {
      const service = await KesService.start()
      const silent = await KesService.start()
      silent.gate.set('silent')
      const endpoints = [silent, service].map(({ gate }) => `https://127.0.0.1:${gate.port}`).join(',')
      const other = await startWith(service, ['--kes-endpoints', endpoints, '--kms-timeout', '4s'])
      try {
        expect(outcome(await other.raw.send({ method: 'PUT', bucket }))).toBe('200')
        for (const name of ['a', 'b', 'c', 'd']) {
          expect(outcome(await recovered(() => put(name, sseS3, other)))).toBe('200')
          expect((await recovered(() => get(name, other))).text).toBe(name)
        }
      } finally {
        await other.stop()
        await silent.stop()
        await service.stop()
      }
    })
  })

describe('a server that starts while its key service is down', { timeout: 120_000 }, () => {
  it('serves what needs no key at once, and everything when the key service is there, with its default key', async () => {
    const service = await KesService.start()
    service.gate.set('cut')
    const started = performance.now()
    const other = await startWith(service, ['--default-encryption', 'none'])
    try {
      expect(performance.now() - started).toBeLessThan(2 * boundMs + 10_000)
      expect(outcome(await other.raw.send({ method: 'PUT', bucket }))).toBe('200')
      expect(outcome(await put('plain', {}, other))).toBe('200')
      expect(outcome(await put('sealed', sseS3, other))).toBe('503 ServiceUnavailable')
      service.gate.set('open')
      expect(outcome(await recovered(() => put('sealed', sseS3, other)))).toBe('200')
      expect((await get('sealed', other)).text).toBe('sealed')
      expect(await service.asAdmin((client) => client.listKeys(''))).toMatchObject({ names: ['deployment'] })
    } finally {
      await other.stop()
      await service.stop()
    }
  })
})
