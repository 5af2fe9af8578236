import { describe, expect, it } from 'vitest'
import { proxyFor } from './store-proxy.ts'

const proxy = 'http://proxy.example:3128'

describe('the choice of a proxy', () => {
  const isProxied = (address: string, none?: string): boolean =>
    proxyFor(new URL(address), { https: proxy, http: proxy, ...(none === undefined ? {} : { none }) }) !== undefined

  it('goes by the scheme of the address', () => {
    expect(proxyFor(new URL('https://a.example'), { https: proxy })?.host).toBe('proxy.example:3128')
    expect(proxyFor(new URL('http://a.example'), { https: proxy })).toBeUndefined()
    expect(proxyFor(new URL('https://a.example'), { https: 'proxy.example:3128' })?.port).toBe('3128')
    expect(proxyFor(new URL('https://a.example'), { https: '' })).toBeUndefined()
    expect(proxyFor(new URL('https://a.example'))).toBeUndefined()
  })

  it.each(['https://localhost:8200', 'https://127.0.0.1', 'https://127.9.9.9', 'https://[::1]:8200'])(
    'reaches this machine directly: %s',
    (address) => expect(isProxied(address)).toBe(false),
  )

  it.each(['http://169.254.169.254/metadata/identity/oauth2/token', 'http://[fe80::a9fe:a9fe]/computeMetadata/v1/'])(
    'asks nobody else for the token of this machine: %s',
    (address) => expect(isProxied(address)).toBe(false),
  )

  it.each([
    ['https://vault.example', 'vault.example', false],
    ['https://vault.example', 'VAULT.example', false],
    ['https://a.vault.example', 'vault.example', false],
    ['https://a.vault.example', '.vault.example', false],
    ['https://a.vault.example', '*.vault.example', false],
    ['https://notvault.example', 'vault.example', true],
    ['https://vault.example', 'other.example, *', false],
    ['https://vault.example:8200', 'vault.example:8200', false],
    ['https://vault.example:8201', 'vault.example:8200', true],
    ['https://vault.example', 'vault.example:443', false],
    ['https://10.1.2.3', '10.0.0.0/8', false],
    ['https://11.1.2.3', '10.0.0.0/8', true],
    ['https://10.1.2.3', '10.1.2.3', false],
    ['https://10.1.2.3', '2.3', true],
    ['https://[fd00::1]', 'fd00::/8', false],
    ['https://[fd00::1]:8200', '[fd00::1]:8200', false],
    ['https://10.1.2.3', '10.0.0.0/99', true],
    ['https://10.1.2.3', 'x/8', true],
    ['https://vault.example', ' , ,', true],
  ])('%s with NO_PROXY %j: %s', (address, none, expected) => {
    expect(isProxied(address, none)).toBe(expected)
  })

  it.each(['socks5://proxy.example', 'http://', 'http://a b'])('refuses the proxy %j', (https) => {
    expect(() => proxyFor(new URL('https://a.example'), { https })).toThrow('proxy')
  })
})
