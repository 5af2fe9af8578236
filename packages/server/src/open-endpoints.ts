/**
 * Where a server listens, by its settings.
 *
 * @module
 */
import type { Endpoint } from '@strongroom/http'
import { endpointUrl, formatAddress } from './endpoints.ts'
import { ServerError } from './server-error.ts'
import type { ListenAddress } from './settings/setting-kinds.ts'
import type { Settings } from './settings/setting-table.ts'

/** Empty host: every interface of either family, or of IPv4 where there is no IPv6. */
const hostsOf = ({ host }: ListenAddress): readonly string[] => (host === '' ? ['::', '0.0.0.0'] : [host])

/**
 * Has `open` listen where the settings say, and puts what stops it into words.
 *
 * @throws ServerError `address-in-use`
 */
export async function openEndpoints<T>(
  settings: Settings,
  open: (endpoints: readonly Endpoint[]) => Promise<T>,
): Promise<T> {
  const attempts = hostsOf(settings.address)
  for (const [index, host] of attempts.entries()) {
    const endpoints: Endpoint[] = [{ host, port: settings.address.port }]
    if (settings.plaintextAddress !== undefined) {
      const { host: plainHost, port } = settings.plaintextAddress
      endpoints.push({ host: plainHost === '' ? host : plainHost, port, plaintext: true })
    }
    try {
      return await open(endpoints)
    } catch (error) {
      if (index + 1 === attempts.length || causeCode(error) !== 'EAFNOSUPPORT') throw listenError(error, settings)
    }
  }
  throw new ServerError('internal', 'there is no address to listen on')
}

const causeCode = (error: unknown): unknown =>
  error instanceof Error && error.cause instanceof Error && 'code' in error.cause ? error.cause.code : undefined

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another program: choose another with --address',
  EACCES: 'may not be used by this user: ports below 1024 are for root',
  EADDRNOTAVAIL: 'is not an address of this machine',
  ENOTFOUND: 'is not an address of this machine',
}

function listenError(error: unknown, { address, plaintextAddress }: Settings): unknown {
  const code = String(causeCode(error))
  const reason = reasons[code]
  if (reason === undefined) return error
  const wanted = [address, ...(plaintextAddress === undefined ? [] : [plaintextAddress])].map(formatAddress)
  return new ServerError('address-in-use', `${wanted.join(' or ')} ${reason}`, { cause: error })
}

/** The URLs of a server that listens on these addresses: TLS first. */
export const urlsOf = (
  { address, plaintextAddress }: Settings,
  addresses: readonly { readonly port: number }[],
): string[] => {
  const ports = addresses.map(({ port }) => port)
  const urls = [endpointUrl({ host: address.host, port: ports[0] ?? 0 })]
  if (plaintextAddress !== undefined)
    urls.push(endpointUrl({ host: plaintextAddress.host, port: ports[1] ?? 0 }, 'http'))
  return urls
}
