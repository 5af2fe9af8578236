/**
 * Documents about who may reach a bucket: public access block and object ownership ("Blocking public access", "Controlling
 * ownership of objects" of the S3 user guide).
 *
 * @module
 */

import { malformedXml } from './s3-error.ts'
import { childBoolean, childText, parseXml, requireRoot } from './xml-reader.ts'
import { element, wrap, xmlDocument } from './xml-writer.ts'

/** What a bucket refuses or ignores of what would make it public. */
export interface PublicAccessBlock {
  readonly blockPublicAcls: boolean
  readonly ignorePublicAcls: boolean
  readonly blockPublicPolicy: boolean
  readonly restrictPublicBuckets: boolean
}

/** @throws S3Error `MalformedXML`; what is not named is off */
export function parsePublicAccessBlock(body: Uint8Array): PublicAccessBlock {
  const root = requireRoot(parseXml(body), 'PublicAccessBlockConfiguration')
  const isOn = (name: string): boolean => childBoolean(root, name) ?? false
  return {
    blockPublicAcls: isOn('BlockPublicAcls'),
    ignorePublicAcls: isOn('IgnorePublicAcls'),
    blockPublicPolicy: isOn('BlockPublicPolicy'),
    restrictPublicBuckets: isOn('RestrictPublicBuckets'),
  }
}

/** The answer of GetPublicAccessBlock. */
export function formatPublicAccessBlock(block: PublicAccessBlock): string {
  return xmlDocument(
    'PublicAccessBlockConfiguration',
    element('BlockPublicAcls', block.blockPublicAcls) +
      element('IgnorePublicAcls', block.ignorePublicAcls) +
      element('BlockPublicPolicy', block.blockPublicPolicy) +
      element('RestrictPublicBuckets', block.restrictPublicBuckets),
  )
}

/** Whose the objects are that others write into a bucket. */
export type ObjectOwnership = 'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter'

const ownerships: readonly string[] = [
  'BucketOwnerEnforced',
  'BucketOwnerPreferred',
  'ObjectWriter',
] satisfies readonly ObjectOwnership[]

function isOwnership(text: string | undefined): text is ObjectOwnership {
  return text !== undefined && ownerships.includes(text)
}

/** The value of a header or an element, or `undefined` if it is none. */
export function readOwnership(text: string | undefined): ObjectOwnership | undefined {
  const value = text?.trim()
  return isOwnership(value) ? value : undefined
}

/** @throws S3Error `MalformedXML` */
export function parseOwnershipControls(body: Uint8Array): ObjectOwnership {
  const root = requireRoot(parseXml(body), 'OwnershipControls')
  const [rule, ...others] = root.children
  if (rule?.name !== 'Rule' || others.length > 0) throw malformedXml()
  const ownership = readOwnership(childText(rule, 'ObjectOwnership'))
  if (ownership === undefined) throw malformedXml()
  return ownership
}

/** The answer of GetBucketOwnershipControls. */
export function formatOwnershipControls(ownership: ObjectOwnership): string {
  return xmlDocument('OwnershipControls', wrap('Rule', element('ObjectOwnership', ownership)))
}
