/**
 * One accepted connection: what a handler may know of it, and the clock it lives by.
 *
 * Neither runtime's header, body and idle time-outs fire on sockets handed to an HTTP server by `emit('connection')`,
 * so every connection is in one phase and the listener's sweep asks `expired()` about it. No timer per request.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ListenerLimits } from './limits.ts'
import type { RejectionCode } from './rejections.ts'

/** The certificate that a client presented. */
export interface PeerCertificate {
  /** The leaf, DER. */
  readonly der: Uint8Array
  /** Whether it leads to one of the listener's `clientCertificates.ca`. */
  readonly isAuthorized: boolean
  /** Why it does not, as the TLS library names it (`CERT_HAS_EXPIRED`). */
  readonly refusal: string | undefined
  /**
   * The certificate that was sent after the leaf, DER, if one was and the TLS library shows it (not on a resumed session).
   * The handshake proves nothing about it.
   */
  readonly second: Uint8Array | undefined
}

/** Facts about a connection that do not change from request to request. */
export interface Connection {
  /** Whether this TCP connection is TLS. Behind a proxy ask `TrustedProxies` instead. */
  readonly secure: boolean
  /** The peer's IP address; IPv4 in dotted form even on an IPv6 socket. */
  readonly remoteAddress: string
  readonly remotePort: number
  /** The server name that the client asked for in the handshake, lower case. */
  readonly servername: string | undefined
  /** The client's certificate, if one was asked for and sent. */
  peerCertificate(): PeerCertificate | undefined
}

/** What was not done in time. */
export type TimeoutKind = 'handshake' | 'header' | 'idle' | 'body' | 'response' | 'linger'

type Phase = 'handshake' | 'header' | 'idle' | 'exchange' | 'linger'

/** A request being handled, or waiting for the one before it. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The client waits for `100 Continue` before it sends the body. */
  awaitsContinue: boolean
  /** Refused before it was looked at. */
  readonly rejection?: RejectionCode | undefined
}

const SLOW_CLIENT_BYTES = 262_144

/** The listener's own view of a connection. */
export class TrackedConnection implements Connection {
  readonly raw: Socket
  readonly remoteAddress: string
  readonly remotePort: number
  servername: string | undefined
  /** The socket that HTTP is spoken on, once there is one. */
  socket: Socket | undefined
  /** Finds this connection again when its handshake is done. */
  handshakeKey: string | undefined
  current: Exchange | undefined
  /** While requests are served directly: then `current` is not used. */
  direct: { readonly isBusy: boolean; readonly owesBody: boolean } | undefined
  readonly waiting: Exchange[] = []

  #phase: Phase = 'handshake'
  #since: number
  #readMark = 0
  #readSince = 0
  #flushMark = 0
  #peer: PeerCertificate | undefined
  #isPeerKnown = false
  #flushSince = 0
  #isDropped = false

  constructor(raw: Socket, now: number) {
    this.raw = raw
    this.remoteAddress = plainAddress(raw.remoteAddress ?? '')
    this.remotePort = raw.remotePort ?? 0
    this.#since = now
  }

  get secure(): boolean {
    return this.socket instanceof TLSSocket
  }

  /** No further request of this connection counts: its last response is out, or it is being given up. */
  get isEnding(): boolean {
    return this.#phase === 'linger' || this.socket?.writableEnded === true
  }

  /** Whether a request (or a part of one) has come since the last. */
  get hasSentBytes(): boolean {
    return (this.socket?.bytesRead ?? 0) !== this.#readMark
  }

  peerCertificate(): PeerCertificate | undefined {
    // Asked once: Node takes the second certificate off the chain when it shows it.
    if (!this.#isPeerKnown) this.#peer = this.#readPeer()
    this.#isPeerKnown = this.socket !== undefined
    return this.#peer
  }

  #readPeer(): PeerCertificate | undefined {
    if (!(this.socket instanceof TLSSocket)) return undefined
    const certificate = this.socket.getPeerX509Certificate()
    if (certificate === undefined) return undefined
    const { authorized, authorizationError } = this.socket
    return {
      der: certificate.raw,
      isAuthorized: authorized,
      refusal: authorized ? undefined : String(authorizationError),
      second: certificate.issuerCertificate?.raw,
    }
  }

