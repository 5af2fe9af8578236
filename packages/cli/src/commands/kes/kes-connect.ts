/**
 * Which server a `kes` command means and who it is: kes-protocol 12. Of several variables the first that is set counts,
 * even if it is empty.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import type { KesClientOptions, KesCredentials } from '@strongroom/kes'
import type { KesPorts } from '../../ports.ts'
import { failing, KesCommandError } from './kes-command-error.ts'

export interface ConnectOptions {
  readonly insecure?: boolean
  readonly ca?: string
  /** Only `ls` has these two. */
  readonly server?: string
  readonly apiKey?: string
}

const variables = {
  server: ['MINIO_KES_SERVER', 'KES_SERVER', 'MINIO_KMS_KES_ENDPOINT'],
  apiKey: ['MINIO_KES_API_KEY', 'KES_API_KEY', 'MINIO_KMS_KES_API_KEY'],
  keyFile: ['MINIO_KES_KEY_FILE', 'KES_CLIENT_KEY', 'MINIO_KES_CLIENT_KEY'],
  certFile: ['MINIO_KES_CERT_FILE', 'KES_CLIENT_CERT', 'MINIO_KES_CLIENT_CERT'],
  ca: ['KES_CAPATH', 'MINIO_KMS_KES_CAPATH'],
} as const

const defaultServer = '127.0.0.1:7373'

function lookUp({ environment }: KesPorts, names: readonly string[]): string {
  for (const name of names) {
    const value = environment[name]
    if (value !== undefined) return value
  }
  return ''
}

/** The servers as they were named, for people. */
export function namedServers(kes: KesPorts, options: ConnectOptions): readonly string[] {
  const named = options.server ?? lookUp(kes, variables.server)
  return (named === '' ? defaultServer : named).split(',').map((server) => server.trim())
}

/** @throws KesCommandError, KesError */
export async function kesClientOptions(kes: KesPorts, options: ConnectOptions): Promise<KesClientOptions> {
  const { parseEndpoints, readCertificateAuthorities } = await import('@strongroom/kes')
  const endpoints = namedServers(kes, options).flatMap((server) => parseEndpoints(server))
  const ca = options.ca ?? lookUp(kes, variables.ca)
  return {
    endpoints: endpoints.map(({ url }) => url),
    credentials: await findCredentials(kes, options),
    insecure: options.insecure === true,
    refreshMs: 0,
    ...(ca === '' ? {} : { ca: await readCertificateAuthorities(ca) }),
  }
}

async function findCredentials(kes: KesPorts, options: ConnectOptions): Promise<KesCredentials> {
  const apiKey = options.apiKey ?? lookUp(kes, variables.apiKey)
  const keyFile = lookUp(kes, variables.keyFile)
  const certFile = lookUp(kes, variables.certFile)
  if (apiKey !== '') {
    if (keyFile !== '') throw new KesCommandError('API key and private key file cannot be used at the same time')
    if (certFile !== '') throw new KesCommandError('API key and certificate file cannot be used at the same time')
    const { parseApiKey } = await import('@strongroom/kes')
    await failing('parsing API key', (async () => parseApiKey(apiKey).fill(0))())
    return { apiKey }
  }
  if (keyFile === '' && certFile === '') {
    throw new KesCommandError('no API key specified. Consider setting MINIO_KES_API_KEY')
  }
  if (keyFile === '') {
    throw new KesCommandError('no private key file specified. Consider setting MINIO_KES_KEY_FILE')
  }
  if (certFile === '') {
    throw new KesCommandError('no certificate file specified. Consider setting MINIO_KES_CERT_FILE')
  }
  const password = await passwordFor(kes, keyFile)
  return { keyFile, certFile, ...(password === undefined ? {} : { password }) }
}

/** Asks for the password of a private key that has one. */
async function passwordFor(kes: KesPorts, keyFile: string): Promise<string | undefined> {
  try {
    const text = await readFile(keyFile, 'utf8')
    return text.includes('DEK-Info:') ? await kes.readPassword(`Password for ${keyFile}: `) : undefined
  } catch (error) {
    // Whoever reads the key says what is wrong with the file.
    if (error instanceof Error && 'syscall' in error) return undefined
    throw error
  }
}
