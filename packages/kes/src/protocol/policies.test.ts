import { describe, expect, it } from 'vitest'
import { PolicyTable } from './policies.ts'

describe('policies', () => {
  const table = new PolicyTable({
    adminIdentity: 'admin',
    policies: [
      {
        name: 'app',
        allow: ['/v1/key/generate/app-*', '/v1/a*b', '', '/strongroom/v1/key/rotate/app-*'],
        deny: ['/v1/key/generate/app-x'],
        identities: ['user'],
      },
      { name: 'none', identities: ['nobody'] },
      { name: 'all', allow: ['*', '/*', '/strongroom/*', '/strongroom/v1/key/*'], identities: ['all'] },
    ],
  })

  it.each([
    ['user', '/v1/key/generate/app-1', true],
    ['user', '/v1/key/generate/app-', true],
    ['user', '/v1/key/generate/app-a/b', true],
    ['user', '/v1/key/generate/app', false],
    ['user', '/v1/key/generate/app-x', false],
    ['user', '/v1/key/generate/app-xy', true],
    ['user', '/v1/a*b', true],
    ['user', '/v1/axb', false],
    ['user', '', false],
    ['nobody', '/version', false],
    ['stranger', '/v1/key/generate/app-1', false],
    ['', '/v1/key/generate/app-1', false],
    ['admin', '/anything', true],
    ['ADMIN', '/anything', false],
  ])('%s on %s: %s', (identity, path, isAllowed) => {
    expect(table.isAllowed(identity, path)).toBe(isAllowed)
  })

  it.each([
    ['all', '/strongroom/v1/key/rotate/', 'app-1', false],
    ['all', '/strongroom/v1/key/purge/', 'app-1', false],
    ['user', '/strongroom/v1/key/rotate/', 'app-1', true],
    ['user', '/strongroom/v1/key/rotate/', 'other', false],
    ['user', '/strongroom/v1/key/purge/', 'app-1', false],
    ['admin', '/strongroom/v1/key/purge/', 'app-1', true],
  ])('grant %s a route of our own, %s, for %s, by name only: %s', (identity, route, key, isAllowed) => {
    expect(table.isAllowed(identity, route + key, route)).toBe(isAllowed)
  })

  it('list names by the bytes of their text, the admin among the identities', () => {
    expect(table.policyNames('')).toEqual(['all', 'app', 'none'])
    expect(table.identities('')).toEqual(['admin', 'all', 'nobody', 'user'])
    expect(table.identities('u')).toEqual(['user'])
  })

  it.each([
    ['no admin', { adminIdentity: '' }],
    ['an admin that is a proxy', { adminIdentity: 'a', proxyIdentities: ['a'] }],
    ['an admin in a policy', { adminIdentity: 'a', policies: [{ name: 'p', identities: ['a'] }] }],
    [
      'a proxy in a policy',
      { adminIdentity: 'a', proxyIdentities: ['b'], policies: [{ name: 'p', identities: ['b'] }] },
    ],
    [
      'one identity twice',
      {
        adminIdentity: 'a',
        policies: [
          { name: 'p', identities: ['b'] },
          { name: 'q', identities: ['b'] },
        ],
      },
    ],
    ['a policy twice', { adminIdentity: 'a', policies: [{ name: 'p' }, { name: 'p' }] }],
    ['a bad policy name', { adminIdentity: 'a', policies: [{ name: '-p' }] }],
    ['a bad identity', { adminIdentity: 'a', policies: [{ name: 'p', identities: ['b c'] }] }],
  ])('are refused with %s', (_what, options) => {
    expect(() => new PolicyTable(options)).toThrow(expect.objectContaining({ code: 'invalid-config' }))
  })
})
