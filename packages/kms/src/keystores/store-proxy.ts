/**
 * Which requests to a key store go through a proxy, as the usual variables `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` have
 * it. Their values come with the settings: nothing here reads the environment.
 *
 * @module
 */
import { BlockList, isIP } from 'node:net'
import { KmsError } from '../kms-error.ts'

/** Proxies by the scheme of the store's address. */
export interface ProxySettings {
  /** For `https:` addresses: `http://[user:password@]host:port`, or `https://…`. */
  readonly https?: string
  /** For `http:` addresses. */
  readonly http?: string
  /** Hosts without a proxy, by commas: names (with everything below them), addresses, networks, `*`; each may have a port. */
  readonly none?: string
}

/**
 * The proxy for a store's address. This machine is always reached directly, as Go programs do, and so is the metadata service
 * of a cloud, whose answers hold tokens in plaintext.
 *
 * @throws KmsError `unreachable` when the proxy's address makes no sense
 */
export function proxyFor(target: URL, settings: ProxySettings = {}): URL | undefined {
  const address = target.protocol === 'https:' ? settings.https : settings.http
  if (address === undefined || address === '') return undefined
  const host = bareHost(target.hostname)
  if (isNearby(host) || isExempt(host, portOf(target), settings.none ?? '')) return undefined
  const text = address.includes('://') ? address : `http://${address}`
  const proxy = URL.canParse(text) ? new URL(text) : undefined
  if (proxy === undefined || !(proxy.protocol === 'http:' || proxy.protocol === 'https:') || proxy.hostname === '') {
    throw new KmsError('unreachable', 'the address of the proxy is not one of http or https')
  }
  return proxy
}

/** `Proxy-Authorization` of a proxy address that carries user and password. */
export function proxyHeaders(proxy: URL): Readonly<Record<string, string>> {
  if (proxy.username === '') return {}
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials, 'utf8').toString('base64')}` }
}

/** Port of an address, the scheme's own if it names none. */
export function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port)
  return protocol === 'https:' ? 443 : 80
}

/** A host as sockets want it: IPv6 without brackets. */
export function bareHost(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

/** This machine and its link: a proxy would ask its own cloud's metadata service, as itself, and hear the token. */
const nearby = new BlockList()
nearby.addSubnet('127.0.0.0', 8, 'ipv4')
nearby.addAddress('::1', 'ipv6')
nearby.addSubnet('169.254.0.0', 16, 'ipv4')
nearby.addSubnet('fe80::', 10, 'ipv6')

function isNearby(host: string): boolean {
  return host === 'localhost' || contains(nearby, host)
}

function isExempt(host: string, port: number, none: string): boolean {
  return none.split(',').some((entry) => matches(entry.trim().toLowerCase(), host.toLowerCase(), port))
}

function matches(entry: string, host: string, port: number): boolean {
  if (entry === '') return false
  if (entry === '*') return true
  if (entry.includes('/')) return isInNetwork(entry, host)
  const withPort = /^(?<name>[^:]+|\[[^\]]+\]):(?<port>\d{1,5})$/.exec(entry)?.groups
  if (withPort?.port !== undefined && Number(withPort.port) !== port) return false
  const name = bareHost(withPort?.name ?? entry).replace(/^\*?\./, '')
  return host === name || (isIP(host) === 0 && host.endsWith(`.${name}`))
}

function isInNetwork(entry: string, host: string): boolean {
  const [address = '', bits = ''] = entry.split('/')
  const version = isIP(address)
  if (version === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (version === 4 ? 32 : 128)) return false
  const network = new BlockList()
  network.addSubnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6')
  return contains(network, host)
}

function contains(list: BlockList, host: string): boolean {
  const version = isIP(host)
  return version !== 0 && list.check(host, version === 4 ? 'ipv4' : 'ipv6')
}
