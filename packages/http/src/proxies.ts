/**
 * What trusted proxies say about the client: `X-Forwarded-For` and `X-Forwarded-Proto`, believed only from configured
 * addresses. Encryption with customer keys depends on the answer (server-side-encryption.md section 13, row TLS).
 *
 * @module
 */

import { BlockList, isIP } from 'node:net'
import { type Connection, plainAddress } from './connection.ts'
import { HttpError } from './http-error.ts'

/** The client's side of the connection, as far as it can be known. */
export interface ClientFacts {
  /** Whether the client itself speaks TLS. */
  readonly secure: boolean
  /** The client's IP address: the right-most forwarded one that is not a trusted proxy. */
  readonly remoteAddress: string
}

/** More hops are not looked at. */
const MOST_HOPS = 32

/** Addresses whose forwarding headers are believed. */
export class TrustedProxies {
  readonly #addresses = new BlockList()
  readonly #isEmpty: boolean

  /**
   * @param ranges IP addresses or CIDR ranges of either family.
   * @throws HttpError `invalid-option` for anything else.
   */
  constructor(ranges: readonly string[]) {
    this.#isEmpty = ranges.length === 0
    for (const range of ranges) this.#add(range)
  }

  /** Whether an address is one of ours. IPv4-mapped IPv6 addresses count as IPv4. */
  has(address: string): boolean {
    const plain = plainAddress(address)
    const family = isIP(plain)
    return !this.#isEmpty && family !== 0 && this.#addresses.check(plain, family === 6 ? 'ipv6' : 'ipv4')
  }

  /** The client's facts for one request; the connection's own unless the peer is a trusted proxy. */
  resolve(
    connection: Pick<Connection, 'secure' | 'remoteAddress'>,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): ClientFacts {
    if (this.#isEmpty || !this.has(connection.remoteAddress)) return connection
    return {
      secure: forwardedSecure(headers['x-forwarded-proto']) ?? connection.secure,
      remoteAddress: this.#client(connection.remoteAddress, headers['x-forwarded-for']),
    }
  }

  #client(peer: string, forwarded: string | string[] | undefined): string {
    let client = peer
    const hops = split(forwarded)
    for (let at = hops.length - 1; at >= 0 && at >= hops.length - MOST_HOPS; at -= 1) {
      const address = parseAddress(hops[at] ?? '')
      // What a proxy did not write as an address is not taken from further left either.
      if (address === undefined) return client
      client = address
      if (!this.has(address)) return client
    }
    return client
  }

  #add(range: string): void {
    const [address = '', bits, ...rest] = range.split('/')
    const family = isIP(address)
    const longest = family === 6 ? 128 : 32
    const length = bits === undefined ? longest : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
    if (family === 0 || rest.length > 0 || !(length <= longest)) {
      throw new HttpError('invalid-option', `not an IP address or CIDR range: ${range}`)
    }
    this.#addresses.addSubnet(address, length, family === 6 ? 'ipv6' : 'ipv4')
  }
}

/**
 * With several values every one must be `https`: a proxy that appends to what the client sent must not let the client
 * vouch for itself.
 */
function forwardedSecure(header: string | string[] | undefined): boolean | undefined {
  const values = split(header)
  return values.length === 0 ? undefined : values.every((value) => value.toLowerCase() === 'https')
}

function split(header: string | string[] | undefined): string[] {
  if (header === undefined) return []
  const joined = typeof header === 'string' ? header : header.join(',')
  return joined === '' ? [] : joined.split(',').map((value) => value.trim())
}

/** `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`. */
function parseAddress(hop: string): string | undefined {
  let address = hop
  if (hop.startsWith('[')) {
    const end = hop.indexOf(']')
    if (end < 0 || !isPortSuffix(hop.slice(end + 1))) return undefined
    address = hop.slice(1, end)
  } else if (isIP(hop) === 0) {
    const colon = hop.lastIndexOf(':')
    if (colon < 0 || !isPortSuffix(hop.slice(colon)) || isIP(hop.slice(0, colon)) !== 4) return undefined
    address = hop.slice(0, colon)
  }
  return isIP(address) === 0 ? undefined : plainAddress(address)
}

function isPortSuffix(text: string): boolean {
  return text === '' || /^:\d{1,5}$/.test(text)
}
