/**
 * Certificate directories: layout, choice, reload, broken pairs.
 *
 * @module
 */

import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CertificateDirectory, type CertificateDirectoryOptions } from './certificate-directory.ts'
import { parseCertificatePair } from './certificate-pair.ts'
import type { HttpError } from './http-error.ts'
import { startListener } from './test-listener.fixture.ts'
import { makeCertificate, presentedName, type TestCertificate, tlsClient } from './test-peers.fixture.ts'

let first: TestCertificate
let second: TestCertificate
let other: TestCertificate

beforeAll(async () => {
  first = await makeCertificate(['first.test', '127.0.0.1'])
  second = await makeCertificate(['second.test'])
  other = await makeCertificate(['other.test', '*.wild.test'], 'rsa')
})

let directory: string
let opened: CertificateDirectory[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'certs-'))
})

afterEach(async () => {
  await Promise.all(opened.map((certificates) => certificates.close()))
  opened = []
  await rm(directory, { recursive: true, force: true })
})

async function put(path: string, pair: Partial<TestCertificate>): Promise<void> {
  await mkdir(path, { recursive: true })
  if (pair.cert !== undefined) await writeFile(join(path, 'public.crt'), pair.cert)
  if (pair.key !== undefined) await writeFile(join(path, 'private.key'), pair.key)
}

async function open(options: CertificateDirectoryOptions = {}): Promise<CertificateDirectory> {
  const certificates = await CertificateDirectory.open(directory, options)
  opened.push(certificates)
  return certificates
}

/** Resolves at the next reload that makes `name` the first name of the pair chosen for `servername`. */
function chosen(certificates: () => CertificateDirectory | undefined): {
  readonly onReload: () => void
  until(servername: string | undefined, name: string): Promise<void>
} {
  let wake: () => void = () => undefined
  return {
    onReload: () => wake(),
    until: (servername, name) =>
      new Promise((resolve) => {
        wake = () => {
          if (certificates()?.select(servername).names[0] === name) resolve()
        }
        wake()
      }),
  }
}

