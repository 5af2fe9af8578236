/**
 * Documents about buckets: creating, location, versioning.
 *
 * @module
 */

import { type ObjectOwnership, readOwnership } from './bucket-access-documents.ts'
import type { RequestHeaders } from './encryption-headers.ts'
import { invalidArgument, malformedXml, notImplemented, S3Error } from './s3-error.ts'
import { checkTags, type Tags } from './tags.ts'
import { childText, onlyChild, parseXml, requireRoot, type XmlElement } from './xml-reader.ts'
import { element, xmlDocument } from './xml-writer.ts'

/**
 * CreateBucket: the location must be ours.
 *
 * @throws S3Error `MalformedXML`, `IllegalLocationConstraintException`, `InvalidTag`; `NotImplemented` for directory buckets
 */
export function parseCreateBucket(body: Uint8Array, region: string): { readonly tags?: Tags } {
  if (body.length === 0) return {}
  const root = requireRoot(parseXml(body), 'CreateBucketConfiguration')
  if (onlyChild(root, 'Location') !== undefined || onlyChild(root, 'Bucket') !== undefined) {
    throw new S3Error('NotImplemented', { message: 'Directory buckets are not implemented' })
  }
  const wanted = childText(root, 'LocationConstraint')?.trim() ?? ''
  const accepted = wanted === '' || wanted === region || (wanted === 'EU' && region === 'eu-west-1')
  if (!accepted) {
    throw new S3Error('IllegalLocationConstraintException', {
      message: `The ${wanted} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    })
  }
  const tags = onlyChild(root, 'Tags')
  return tags === undefined ? {} : { tags: tagsOf(tags) }
}

function tagsOf(set: XmlElement): Tags {
  const tags = set.children.map((tag) => {
    const key = childText(tag, 'Key')
    const value = childText(tag, 'Value')
    if (tag.name !== 'Tag' || key === undefined || value === undefined) throw malformedXml()
    return { key, value }
  })
  checkTags(tags, 'bucket')
  return tags
}

/**
 * Headers of CreateBucket: who owns the objects. Object lock would be more than there is.
 *
 * @throws S3Error `NotImplemented`, `InvalidArgument`
 */
export function parseCreateBucketHeaders(headers: RequestHeaders): { readonly objectOwnership?: ObjectOwnership } {
  const lock = headers['x-amz-bucket-object-lock-enabled']
  if (lock !== undefined && lock.toLowerCase() !== 'false') {
    throw notImplemented('Header', 'x-amz-bucket-object-lock-enabled')
  }
  const text = headers['x-amz-object-ownership']
  if (text === undefined) return {}
  const objectOwnership = readOwnership(text)
  if (objectOwnership === undefined) {
    throw invalidArgument('Invalid x-amz-object-ownership header.', 'x-amz-object-ownership', text.slice(0, 64))
  }
  return { objectOwnership }
}

/** The answer of GetBucketLocation: empty for us-east-1, as on AWS. */
export function formatLocation(region: string): string {
  return xmlDocument('LocationConstraint', region === 'us-east-1' ? '' : region)
}

/** @throws S3Error `MalformedXML`, `IllegalVersioningConfigurationException`; `NotImplemented` for MFA delete */
export function parseVersioning(body: Uint8Array): 'enabled' | 'suspended' {
  const root = requireRoot(parseXml(body), 'VersioningConfiguration')
  const mfaDelete = childText(root, 'MfaDelete') ?? childText(root, 'MFADelete') ?? 'Disabled'
  if (mfaDelete !== 'Disabled') throw new S3Error('NotImplemented', { message: 'MFA delete is not implemented' })
  const status = childText(root, 'Status')
  if (status === undefined) throw new S3Error('IllegalVersioningConfigurationException')
  if (status === 'Enabled') return 'enabled'
  if (status === 'Suspended') return 'suspended'
  throw malformedXml()
}

const versioningStatus = { unset: undefined, enabled: 'Enabled', suspended: 'Suspended' } as const

/** The answer of GetBucketVersioning: no status where it was never set. */
export function formatVersioning(state: keyof typeof versioningStatus): string {
  return xmlDocument('VersioningConfiguration', element('Status', versioningStatus[state]))
}
