/**
 * API keys and identities of KES: kes-protocol 1.2 and 1.3.
 *
 * @module
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { KesError } from '../kes-error.ts'
import { decodeGoBase64, describeBadBase64 } from './go-base64.ts'

const prefix = 'kes:v1:'
const seedLength = 32
const typeEd25519 = 0

/** Frozen DER around an Ed25519 seed (RFC 8410, PKCS#8). */
const privateKeyHead = Buffer.from('302e020100300506032b657004220420', 'hex')

/**
 * Reads an API key, with or without its prefix.
 *
 * @returns the 32 byte seed, the caller's to zero
 * @throws KesError `invalid-credentials` in the words of KES, without the key
 */
export function parseApiKey(text: string): Uint8Array {
  const decoded = decodeGoBase64(text.startsWith(prefix) ? text.slice(prefix.length) : text)
  if ('badOffset' in decoded) throw invalid(describeBadBase64(decoded.badOffset))
  const { bytes } = decoded
  try {
    if (bytes.length !== seedLength + 1) throw invalid('kes: invalid API key: invalid length')
    if (bytes[0] !== typeEd25519) throw invalid('kes: invalid API key: unsupported type')
    return Uint8Array.from(bytes.subarray(1))
  } finally {
    bytes.fill(0)
  }
}

const invalid = (message: string): KesError => new KesError('invalid-credentials', message)

/** `kes:v1:…`. A secret. */
export function formatApiKey(seed: Uint8Array): string {
  const bytes = Buffer.concat([Uint8Array.of(typeEd25519), seed])
  const text = prefix + bytes.toString('base64')
  bytes.fill(0)
  return text
}

/** The Ed25519 private key of a seed. */
export function privateKeyOfSeed(seed: Uint8Array): KeyObject {
  const der = Buffer.concat([privateKeyHead, seed])
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } finally {
    der.fill(0)
  }
}

/** The seed of an Ed25519 private key; `undefined` for a key of another type. The caller zeroes it. */
export function seedOfPrivateKey(key: KeyObject): Uint8Array | undefined {
  if (key.asymmetricKeyType !== 'ed25519') return undefined
  const der = key.export({ format: 'der', type: 'pkcs8' })
  try {
    return Uint8Array.from(der.subarray(der.length - seedLength))
  } finally {
    der.fill(0)
  }
}

/** SHA-256 of the SubjectPublicKeyInfo, in hex. */
export function identityOfPublicKey(key: KeyObject): string {
  return hash(key.export({ format: 'der', type: 'spki' }))
}

/** Identity of whoever holds an API key. */
export function identityOfSeed(seed: Uint8Array): string {
  return identityOfPublicKey(createPublicKey(privateKeyOfSeed(seed)))
}

/**
 * Identity of whoever holds the private key of a certificate.
 *
 * @throws KesError `invalid-credentials` when `pem` holds no certificate
 */
export function identityOfCertificate(pem: string | Uint8Array): string {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pem)
  } catch (cause) {
    throw new KesError('invalid-credentials', 'the certificate cannot be parsed', { cause })
  }
  return identityOfPublicKey(certificate.publicKey)
}

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
