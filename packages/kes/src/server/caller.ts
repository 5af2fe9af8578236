/**
 * Who is asking: from the certificate of the connection, or from what a TLS proxy forwards (kes-protocol 1.2, 1.4, 1.5).
 *
 * The identity is the leaf's, whose private key the handshake has proved. KES takes it from whichever certificate remains when
 * CA certificates are left out, so that with it a stranger who knows an admin's public key becomes admin.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import type { Connection } from '@strongroom/http'
import { readCertificate } from '../protocol/certificate-identity.ts'
import { forwardedAddress, type TlsProxies } from './tls-proxy.ts'

/** The peer of a connection. */
export interface Peer {
  /** Empty when there is none that counts. */
  readonly identity: string
  /** Why there is none. */
  readonly refusal: string
}

/** Who sent a request. */
export interface Caller extends Peer {
  /** Of an answer where `refusal` is not empty; 0 where it is. */
  readonly status: number
  readonly ip: string
}

const required = 'tls: client certificate is required'

/** Remembers the peers of connections, whose certificates do not change. */
export class Callers {
  readonly #peers = new WeakMap<Connection, Caller>()

  /** The caller of a request. */
  of(connection: Connection, request: IncomingMessage, proxies: TlsProxies): Caller {
    const caller = this.peer(connection)
    return proxies.isProxy(caller.identity) ? forwardedCaller(caller, request, proxies) : caller
  }

  /** Who has opened a connection: the caller of its requests, unless it is a proxy. */
  peer(connection: Connection): Caller {
    let caller = this.#peers.get(connection)
    if (caller === undefined) {
      const peer = peerOf(connection)
      caller = { ...peer, status: peer.refusal === '' ? 0 : 400, ip: connection.remoteAddress }
      this.#peers.set(connection, caller)
    }
    return caller
  }
}

function peerOf(connection: Connection): Peer {
  if (!connection.secure) return { identity: '', refusal: 'insecure connection: TLS is required' }
  const certificate = connection.peerCertificate()
  const leaf = certificate === undefined ? undefined : readCertificate(certificate.der)
  if (certificate === undefined || leaf === undefined || leaf.isAuthority) return { identity: '', refusal: required }
  const second = certificate.second === undefined ? undefined : readCertificate(certificate.second)
  if (second !== undefined && !second.isAuthority) {
    return { identity: '', refusal: 'tls: received more than one client certificate' }
  }
  return { identity: leaf.identity, refusal: '' }
}

function forwardedCaller(proxy: Caller, request: IncomingMessage, proxies: TlsProxies): Caller {
  const ip = forwardedAddress(request) ?? proxy.ip
  const forwarded = proxies.client(request)
  if ('status' in forwarded) return { identity: '', refusal: forwarded.message, status: forwarded.status, ip }
  const { identity, isAuthority } = forwarded.facts
  if (isAuthority) return { identity: '', refusal: required, status: 400, ip }
  return { identity, refusal: '', status: 0, ip }
}
