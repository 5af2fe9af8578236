/**
 * The default encryption of a bucket: server-side-encryption.md 2.1 and 2.2, AWS column.
 *
 * @module
 */

import { isKmsMethod, noBucketKey } from './encryption-headers.ts'
import { invalidArgument, malformedXml, S3Error } from './s3-error.ts'
import { childBoolean, childText, onlyChild, parseXml, requireRoot, type XmlElement } from './xml-reader.ts'
import { element, wrap, xmlDocument } from './xml-writer.ts'

/** The rule; the same shape as the engine's. */
export interface BucketEncryption {
  readonly algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse'
  readonly keyId?: string
  readonly bucketKeyEnabled: boolean
  /** `BlockedEncryptionTypes` names `SSE-C`. */
  readonly blocksSseC: boolean
}

/**
 * The body of PutBucketEncryption. Whether the key exists is not asked, as on AWS.
 *
 * @throws S3Error `MalformedXML`, `InvalidArgument`
 */
export function parseBucketEncryption(body: Uint8Array): BucketEncryption {
  const root = requireRoot(parseXml(body), 'ServerSideEncryptionConfiguration')
  const rule = onlyChild(root, 'Rule')
  if (rule === undefined || root.children.length !== 1) throw malformedXml()
  const blocked = onlyChild(rule, 'BlockedEncryptionTypes')
  const byDefault = onlyChild(rule, 'ApplyServerSideEncryptionByDefault')
  // A rule that only blocks leaves the default of AWS in place.
  if (byDefault === undefined && blocked === undefined) throw malformedXml()
  const chosen = byDefault === undefined ? { algorithm: 'AES256' as const } : parseDefault(byDefault)
  const bucketKeyEnabled = childBoolean(rule, 'BucketKeyEnabled') ?? false
  if (bucketKeyEnabled && chosen.algorithm === 'aws:kms:dsse') throw noBucketKey('BucketKeyEnabled')
  return {
    ...chosen,
    bucketKeyEnabled,
    blocksSseC: blocked !== undefined && blocksSseC(blocked),
  }
}

/** Longest key id that KMS takes (its API reference, "KeyId"), in bytes. */
const maxKeyIdBytes = 2048

function parseDefault(byDefault: XmlElement): Pick<BucketEncryption, 'algorithm' | 'keyId'> {
  const algorithm = childText(byDefault, 'SSEAlgorithm')?.trim()
  const keyId = childText(byDefault, 'KMSMasterKeyID')?.trim() ?? ''
  if (isKmsMethod(algorithm)) {
    if (Buffer.byteLength(keyId) > maxKeyIdBytes) {
      const message = `A KMSMasterKeyID has at most ${maxKeyIdBytes} bytes`
      throw invalidArgument(message, 'ApplyServerSideEncryptionByDefault')
    }
    return keyId === '' ? { algorithm } : { algorithm, keyId }
  }
  if (algorithm !== 'AES256') throw malformedXml()
  if (keyId !== '') {
    throw new S3Error('InvalidArgument', {
      message: 'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
      fields: { ArgumentName: 'ApplyServerSideEncryptionByDefault' },
    })
  }
  return { algorithm }
}

function blocksSseC(blocked: XmlElement): boolean {
  const types = blocked.children.map((child) => {
    const type = child.text.trim()
    if (child.name !== 'EncryptionType' || (type !== 'NONE' && type !== 'SSE-C')) throw malformedXml()
    return type
  })
  if (types.length === 0 || (types.length > 1 && types.includes('NONE'))) throw malformedXml()
  return types.includes('SSE-C')
}

/** The answer of GetBucketEncryption. */
export function formatBucketEncryption(encryption: BucketEncryption): string {
  const byDefault = element('SSEAlgorithm', encryption.algorithm) + element('KMSMasterKeyID', encryption.keyId)
  const blocked = encryption.blocksSseC ? wrap('BlockedEncryptionTypes', element('EncryptionType', 'SSE-C')) : ''
  const rule =
    wrap('ApplyServerSideEncryptionByDefault', byDefault) +
    element('BucketKeyEnabled', encryption.bucketKeyEnabled) +
    blocked
  return xmlDocument('ServerSideEncryptionConfiguration', wrap('Rule', rule))
}
