/**
 * The certificate that a server shows, and whose client certificates it takes: kes-protocol 1.1.
 *
 * @module
 */
import { rootCertificates } from 'node:tls'
import {
  type CertificatePair,
  type CertificateSource,
  type ClientCertificateOptions,
  type Connection,
  parseCertificatePair,
} from '@strongroom/http'
import type { KesTlsOptions } from '../contract.ts'
import { KesError } from '../kes-error.ts'

/** What was read. */
export interface LoadedTls {
  readonly pair: CertificatePair
  /** PEM, of the configuration. */
  readonly ca: readonly string[]
  readonly clientCertificates: ClientCertificateOptions
}

/**
 * Reads certificate, key and CAs.
 *
 * @throws KesError `invalid-config` for a certificate without names, HttpError `certificate-invalid`
 */
export async function loadTls(options: KesTlsOptions): Promise<LoadedTls> {
  const { cert, key, ca = [] } = await options.load()
  const pair = parseCertificatePair(cert, key, 'tls.cert')
  if (pair.names.length === 0) {
    const missing = 'certificate does not contain any DNS or IP address as SAN'
    throw new KesError('invalid-config', `invalid TLS certificate: ${missing}`)
  }
  // Always asked for, and judged by `admits`: whether one is needed depends on the routes.
  const isVerifying = options.verifyClients === true && ca.length > 0
  return {
    pair,
    ca,
    clientCertificates: { mode: 'request', ...(isVerifying ? { ca: [...rootCertificates, ...ca] } : {}) },
  }
}

/**
 * Whether a client may go on after the handshake. KES says why not in a TLS alert, which Node's TLS cannot be told to send:
 * the connection is closed instead.
 */
export function admits(connection: Connection, isVerifying: boolean, isCertificateOptional: boolean): boolean {
  const certificate = connection.peerCertificate()
  if (certificate === undefined) return isCertificateOptional
  return !isVerifying || certificate.isAuthorized
}

/** One certificate, which can change. */
export class CurrentCertificate implements CertificateSource {
  pair: CertificatePair

  constructor(pair: CertificatePair) {
    this.pair = pair
  }

  select(): CertificatePair {
    return this.pair
  }
}
