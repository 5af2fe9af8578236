/**
 * `strongroom kes server --dev`: everything made for trying out, in memory and gone at the end. kes-protocol 13, row `server`.
 *
 * @module
 */
import { randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { formatApiKey, identityOfSeed, type KesAddress, type KesServerOptions, parseApiKey } from '@strongroom/kes'
import { MemoryKeyStore } from '@strongroom/kms'

export interface DevSetup {
  readonly options: KesServerOptions
  /** Of the admin; a secret, if not one of worth. */
  readonly apiKey: string
}

const validityMs = 90 * 86_400_000
const hourMs = 3_600_000

/**
 * A certificate, an admin and an empty key store that lives as long as the process. `apiKey` is the admin's; without it
 * one is made.
 *
 * @throws KesError `invalid-credentials` when `apiKey` is none
 */
export async function devSetup(address: KesAddress, apiKey?: string, now: () => number = Date.now): Promise<DevSetup> {
  const seed = apiKey === undefined ? randomBytes(32) : parseApiKey(apiKey)
  const material = await makeServerCertificate(now())
  // One store for all reloads: closing it would be losing the keys.
  const store = new MemoryKeyStore()
  store.close = async () => undefined
  try {
    return {
      apiKey: formatApiKey(seed),
      options: {
        endpoints: [address],
        tls: { load: async () => material },
        adminIdentity: identityOfSeed(seed),
        openKeyStore: async () => store,
        keyStoreLabel: 'In Memory',
      },
    }
  } finally {
    seed.fill(0)
  }
}

/** Self-signed, for this machine's names and addresses. */
async function makeServerCertificate(now: number): Promise<{ readonly cert: string; readonly key: string }> {
  // 150 ms of import: only where a certificate is made.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost',
    serialNumber: `4${randomBytes(16).toString('hex').slice(1)}`,
    notBefore: new Date(now - hourMs),
    notAfter: new Date(now + validityMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        machineNames().map((name) => ({ type: isIP(name) === 0 ? 'dns' : 'ip', value: name })),
      ),
    ],
  })
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/.{64}(?=.)/g, '$&\n')}\n-----END PRIVATE KEY-----\n`
  return { cert: `${certificate.toString('pem')}\n`, key }
}

function machineNames(): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])
  const usable = addresses.map(({ address }) => address).filter((address) => !address.includes('%'))
  return [...new Set(['localhost', '127.0.0.1', '::1', ...usable])]
}
