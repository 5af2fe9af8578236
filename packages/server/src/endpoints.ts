/**
 * Addresses as people and clients write them.
 *
 * @module
 */
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import type { ListenAddress } from './settings/setting-kinds.ts'

const everywhere: ReadonlySet<string> = new Set(['', '0.0.0.0', '::'])

/** Listens on all interfaces. */
export const isEverywhere = ({ host }: ListenAddress): boolean => everywhere.has(host)

const inUrl = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host)

/** `127.0.0.1:9000`, `[::1]:9000`, `:9000`. */
export const formatAddress = ({ host, port }: ListenAddress): string => `${inUrl(host)}:${port}`

/** How a client on this machine reaches a listener: `https://127.0.0.1:9000`. */
export const endpointUrl = (address: ListenAddress, scheme: 'https' | 'http' = 'https'): string =>
  `${scheme}://${isEverywhere(address) ? '127.0.0.1' : inUrl(address.host)}:${address.port}`

/** Names that the certificate for trying out must cover beside localhost. */
export function certificateNamesFor(address: ListenAddress, domains: readonly string[]): string[] {
  const host = isEverywhere(address) ? hostname() : address.host
  return [host, ...domains.flatMap((domain) => [domain, `*.${domain}`])]
}
