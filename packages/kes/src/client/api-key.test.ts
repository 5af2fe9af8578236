import { createPrivateKey, X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  formatApiKey,
  identityOfCertificate,
  identityOfSeed,
  parseApiKey,
  privateKeyOfSeed,
  seedOfPrivateKey,
} from './api-key.ts'
import { decodeGoBase64 } from './go-base64.ts'
import { makeCertificate } from './make-certificate.ts'

// kes-protocol A.1
const apiKey = 'kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'
const identity = 'a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5'
const seed = Uint8Array.from({ length: 32 }, (_, i) => i)
const certificate =
  `MIIBiTCCATugAwIBAgIQAQIDBAUGBwgJCgsMDQ4PEDAFBgMrZXAwSzFJMEcGA1UEAxNAYTA1MDgzN2Q4NTA3MDU4MmNjZjczOTRiMDk4ODg0N2NjMzEyY2I4
ODI1OWI4OTQ4OTlmNmYyMzljZjE3OTFhNTAeFw0yNTAxMDEwMDAwMDBaFw0yNTA0MDEwMDAwMDBaMEsxSTBHBgNVBAMTQGEwNTA4MzdkODUwNzA1ODJjY2Y3
Mzk0YjA5ODg4NDdjYzMxMmNiODgyNTliODk0ODk5ZjZmMjM5Y2YxNzkxYTUwKjAFBgMrZXADIQADoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuKM1
MDMwDgYDVR0PAQH/BAQDAgeAMBMGA1UdJQQMMAoGCCsGAQUFBwMCMAwGA1UdEwEB/wQCMAAwBQYDK2VwA0EAAx5Dk8Jzpavjf3GLLSvl6ZnfzuRyOmFbqXnf
5UqQFv37zv/tjdOANXDwFhsgSPzlQTkSQ3k3+45DKLt8DbLHDw==`.replaceAll('\n', '')

describe('an API key', () => {
  it('is read with its prefix and without', () => {
    expect(parseApiKey(apiKey)).toEqual(seed)
    expect(parseApiKey(apiKey.slice(7))).toEqual(seed)
    expect(formatApiKey(seed)).toBe(apiKey)
  })

  it('has the identity that KES gives it', () => {
    expect(identityOfSeed(seed)).toBe(identity)
  })

  it('goes into a PEM private key and comes back', () => {
    const pem = privateKeyOfSeed(seed).export({ format: 'pem', type: 'pkcs8' })
    expect(seedOfPrivateKey(createPrivateKey(pem))).toEqual(seed)
  })

  it.each([
    ['', 'kes: invalid API key: invalid length'],
    ['kes:v1:', 'kes: invalid API key: invalid length'],
    ['kes:v1:AAAA', 'kes: invalid API key: invalid length'],
    [`kes:v1:AQ${apiKey.slice(9)}`, 'kes: invalid API key: unsupported type'],
    [apiKey.slice(4), 'illegal base64 data at input byte 2'],
    [`kes:${apiKey.slice(7)}`, 'illegal base64 data at input byte 3'],
    [apiKey.toUpperCase(), 'illegal base64 data at input byte 3'],
    [apiKey.slice(0, -1), 'illegal base64 data at input byte 40'],
  ])('is refused in the words of KES: %j', (text, message) => {
    expect(() => parseApiKey(text)).toThrow(expect.objectContaining({ code: 'invalid-credentials', message }))
  })
})

describe('the certificate of an API key', () => {
  const start = Date.parse('2025-01-01T00:00:00Z')
  const serial = Uint8Array.from({ length: 16 }, (_, i) => i + 1)

  it('is byte for byte the one that the tools of KES make', async () => {
    const { cert } = await makeCertificate(seed, { now: () => start, random: () => serial })
    expect(new X509Certificate(cert).raw.toString('base64')).toBe(certificate)
    expect(identityOfCertificate(cert)).toBe(identity)
  })

  it('names what a server is called, and lasts as long as asked', async () => {
    const made = await makeCertificate(seed, {
      commonName: 'my name',
      names: ['localhost', '127.0.0.1', '::1'],
      validityMs: 3_600_000,
      now: () => start,
    })
    const read = new X509Certificate(made.cert)
    expect(read.subject).toBe('CN=my name')
    expect(read.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
    expect(Date.parse(read.validTo)).toBe(start + 3_600_000)
    expect(read.ca).toBe(false)
    expect(read.checkPrivateKey(createPrivateKey(made.key))).toBe(true)
    expect(read.verify(read.publicKey)).toBe(true)
  })
})

describe('base64 as Go reads it', () => {
  it.each([
    ['', ''],
    ['AA==', '00'],
    ['AA\n==\r\n', '00'],
    ['AAA=', '0000'],
    ['/+//', 'ffefff'],
  ])('decodes %j', (text, hex) => {
    const result = decodeGoBase64(text)
    expect('bytes' in result && result.bytes.toString('hex')).toBe(hex)
  })

  it.each([
    ['??', 0],
    ['A', 0],
    ['AAAAA', 4],
    ['AA=', 3],
    ['A===', 1],
    ['====', 0],
    ['AA==A', 4],
    ['AAA=AAAA', 4],
    ['AA-_', 2],
    ['AA A', 2],
  ])('says where %j is wrong', (text, badOffset) => {
    expect(decodeGoBase64(text)).toEqual({ badOffset })
  })
})
