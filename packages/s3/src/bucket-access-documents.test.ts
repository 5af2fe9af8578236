import { describe, expect, it } from 'vitest'
import {
  formatOwnershipControls,
  formatPublicAccessBlock,
  parseOwnershipControls,
  parsePublicAccessBlock,
  readOwnership,
} from './bucket-access-documents.ts'
import { failure } from './failure.fixture.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

describe('the public access block', () => {
  it('is read back as it was written', () => {
    const block = {
      blockPublicAcls: true,
      ignorePublicAcls: false,
      blockPublicPolicy: true,
      restrictPublicBuckets: false,
    }
    expect(parsePublicAccessBlock(bytes(formatPublicAccessBlock(block)))).toEqual(block)
  })

  it('is off where nothing is said', () => {
    const none = parsePublicAccessBlock(bytes('<PublicAccessBlockConfiguration/>'))
    expect(Object.values(none)).toEqual([false, false, false, false])
  })

  it.each([
    '<Other/>',
    '<PublicAccessBlockConfiguration><BlockPublicAcls>yes</BlockPublicAcls></PublicAccessBlockConfiguration>',
  ])('refuses "%s"', (text) => {
    expect(failure(() => parsePublicAccessBlock(bytes(text))).code).toBe('MalformedXML')
  })
})

describe('object ownership', () => {
  it('is read back as it was written', () => {
    for (const ownership of ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const) {
      expect(parseOwnershipControls(bytes(formatOwnershipControls(ownership)))).toBe(ownership)
      expect(readOwnership(` ${ownership} `)).toBe(ownership)
    }
  })

  it.each([
    '<OwnershipControls/>',
    '<OwnershipControls><Rule/></OwnershipControls>',
    '<OwnershipControls><Rule><ObjectOwnership>Nobody</ObjectOwnership></Rule></OwnershipControls>',
    '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule><Rule/></OwnershipControls>',
  ])('refuses "%s"', (text) => {
    expect(failure(() => parseOwnershipControls(bytes(text))).code).toBe('MalformedXML')
    expect(readOwnership('objectwriter')).toBeUndefined()
  })
})
