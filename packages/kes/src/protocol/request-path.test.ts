import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeEscapes, resolveTarget } from './request-path.ts'
import { RouteTable } from './routes.ts'

const table = new RouteTable()

describe('a request target', () => {
  it('leads to its route, and a prefix to its resource', () => {
    expect(resolveTarget('/v1/status', table)).toMatchObject({ kind: 'route', route: { name: 'status' }, resource: '' })
    expect(resolveTarget('/v1/key/create/a-b_c', table)).toMatchObject({
      route: { name: 'key-create' },
      resource: 'a-b_c',
      path: '/v1/key/create/a-b_c',
    })
    expect(resolveTarget('/v1/key/list/', table)).toMatchObject({ route: { name: 'key-list' }, resource: '' })
    expect(resolveTarget('/strongroom/v1/key/lock/k', table)).toMatchObject({
      route: { name: 'key-lock' },
      resource: 'k',
    })
    expect(resolveTarget('/v1/key/lock/k', table)).toEqual({ kind: 'unknown' })
  })

  it('is judged by its decoded path, so that an escape hides nothing from a policy', () => {
    expect(resolveTarget('/v1/key/create/app-%73ecret?x=%zz', table)).toMatchObject({
      kind: 'route',
      path: '/v1/key/create/app-secret',
    })
    expect(resolveTarget('/v1/key/%64elete/k', table)).toMatchObject({
      route: { name: 'key-delete' },
      path: '/v1/key/delete/k',
    })
    expect(resolveTarget('/v1/key/list/a%2F..%2Fb', table)).toMatchObject({ resource: 'a/../b' })
    expect(resolveTarget('/v1/key%2Flist/', table)).toEqual({ kind: 'unknown' })
    expect(resolveTarget('/v1%2Fstatus', table)).toEqual({ kind: 'unknown' })
  })

  it('is redirected when it is not clean or lacks the slash of its prefix', () => {
    const location = (target: string) => resolveTarget(target, table)
    expect(location('/v1/key/list?a=b')).toEqual({ kind: 'redirect', location: '/v1/key/list/?a=b' })
    expect(location('//v1/./x/../key/list//')).toEqual({ kind: 'redirect', location: '/v1/key/list/' })
    expect(location('//evil.example/..//')).toEqual({ kind: 'redirect', location: '/' })
    expect(location('/strongroom/v1/key/lock')).toEqual({ kind: 'redirect', location: '/strongroom/v1/key/lock/' })
  })

  it('is malformed with a broken escape or a control character', () => {
    for (const target of ['/%', '/%2', '/%zz', '/a\u0001', '/a\u007f', '*', '']) {
      expect(resolveTarget(target, table)).toEqual({ kind: 'malformed' })
    }
  })

  it('never makes trouble, and never redirects away from this server', () => {
    const parts = fc.constantFrom(
      '/',
      '//',
      '.',
      '..',
      '%',
      '%2e',
      '%2F',
      '%ff',
      'v1',
      'key',
      'list',
      'create',
      'status',
      '?',
      'a',
      '\\',
      '\u00e9',
    )
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 12 }), (pieces) => {
        const target = resolveTarget(`/${pieces.join('')}`, table)
        if (target.kind === 'redirect') {
          expect(target.location).toMatch(/^\/(?!\/)[\u0020-\u007e]*$/)
          // Not round in circles.
          const next = resolveTarget(target.location, table)
          expect(next.kind === 'redirect' ? next.location : '').not.toBe(target.location)
        }
      }),
      { interruptAfterTimeLimit: 2_000, numRuns: 3_000 },
    )
  })

  it('gives back any name that was escaped', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (name) => {
        expect(decodeEscapes(encodeURIComponent(name))).toBe(name)
      }),
      { interruptAfterTimeLimit: 2_000, numRuns: 300 },
    )
  })
})
