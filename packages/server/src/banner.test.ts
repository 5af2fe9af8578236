import { describe, expect, it } from 'vitest'
import { type BannerFacts, banner } from './banner.ts'

const facts: BannerFacts = {
  version: '0.1.0',
  endpoints: ['https://127.0.0.1:9000'],
  dataDirectory: '/data',
  caFile: '/data/certs/ca.crt',
  isTrialRootKey: true,
  credentials: { accessKeyId: 'ACCESS', secretAccessKey: 'SECRET' },
  hasOwnCredentials: false,
  isTerminal: true,
  command: 'npx strongroom',
  target: '',
}

describe('the banner', () => {
  it('tells a person at a terminal all that is needed', () => {
    const text = banner(facts)
    for (const part of [
      'https://127.0.0.1:9000',
      '/data/certs/ca.crt',
      'ACCESS',
      'SECRET',
      'eval "$(npx strongroom env)"',
    ]) {
      expect(text).toContain(part)
    }
  })

  it('shows no secret where the output is not a terminal, and says how to get it', () => {
    const text = banner({ ...facts, isTerminal: false })
    expect(text).not.toContain('SECRET')
    expect(text).not.toContain('ACCESS')
    expect(text).toContain('npx strongroom credentials')
  })

  it('names the deployment where the command line would look for another', () => {
    expect(banner({ ...facts, target: ' --data /data' })).toContain('eval "$(npx strongroom env --data /data)"')
  })

  it('does not repeat credentials that were set', () => {
    expect(banner({ ...facts, hasOwnCredentials: true })).not.toContain('SECRET')
  })
})