  /** The handshake is done (or none is needed): the first request is due. */
  opened(socket: Socket, now: number): void {
    this.socket = socket
    this.#enter('header', now)
  }

  /** A request reaches its handler; without an exchange it was read directly. */
  began(exchange: Exchange | undefined, now: number): void {
    this.current = exchange
    this.#enter('exchange', now)
    this.#readSince = now
    this.#flushSince = now
  }

  /** The response is out or given up. */
  ended(now: number): void {
    this.current = undefined
    if (this.#phase === 'exchange') this.#enter('idle', now)
    this.#readMark = this.socket?.bytesRead ?? 0
  }

  /**
   * Ends the connection in a way that lets the client read what was written: closes our side and goes on reading for
   * a while, because closing with unread input makes the kernel send a reset that overtakes the answer.
   */
  linger(now: number): void {
    if (this.#phase === 'linger') return
    this.#enter('linger', now)
    const socket = this.socket ?? this.raw
    socket.end()
    socket.resume()
  }

  /** Drops the connection at once. */
  destroy(): void {
    this.#isDropped = true
    this.waiting.length = 0
    this.socket?.destroy()
    this.raw.destroy()
  }

  /** What this connection has failed to do in time, if anything. Cheap: called for every connection at each sweep. */
  expired(limits: ListenerLimits, now: number): TimeoutKind | undefined {
    // It may take a while until it is closed; it counts once.
    if (this.#isDropped) return undefined
    const age = now - this.#since
    switch (this.#phase) {
      case 'handshake':
        return age >= limits.handshakeTimeoutMs ? 'handshake' : undefined
      case 'header':
        return age >= limits.headerTimeoutMs ? 'header' : undefined
      case 'linger':
        return age >= limits.lingerMs ? 'linger' : undefined
      case 'idle':
        // After `Connection: close`. Node closes by itself; Bun ends our side and waits for a client that may never end its own.
        if (this.socket?.writableEnded) return age >= limits.lingerMs ? 'linger' : undefined
        if ((this.socket?.bytesRead ?? 0) !== this.#readMark) this.#enter('header', now)
        else if (age >= limits.idleTimeoutMs) return 'idle'
        return undefined
      case 'exchange':
        return this.#stalled(limits, now)
    }
  }

  #stalled(limits: ListenerLimits, now: number): TimeoutKind | undefined {
    const socket = this.socket
    const exchange = this.current
    if (socket === undefined) return undefined
    const isOwed = exchange === undefined ? this.direct?.owesBody === true : owesBody(exchange)
    if (socket.bytesRead !== this.#readMark || !isOwed) {
      this.#readMark = socket.bytesRead
      this.#readSince = now
    } else if (now - this.#readSince >= limits.bodyStallMs) {
      return 'body'
    }
    const pending = socket.writableLength
    const flushed = socket.bytesWritten - pending
    if (flushed !== this.#flushMark || pending === 0) {
      this.#flushMark = flushed
      this.#flushSince = now
    } else if (now - this.#flushSince >= limits.responseStallMs * (1 + Math.floor(pending / SLOW_CLIENT_BYTES))) {
      return 'response'
    }
    return undefined
  }

  #enter(phase: Phase, now: number): void {
    this.#phase = phase
    this.#since = now
  }
}

/** The handler has asked for more of the body and has taken all that came: waiting is the client's fault. */
function owesBody({ request, awaitsContinue }: Exchange): boolean {
  return (
    !request.complete &&
    !awaitsContinue &&
    request.readableFlowing !== null &&
    request.readableLength === 0 &&
    !request.destroyed
  )
}

/** `::ffff:192.0.2.1` is an IPv4 peer on a socket that serves both families. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
