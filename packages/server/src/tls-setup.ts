/**
 * TLS for trying out: a small CA and a certificate for this machine, made at first start when no `certsDir` is given, and
 * a new certificate from the same CA when a name is missing or the old one is about to expire.
 *
 * @module
 */
import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { systemErrorCode, writeDurably } from './durable-file.ts'
import { ServerError } from './server-error.ts'

export interface TlsSetup {
  /** A directory as `certsDir`: `public.crt`, `private.key`. */
  readonly certsDirectory: string
  /** The bundle that clients must trust. */
  readonly caFile: string
  /** A certificate was made by this call. */
  readonly isNew: boolean
}

export interface TlsSetupOptions {
  /** Names and addresses beside localhost, 127.0.0.1 and ::1. */
  readonly names?: readonly string[]
  readonly now?: () => number
}

const day = 86_400_000
const caDays = 3650
const certificateDays = 365
const renewBeforeDays = 30

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

interface Authority {
  readonly certificatePem: string
  readonly privateKey: webcrypto.CryptoKey
}

/** @throws ServerError `certificates` when what is in the directory cannot be read or written. */
export async function setUpTls(directory: string, options: TlsSetupOptions = {}): Promise<TlsSetup> {
  const now = (options.now ?? Date.now)()
  const names = [...new Set(['localhost', '127.0.0.1', '::1', ...(options.names ?? [])])].filter(isName)
  const caFile = join(directory, 'ca.crt')
  const files = {
    caFile,
    caKey: join(directory, 'ca.key'),
    certificate: join(directory, 'public.crt'),
    key: join(directory, 'private.key'),
  }
  const setup = { certsDirectory: directory, caFile }
  try {
    if (await isUsable(files, names, now)) return { ...setup, isNew: false }
    // 150 ms of import: only where a certificate is made.
    await import('reflect-metadata')
    const x509 = await import('@peculiar/x509')
    const authority = (await readAuthority(files.caFile, files.caKey, now)) ?? (await makeAuthority(x509, now, files))
    await makeCertificate(x509, authority, names, now, files)
    return { ...setup, isNew: true }
  } catch (error) {
    if (error instanceof ServerError) throw error
    throw new ServerError('certificates', `no certificate could be made in ${directory}: ${message(error)}`, {
      cause: error,
    })
  }
}

type Files = Readonly<Record<'caFile' | 'caKey' | 'certificate' | 'key', string>>
type X509 = typeof import('@peculiar/x509')

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const isName = (name: string): boolean => isIP(name) !== 0 || /^(?:\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(name)

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The pair fits together, was signed by the CA beside it, names everything, and lasts a while. */
async function isUsable(files: Files, names: readonly string[], now: number): Promise<boolean> {
  const [certificatePem, keyPem, caPem] = await Promise.all(
    [files.certificate, files.key, files.caFile].map(readOptional),
  )
  if (certificatePem === undefined || keyPem === undefined || caPem === undefined) return false
  try {
    const certificate = new X509Certificate(certificatePem)
    return (
      certificate.checkPrivateKey(createPrivateKey(keyPem)) &&
      certificate.verify(new X509Certificate(caPem).publicKey) &&
      Date.parse(certificate.validTo) - now > renewBeforeDays * day &&
      names.every((name) => certificateNames(certificate).has(name.toLowerCase()))
    )
  } catch {
    // Damaged files are made anew: they are for trying out and hold nothing of worth.
    return false
  }
}

/** Wildcards as they stand; IPv6 addresses in the short form that Node.js prints them back in. */
function certificateNames(certificate: X509Certificate): ReadonlySet<string> {
  const entries = (certificate.subjectAltName ?? '')
    .split(', ')
    .map((entry) => entry.replace(/^(?:DNS|IP Address):/, ''))
  return new Set(
    entries.map((name) => (isIP(name) === 6 ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name.toLowerCase())),
  )
}

async function readAuthority(caFile: string, caKey: string, now: number): Promise<Authority | undefined> {
  const [certificatePem, keyPem] = await Promise.all([caFile, caKey].map(readOptional))
  if (certificatePem === undefined || keyPem === undefined) return undefined
  try {
    const certificate = new X509Certificate(certificatePem)
    const key = createPrivateKey(keyPem)
    const lasts = Date.parse(certificate.validTo) - now > (certificateDays + renewBeforeDays) * day
    if (!lasts || !certificate.checkPrivateKey(key)) return undefined
    const bytes = key.export({ type: 'pkcs8', format: 'der' })
    return { certificatePem, privateKey: await webcrypto.subtle.importKey('pkcs8', bytes, algorithm, true, ['sign']) }
  } catch {
    return undefined
  }
}

const makeKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])

const privatePem = async (key: webcrypto.CryptoKey): Promise<string> => {
  const bytes = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${bytes.replace(/.{64}(?=.)/g, '$&\n')}\n-----END PRIVATE KEY-----\n`
}

/** Positive and 16 bytes long. */
const serialNumber = (): string => `4${randomBytes(16).toString('hex').slice(1)}`

async function makeAuthority(x509: X509, now: number, files: Files): Promise<Authority> {
  const keys = await makeKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=Strongroom trial CA ${randomBytes(4).toString('hex')}`,
    serialNumber: serialNumber(),
    notBefore: new Date(now - day),
    notAfter: new Date(now + caDays * day),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const certificatePem = `${certificate.toString('pem')}\n`
  await writeDurably(files.caKey, await privatePem(keys.privateKey), 0o600)
  await writeDurably(files.caFile, certificatePem, 0o644)
  return { certificatePem, privateKey: keys.privateKey }
}

async function makeCertificate(
  x509: X509,
  authority: Authority,
  names: readonly string[],
  now: number,
  files: Files,
): Promise<void> {
  const keys = await makeKeys()
  const issuer = new x509.X509Certificate(authority.certificatePem)
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=localhost',
    issuer: issuer.subject,
    serialNumber: serialNumber(),
    notBefore: new Date(now - day),
    notAfter: new Date(now + certificateDays * day),
    signingAlgorithm: algorithm,
    signingKey: authority.privateKey,
    publicKey: keys.publicKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isIP(name) === 0 ? 'dns' : 'ip', value: name })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  })
  // The key first: a crash in between leaves a pair that does not fit, which the next start makes anew.
  await writeDurably(files.key, await privatePem(keys.privateKey), 0o600)
  await writeDurably(files.certificate, `${certificate.toString('pem')}\n`, 0o644)
}
