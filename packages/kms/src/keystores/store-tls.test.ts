import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeLoopbackCertificate } from '../../../../tests/support/vendor-server.ts'
import { loadStoreTls } from './store-tls.ts'

describe('TLS settings of a key store', () => {
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'strongroom-tls-'))
  })

  afterEach(() => rm(directory, { recursive: true }))

  it('are nothing when nothing is set', async () => {
    expect(await loadStoreTls('Test')).toEqual({})
  })

  it('take a CA as text, as a file with several certificates and other text, or as a directory', async () => {
    const [{ cert: one }, { cert: two }] = [await makeLoopbackCertificate(), await makeLoopbackCertificate()]
    const trimmed = [one, two].map((pem) => `${pem.trim()}\n`)
    expect(await loadStoreTls('Test', { ca: one })).toEqual({ ca: [trimmed[0]] })
    await writeFile(join(directory, 'both.pem'), `text before\n${one}\ntext between\n${two}`)
    expect(await loadStoreTls('Test', { ca: join(directory, 'both.pem') })).toEqual({ ca: trimmed })
    await mkdir(join(directory, 'sub'))
    await writeFile(join(directory, 'junk.txt'), 'junk')
    expect(await loadStoreTls('Test', { ca: directory })).toEqual({ ca: trimmed })
  })

  it('keep the CAs of the runtime beside it only where that is wanted', async () => {
    const { cert } = await makeLoopbackCertificate()
    expect((await loadStoreTls('Test', { ca: cert }, true)).ca?.length).toBe(rootCertificates.length + 1)
  })

  it('read a client certificate with its key', async () => {
    const { cert, key } = await makeLoopbackCertificate()
    await writeFile(join(directory, 'client.pem'), cert)
    await writeFile(join(directory, 'client.key'), key)
    const settings = { cert: join(directory, 'client.pem'), key: join(directory, 'client.key') }
    expect(await loadStoreTls('Test', settings)).toEqual({ cert, key })
  })

  it('are refused with the name of the setting', async () => {
    await writeFile(join(directory, 'empty.pem'), '')
    const refused = (settings: Parameters<typeof loadStoreTls>[1], message: RegExp) =>
      expect(loadStoreTls('Test', settings)).rejects.toThrow(message)
    await refused({ ca: join(directory, 'missing.pem') }, /^Test: tls\.ca: '.*missing\.pem' cannot be read$/)
    await refused({ ca: join(directory, 'empty.pem') }, /tls\.ca has no certificate/)
    await refused({ cert: join(directory, 'empty.pem') }, /both tls\.cert and tls\.key/)
    await refused({ cert: 'a', key: join(directory, 'missing.key') }, /tls\.(cert|key)/)
  })
})
