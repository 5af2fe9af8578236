/**
 * Self-signed certificates of API keys, which the tools and servers of KES take: kes-protocol 1.3.
 *
 * @module
 */
import { createPublicKey, randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import { identityOfPublicKey, privateKeyOfSeed } from './api-key.ts'

export interface CertificateOptions {
  /** Subject and issuer. Default: the identity. */
  readonly commonName?: string
  /** DNS names and IP addresses; with any, or with `isServer`, the certificate is a server's too. */
  readonly names?: readonly string[]
  /** Adds serverAuth. Default: whether there are names. */
  readonly isServer?: boolean
  /** Default 90 days. */
  readonly validityMs?: number
  /** Wall clock in milliseconds. */
  readonly now?: () => number
  readonly random?: (length: number) => Uint8Array
}

export interface KeyPairPem {
  readonly cert: string
  /** PKCS#8. A secret. */
  readonly key: string
}

const ninetyDaysMs = 90 * 86_400_000

/** Makes the certificate of the Ed25519 key with that seed, which stays the caller's. */
export async function makeCertificate(seed: Uint8Array, options: CertificateOptions = {}): Promise<KeyPairPem> {
  const { names = [], now = Date.now, random = randomBytes, validityMs = ninetyDaysMs } = options
  // 150 ms of import: only where a certificate is made.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const privateKey = privateKeyOfSeed(seed)
  const publicKey = createPublicKey(privateKey)
  const keys = await webKeys(
    privateKey.export({ format: 'der', type: 'pkcs8' }),
    publicKey.export({ format: 'der', type: 'spki' }),
  )
  const notBefore = Math.floor(now() / 1000) * 1000
  const { clientAuth, serverAuth } = x509.ExtendedKeyUsage
  const isServer = options.isServer ?? names.length > 0
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: [{ CN: [options.commonName ?? identityOfPublicKey(publicKey)] }],
      serialNumber: serialNumber(random),
      notBefore: new Date(notBefore),
      notAfter: new Date(notBefore + validityMs),
      signingAlgorithm: { name: 'Ed25519' },
      keys,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(isServer ? [clientAuth, serverAuth] : [clientAuth]),
        new x509.BasicConstraintsExtension(false, undefined, true),
        ...(names.length === 0
          ? []
          : [
              new x509.SubjectAlternativeNameExtension(
                names.map((name) => ({ type: isIP(name) === 0 ? 'dns' : 'ip', value: name })),
              ),
            ]),
      ],
    },
    webcrypto,
  )
  return {
    cert: `${certificate.toString('pem')}\n`,
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

async function webKeys(pkcs8: Uint8Array, spki: Uint8Array): Promise<webcrypto.CryptoKeyPair> {
  const algorithm = { name: 'Ed25519' }
  try {
    return {
      privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
      publicKey: await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify']),
    }
  } finally {
    pkcs8.fill(0)
  }
}

/** 16 bytes, the first of them neither zero nor with its high bit set, so that nothing is added or left out. */
function serialNumber(random: (length: number) => Uint8Array): string {
  const bytes = Buffer.from(random(16))
  bytes[0] = (bytes[0] ?? 0) & 0x7f || 1
  return bytes.toString('hex')
}
