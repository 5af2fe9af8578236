/**
 * TLS parameters and the TLS servers behind the listener, one per certificate
 * (server-side-encryption.md section 6: versions, suites, curves, ALPN).
 *
 * The servers never listen: the listener accepts, looks at the first bytes and emits `connection` here, which works
 * the same on Node and on Bun. A changed certificate gets a new server; connections in progress keep the old one.
 *
 * @module
 */

import type { Socket } from 'node:net'
import { createSecureContext, createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import type { CertificatePair } from './certificate-pair.ts'

/** Which client certificates are asked for. */
export interface ClientCertificateOptions {
  /** `request`: ask, and let the handler judge. `require`: refuse clients without one that `ca` vouches for. */
  readonly mode: 'request' | 'require'
  /** Certificates in PEM that client certificates must lead to. Without it: the system's. */
  readonly ca?: readonly string[]
}

/** AEAD suites with forward secrecy only; the fastest on CPUs with AES instructions first. */
export const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** The hybrid post-quantum group first where the TLS library has it (OpenSSL 3.5, BoringSSL). */
const GROUPS = ['X25519MLKEM768:X25519:P-256:P-384:P-521', 'X25519:P-256:P-384:P-521']

export interface TlsGatewayEvents {
  /** The handshake is done; the socket is the gateway user's now. */
  onSecure(socket: TLSSocket): void
  /** A handshake failed; the connection is closed already. */
  onFailure(error: Error): void
}

/** Gives accepted sockets to the TLS server of their certificate. */
export class TlsGateway {
  #servers = new WeakMap<CertificatePair, Server>()
  readonly #events: TlsGatewayEvents
  #clientCertificates: ClientCertificateOptions | undefined
  readonly #groups: string

  constructor(events: TlsGatewayEvents, clientCertificates?: ClientCertificateOptions) {
    this.#events = events
    this.#clientCertificates = clientCertificates
    this.#groups = supportedGroups()
  }

  /** For handshakes from now on. */
  setClientCertificates(options: ClientCertificateOptions | undefined): void {
    this.#clientCertificates = options
    this.#servers = new WeakMap()
  }

  /** Starts the handshake on a paused socket, whose bytes read so far were unshifted. */
  accept(raw: Socket, pair: CertificatePair): void {
    let server = this.#servers.get(pair)
    if (server === undefined) {
      server = this.#create(pair)
      this.#servers.set(pair, server)
    }
    server.emit('connection', raw)
  }

  #create(pair: CertificatePair): Server {
    const options: TlsOptions = {
      cert: pair.cert,
      key: pair.key,
      ciphers: CIPHERS,
      ecdhCurve: this.#groups,
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ALPNProtocols: ['http/1.1'],
    }
    const wanted = this.#clientCertificates
    if (wanted !== undefined) {
      options.requestCert = true
      options.rejectUnauthorized = wanted.mode === 'require'
      if (wanted.ca !== undefined) options.ca = [...wanted.ca]
    }
    const server = createServer(options)
    server.on('secureConnection', (socket) => this.#events.onSecure(socket))
    server.on('tlsClientError', (error) => this.#events.onFailure(error))
    return server
  }
}

function supportedGroups(): string {
  for (const groups of GROUPS) {
    try {
      createSecureContext({ ecdhCurve: groups })
      return groups
    } catch (error) {
      // This library does not know one of the names: the next list has fewer.
      if (groups === GROUPS.at(-1)) throw error
    }
  }
  return 'auto'
}
