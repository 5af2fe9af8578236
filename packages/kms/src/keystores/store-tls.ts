/**
 * Whom a key store client trusts and who it is: PEM files of the settings (kes-protocol 8.1).
 *
 * @module
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { KmsError } from '../kms-error.ts'

/** TLS settings of a key store. */
export interface StoreTlsSettings {
  /** A PEM file, a directory of them, or PEM text. Default: the certificates that the runtime trusts. */
  readonly ca?: string
  /** Client certificate: a PEM file or PEM text. */
  readonly cert?: string
  /** Its private key: a PEM file or PEM text. */
  readonly key?: string
}

/** PEM texts for `node:tls`. */
export interface StoreTls {
  readonly ca?: readonly string[]
  readonly cert?: string
  readonly key?: string
}

const maxPemBytes = 4 << 20
const pemStart = '-----BEGIN '
const certificateStart = '-----BEGIN CERTIFICATE-----'
const certificateEnd = '-----END CERTIFICATE-----'

/**
 * Reads what the settings name. With `keepsSystemRoots` the CAs are trusted beside those of the runtime, else alone.
 *
 * @throws KmsError `unreachable` with the setting and the path
 */
export async function loadStoreTls(
  store: string,
  { ca, cert, key }: StoreTlsSettings = {},
  keepsSystemRoots = false,
): Promise<StoreTls> {
  if ((cert === undefined) !== (key === undefined)) {
    throw new KmsError('unreachable', `${store}: a client certificate needs both tls.cert and tls.key`)
  }
  const authorities = ca === undefined ? undefined : await readAuthorities(store, ca)
  return {
    ...(authorities === undefined
      ? {}
      : { ca: keepsSystemRoots ? [...rootCertificates, ...authorities] : authorities }),
    ...(cert === undefined ? {} : { cert: await readPem(store, 'tls.cert', cert) }),
    ...(key === undefined ? {} : { key: await readPem(store, 'tls.key', key) }),
  }
}

async function readAuthorities(store: string, ca: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const path of await pathsOf(store, ca)) found.push(...certificatesIn(await readPem(store, 'tls.ca', path)))
  if (found.length === 0) throw new KmsError('unreachable', `${store}: tls.ca has no certificate in it`)
  return found
}

async function pathsOf(store: string, ca: string): Promise<readonly string[]> {
  if (ca.startsWith(pemStart)) return [ca]
  try {
    if (!(await stat(ca)).isDirectory()) return [ca]
    const entries = await readdir(ca, { withFileTypes: true })
    return entries
      .filter((entry) => !entry.isDirectory())
      .map(({ name }) => join(ca, name))
      .sort()
  } catch (error) {
    throw unreadable(store, 'tls.ca', ca, error)
  }
}

async function readPem(store: string, setting: string, source: string): Promise<string> {
  if (source.startsWith(pemStart)) return source
  try {
    const { size } = await stat(source)
    if (size > maxPemBytes) throw new Error('the file is too long')
    return await readFile(source, 'utf8')
  } catch (error) {
    throw unreadable(store, setting, source, error)
  }
}

/** The certificates of a PEM text, whatever else is in it. */
function certificatesIn(pem: string): string[] {
  const found: string[] = []
  for (let at = pem.indexOf(certificateStart); at >= 0; ) {
    const end = pem.indexOf(certificateEnd, at)
    if (end < 0) break
    found.push(`${pem.slice(at, end + certificateEnd.length)}\n`)
    at = pem.indexOf(certificateStart, end)
  }
  return found
}

function unreadable(store: string, setting: string, path: string, cause: unknown): KmsError {
  return new KmsError('unreachable', `${store}: ${setting}: '${path}' cannot be read`, { cause })
}