describe('CertificateDirectory', () => {
  it('takes the pair at the top as default and those below by the names they are good for', async () => {
    await put(directory, first)
    await put(join(directory, 'anything'), other)
    await put(join(directory, '..data'), second)
    await mkdir(join(directory, 'empty'))
    const certificates = await open()
    const names = [undefined, 'first.test', 'other.test', 'a.wild.test', 'a.b.wild.test', 'wild.test', 'second.test']
    expect(names.map((name) => certificates.select(name).names[0])).toEqual([
      'first.test',
      'first.test',
      'other.test',
      'other.test',
      'first.test',
      'first.test',
      'first.test',
    ])
  })

  it.each(['cert', 'key'] as const)('does not start with only the %s', async (half) => {
    await put(directory, { [half]: first[half] })
    await expect(open()).rejects.toMatchObject({ code: 'certificate-missing' })
  })

  it('does not start with a default pair that does not belong together', async () => {
    await put(directory, { cert: first.cert, key: second.key })
    await expect(open()).rejects.toMatchObject({ code: 'certificate-invalid' })
  })

  it('reports a broken pair in a sub-directory and starts without it', async () => {
    await put(directory, first)
    await put(join(directory, 'half'), { cert: other.cert })
    await put(join(directory, 'mixed'), { cert: other.cert, key: first.key })
    const problems: HttpError[] = []
    const certificates = await open({ onProblem: (problem) => problems.push(problem) })
    expect(problems.map(({ code }) => code).sort()).toEqual(['certificate-invalid', 'certificate-missing'])
    expect(certificates.pairs).toHaveLength(1)
  })

  it('reads the roots in CAs and refuses a plain file of that name', async () => {
    await put(directory, first)
    await mkdir(join(directory, 'CAs'))
    await writeFile(join(directory, 'CAs', 'root.crt'), second.cert)
    await writeFile(join(directory, 'CAs', 'notes.txt'), 'nothing')
    expect((await open()).authorities).toEqual([second.cert])
    await rm(join(directory, 'CAs'), { recursive: true })
    await writeFile(join(directory, 'CAs'), '')
    await expect(open()).rejects.toMatchObject({ code: 'certificate-invalid' })
  })

  it('keeps the pair it has when the new one is broken, says so once, and takes the repaired one', async () => {
    await put(directory, first)
    const problems: HttpError[] = []
    const certificates = await open({ onProblem: (problem) => problems.push(problem), pollMs: 600_000 })
    const before = certificates.select(undefined)
    await put(directory, { cert: second.cert })
    await certificates.reload()
    expect(certificates.select(undefined)).toBe(before)
    await unlink(join(directory, 'private.key'))
    await certificates.reload()
    expect(certificates.select(undefined)).toBe(before)
    expect(problems.map(({ code }) => code)).toEqual(['certificate-invalid', 'certificate-missing'])
    await put(directory, second)
    await certificates.reload()
    expect(certificates.select(undefined).names).toEqual(['second.test'])
  })

  it('keeps the same pair through a reload that changes nothing', async () => {
    await put(directory, first)
    const certificates = await open({ onReload: () => expect.unreachable('nothing changed') })
    const before = certificates.select(undefined)
    await certificates.reload()
    expect(certificates.select(undefined)).toBe(before)
  })

  it('notices files written in place, renamed over, a new sub-directory and its removal by itself', async () => {
    await put(directory, first)
    let certificates: CertificateDirectory | undefined
    const { onReload, until } = chosen(() => certificates)
    certificates = await open({ pollMs: 20, onReload })
    await put(directory, second)
    await until(undefined, 'second.test')
    await writeFile(join(directory, 'new.crt'), first.cert)
    await writeFile(join(directory, 'new.key'), first.key)
    await rename(join(directory, 'new.crt'), join(directory, 'public.crt'))
    await rename(join(directory, 'new.key'), join(directory, 'private.key'))
    await until(undefined, 'first.test')
    await put(join(directory, 'added'), other)
    await until('other.test', 'other.test')
    await rm(join(directory, 'added'), { recursive: true })
    await until('other.test', 'first.test')
  })

  it('notices a swapped symbolic link, as Kubernetes updates secrets', async () => {
    await put(join(directory, '..1'), first)
    await put(join(directory, '..2'), second)
    await symlink('..1', join(directory, '..data'))
    await symlink('..data/public.crt', join(directory, 'public.crt'))
    await symlink('..data/private.key', join(directory, 'private.key'))
    let certificates: CertificateDirectory | undefined
    const { onReload, until } = chosen(() => certificates)
    certificates = await open({ pollMs: 20, onReload })
    await symlink('..2', join(directory, '..next'))
    await rename(join(directory, '..next'), join(directory, '..data'))
    await until(undefined, 'second.test')
  })

  it('changes the certificate of a running listener without dropping connections', async () => {
    await put(directory, first)
    const certificates = await open({ pollMs: 600_000 })
    const { port } = await startListener((_request, response) => void response.end('ok'), { certificates })
    const client = await tlsClient(port)
    expect(await presentedName(port)).toBe('first.test')
    await put(directory, second)
    await certificates.reload()
    expect(await presentedName(port)).toBe('second.test')
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until((text) => text.endsWith('ok'))
    client.destroy()
  })
})

describe('parseCertificatePair', () => {
  it('takes a chain and tells names, fingerprint and expiry', () => {
    const pair = parseCertificatePair(`${first.cert}\n${second.cert}`, first.key)
    expect(pair.names).toEqual(['first.test', '127.0.0.1'])
    expect(pair.fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
    expect(pair.expiresAtMs).toBeGreaterThan(Date.now())
  })

  it.each([
    ['a key that is none', () => [first.cert, 'nothing']],
    ['a certificate that is none', () => ['nothing', first.key]],
    ['a key of another type', () => [other.cert, first.key]],
    ['data after the key', () => [first.cert, `${first.key}\nmore`]],
    ['a second key', () => [first.cert, `${first.key}\n${second.key}`]],
    [
      'a broken intermediate',
      () => [`${first.cert}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`, first.key],
    ],
  ])('refuses %s without quoting it', (_title, make) => {
    const [cert = '', key = ''] = make()
    let caught: unknown
    try {
      parseCertificatePair(cert, key)
    } catch (error) {
      caught = error
    }
    expect(caught).toMatchObject({ name: 'HttpError', code: 'certificate-invalid' })
    expect(String(caught)).not.toMatch(/BEGIN|nothing|more/)
  })
})
