/**
 * The S3 wire: requests to typed operations, results to headers and XML, the error table. No sockets, no storage.
 *
 * @module
 */

export { formatOwnerAcl } from './acl-document.ts'
export {
  formatOwnershipControls,
  formatPublicAccessBlock,
  type ObjectOwnership,
  type PublicAccessBlock,
  parseOwnershipControls,
  parsePublicAccessBlock,
  readOwnership,
} from './bucket-access-documents.ts'
export {
  formatLocation,
  formatVersioning,
  parseCreateBucket,
  parseCreateBucketHeaders,
  parseVersioning,
} from './bucket-documents.ts'
export { type BucketEncryption, formatBucketEncryption, parseBucketEncryption } from './bucket-encryption.ts'
export {
  addChecksumHeaders,
  type ChecksumAlgorithm,
  type ChecksumType,
  checksumAlgorithms,
  decodeChecksum,
  type ObjectChecksum,
  parseChecksumAlgorithm,
  parseChecksumType,
  parseCompleteChecksum,
  parseContentMd5,
  parseRequestChecksum,
  parseTrailerChecksum,
  parseUploadChecksum,
  type RequestChecksum,
  wantsChecksum,
} from './checksum-headers.ts'
export {
  bareEtag,
  type DeleteConditions,
  type EtagCondition,
  parseCopySourceConditions,
  parseDeleteConditions,
  parseIfRange,
  parseReadConditions,
  parseWriteConditions,
  type ReadConditions,
  type WriteConditions,
} from './conditions.ts'
export { type CopySourceReference, type Directive, parseCopySource, parseDirective } from './copy-source.ts'
export {
  type DeleteEntry,
  type DeleteOutcome,
  type DeleteRequest,
  formatDeleteResult,
  maxDeleteDocumentBytes,
  parseDelete,
} from './delete-documents.ts'
export { badChecksum, checkDocumentDigest } from './document-digest.ts'
export {
  asksForCustomerKey,
  type Compatibility,
  type CustomerKey,
  checkCustomerKeyTransport,
  checkKmsTransport,
  type EncryptionRequest,
  isKmsMethod,
  parseCopySourceKey,
  parseCustomerKey,
  parseEncryption,
  type RequestHeaders,
  type RequestTransport,
  refuseEncryptionHeaders,
  sseHeaders,
} from './encryption-headers.ts'
export { addEncryptionHeaders, type EncryptionInfo } from './encryption-response.ts'
export { describeError, type ErrorContext, type ErrorResponse, formatError } from './error-response.ts'
export { type ErrorEntry, errorEntry, errorReference, errorTable, type S3ErrorCode } from './error-table.ts'
export { formatHttpDate, parseHttpDate } from './http-date.ts'
export {
  formatListBuckets,
  formatListObjects,
  formatListObjectsV2,
  formatListParts,
  formatListUploads,
  formatListVersions,
} from './listing-documents.ts'
export {
  type ListBucketsParameters,
  type ListObjectsParameters,
  type ListObjectsV2Parameters,
  type ListPartsParameters,
  type ListUploadsParameters,
  type ListVersionsParameters,
  parseListBuckets,
  parseListObjects,
  parseListObjectsV2,
  parseListParts,
  parseListUploads,
  parseListVersions,
} from './listing-parameters.ts'
export {
  type CompletedPart,
  formatCompleteResult,
  formatInitiateResult,
  maxCompleteDocumentBytes,
  parseComplete,
} from './multipart-documents.ts'
export {
  type AttributesRequest,
  formatAttributes,
  formatCopyResult,
  formatPostSuccess,
  formObjectName,
  objectPath,
  type PostSuccess,
  parseAttributesRequest,
} from './object-documents.ts'
export {
  addObjectHeaders,
  applyResponseOverrides,
  checkAclHeaders,
  checkExpectedOwner,
  checkObjectLockHeaders,
  formFieldsAsHeaders,
  isPublicAcl,
  type ObjectMetadata,
  parseObjectMetadata,
  parseStorageClass,
  type ShownObject,
} from './object-headers.ts'
export { type OperationRequest, resolveOperation, type S3Operation } from './operation.ts'
export { canonicalUserId, formatOwner } from './owner.ts'
export { parseInteger, parseLimit, parseVersionId } from './query-parameters.ts'
export {
  checkRangeAndPart,
  formatContentRange,
  maxPartNumber,
  parseCopySourceRange,
  parsePartNumber,
  parseRange,
  type RangeRequest,
} from './range.ts'
export { checkName, isBucketName, maxNameBytes, parseRequestTarget, type RequestTarget } from './request-target.ts'
export {
  type ErrorFields,
  invalidArgument,
  malformedXml,
  notImplemented,
  S3Error,
  type S3ErrorOptions,
} from './s3-error.ts'
export { checkTags, formatTagging, parseTagging, parseTaggingHeader, type Tags } from './tags.ts'
export {
  element,
  escapeXml,
  plainXmlDocument,
  quoteEtag,
  s3Namespace,
  wrap,
  xmlDocument,
  xmlTimestamp,
} from './xml-writer.ts'
