/**
 * Certificate, private key and CAs of a KES server, read from the files its config names: kes-protocol 1.1. They are
 * read again at each reload and every 15 minutes, so everything is checked here, before it is used.
 *
 * @module
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { KesTlsMaterial } from '../contract.ts'
import { KesError } from '../kes-error.ts'
import type { KesTlsConfig } from './kes-config.ts'
import { parsePem } from './pem.ts'

/**
 * Reads and checks what `tls` of a config names.
 *
 * @throws KesError `invalid-credentials`, naming the file
 */
export async function readTls(
  tls: Pick<KesTlsConfig, 'keyFile' | 'certFile' | 'password' | 'caPath'>,
): Promise<KesTlsMaterial> {
  const cert = await readCertificates(tls.certFile)
  const key = await readPrivateKey(tls.keyFile, tls.password)
  const leaf = new X509Certificate(cert)
  if (!leaf.checkPrivateKey(key)) throw invalid(tls.keyFile, `the private key does not belong to ${tls.certFile}`)
  if (!/(?:^|, )(?:DNS|IP Address):/.test(leaf.subjectAltName ?? '')) {
    throw invalid(tls.certFile, 'the certificate names no DNS name and no IP address (subjectAltName)')
  }
  const pem = key.export({ type: 'pkcs8', format: 'pem' })
  return {
    cert,
    key: pem.toString(),
    ...(tls.caPath === '' ? {} : { ca: await readCertificateAuthorities(tls.caPath) }),
  }
}

/** Reads a chain. Every block must be a certificate. @throws KesError `invalid-credentials` */
export async function readCertificates(file: string): Promise<string> {
  const text = await readText(file)
  const blocks = parsePem(text)
  if (blocks === undefined) throw invalid(file, 'no valid PEM data: certificates, and nothing behind the last one')
  const other = blocks.find(({ type }) => type !== 'CERTIFICATE')
  if (other !== undefined) throw invalid(file, `a PEM block of type ${other.type} does not belong here`)
  for (const { text: block } of blocks) checkCertificate(file, block)
  return `${blocks.map((block) => block.text).join('\n')}\n`
}

/**
 * Reads a private key, decrypting an RFC 1423 one. Certificates in the same file are passed over.
 *
 * @throws KesError `invalid-credentials`
 */
export async function readPrivateKey(file: string, password: string): Promise<KeyObject> {
  const text = await readText(file)
  for (const block of parsePem(text) ?? []) {
    if (block.type === 'CERTIFICATE') continue
    if (block.type !== 'PRIVATE KEY' && !block.type.endsWith(' PRIVATE KEY')) {
      throw invalid(file, `a PEM block of type ${block.type} does not belong here`)
    }
    if (block.type === 'ENCRYPTED PRIVATE KEY') {
      throw invalid(
        file,
        'encrypted PKCS#8 keys cannot be read; decrypt it with openssl pkey, or use the RFC 1423 form',
      )
    }
    const isEncrypted = block.headers.includes('DEK-Info:')
    if (isEncrypted && password === '') throw invalid(file, 'the private key is encrypted: password required')
    return parseKey(file, block.text, isEncrypted ? password : undefined)
  }
  throw invalid(file, 'no private key in PEM')
}

function parseKey(file: string, text: string, password: string | undefined): KeyObject {
  try {
    return createPrivateKey(password === undefined ? text : { key: text, passphrase: password })
  } catch (cause) {
    throw invalid(file, password === undefined ? 'the private key cannot be parsed' : 'the password is wrong', cause)
  }
}

/**
 * Reads a file of certificates, or all files of a directory: each must hold at least one.
 *
 * @throws KesError `invalid-credentials`
 */
export async function readCertificateAuthorities(path: string): Promise<readonly string[]> {
  const files = await filesOf(path)
  const certificates: string[] = []
  for (const file of files) {
    const blocks = (parsePem(await readText(file)) ?? []).filter(({ type }) => type === 'CERTIFICATE')
    if (blocks.length === 0) throw invalid(file, 'no certificate in PEM')
    for (const { text } of blocks) checkCertificate(file, text)
    certificates.push(...blocks.map(({ text }) => text))
  }
  return certificates
}

async function filesOf(path: string): Promise<readonly string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path]
    return (await readdir(path, { withFileTypes: true }))
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(path, entry.name))
      .sort()
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

function checkCertificate(file: string, text: string): void {
  try {
    new X509Certificate(text)
  } catch (cause) {
    throw invalid(file, 'a certificate cannot be parsed', cause)
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw unreadable(file, cause)
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
}

function unreadable(file: string, cause: unknown): KesError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return invalid(file, reasons[code] ?? `cannot be read${code === '' ? '' : ` (${code})`}`, cause)
}

function invalid(file: string, what: string, cause?: unknown): KesError {
  return new KesError('invalid-credentials', `${file}: ${what}`, { cause })
}
