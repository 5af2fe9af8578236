import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { identityOfSeed } from '../client/api-key.ts'
import { makeCertificate } from '../client/make-certificate.ts'
import { makeClientCertificates } from '../conformance/client-certificates.ts'
import { readCertificate } from './certificate-identity.ts'

describe('the identity of a certificate', () => {
  it('is that of its key, be it of Ed25519 or P-256', async () => {
    const seed = new Uint8Array(32).fill(5)
    const { cert } = await makeCertificate(seed)
    const der = new X509Certificate(cert).raw
    expect(readCertificate(der)).toEqual({ identity: identityOfSeed(seed), isAuthority: false })
    const { byName } = await makeClientCertificates()
    const facts = (name: string) => readCertificate(new X509Certificate(byName.get(name)?.cert ?? '').raw)
    // Recorded identities: kes-protocol, testdata/kes/identities.json.
    expect(facts('ec')?.identity).toBe('5cd252fb0ce8932436faf8ccd1040981b89ee4ad6b9fe9e2a2b7e71aacb27cd3')
    expect(facts('admin')?.identity).toBe('a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5')
    expect(facts('ca')).toEqual({
      identity: '1f0c09d0953e74e7d5d1f9537dc9b3f004d3137584386a520f5f03251cbd7f2d',
      isAuthority: true,
    })
    expect(facts('nobc')?.isAuthority).toBe(false)
  })

  it('is nobody’s for what is no certificate', async () => {
    const { cert } = await makeCertificate(new Uint8Array(32).fill(6))
    const der = new X509Certificate(cert).raw
    for (let length = 0; length < der.length; length += 7)
      expect(readCertificate(der.subarray(0, length))).toBeUndefined()
    expect(readCertificate(new Uint8Array(70_000))).toBeUndefined()
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const changed = Buffer.from(der)
        changed[at] = byte
        const facts = readCertificate(changed)
        expect(facts === undefined || /^[0-9a-f]{64}$/.test(facts.identity)).toBe(true)
      }),
      { interruptAfterTimeLimit: 2_000, numRuns: 1_000 },
    )
  })
})
