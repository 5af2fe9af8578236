/**
 * Time-outs and limits of a listener, with their defaults in one place.
 *
 * @module
 */

import { HttpError } from './http-error.ts'

/** Every limit has a default; times are milliseconds, resolved to about an eighth of the shortest of them. */
export interface ListenerLimits {
  /** From accepting a connection to the end of the TLS handshake. Default 10,000. */
  readonly handshakeTimeoutMs: number
  /** From the first byte of a request (or the handshake) to the end of its headers. Default 10,000. */
  readonly headerTimeoutMs: number
  /** Between two requests on a connection. Default 75,000. */
  readonly idleTimeoutMs: number
  /** Without a byte of a request body that the handler waits for. Default 60,000. */
  readonly bodyStallMs: number
  /** Without the client taking a byte of the response, plus as long again for each 256 KiB it has waiting. Default 60,000. */
  readonly responseStallMs: number
  /**
   * How long a connection whose last answer is out waits for the client to end it; the rest of a refused body is read and thrown
   * away meanwhile, so that the client sees the answer. Default 5,000.
   */
  readonly lingerMs: number
  /** Request line and headers, in bytes. Default 16,384. */
  readonly headerBytes: number
  /** Connections at a time; more are refused. Default 10,000. */
  readonly connections: number
  /** Requests that a client may send ahead on one connection; they are handled one after the other. Default 128. */
  readonly pipelined: number
  /** A body up to this many bytes is read and thrown away after an early answer; else the connection ends. Default 262,144. */
  readonly drainBytes: number
}

const DEFAULTS: ListenerLimits = {
  handshakeTimeoutMs: 10_000,
  headerTimeoutMs: 10_000,
  idleTimeoutMs: 75_000,
  bodyStallMs: 60_000,
  responseStallMs: 60_000,
  lingerMs: 5_000,
  headerBytes: 16_384,
  connections: 10_000,
  pipelined: 128,
  drainBytes: 262_144,
}

/**
 * Fills in the defaults.
 *
 * @throws HttpError `invalid-option` for a limit that is not a positive integer.
 */
export function resolveLimits(limits: Partial<ListenerLimits> = {}): ListenerLimits {
  const resolved = { ...DEFAULTS, ...limits }
  for (const [name, value] of Object.entries(resolved)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new HttpError('invalid-option', `${name} must be a positive whole number`)
    }
  }
  return resolved
}

/** How often connections are looked at: an eighth of the shortest time-out, between 5 ms and 1 s. */
export function sweepIntervalMs(limits: ListenerLimits): number {
  const shortest = Math.min(
    limits.handshakeTimeoutMs,
    limits.headerTimeoutMs,
    limits.idleTimeoutMs,
    limits.bodyStallMs,
    limits.responseStallMs,
    limits.lingerMs,
  )
  return Math.min(1_000, Math.max(5, Math.floor(shortest / 8)))
}
