/**
 * AWS Signature Version 4 for S3, both ways: verifying requests, URLs, forms and streamed bodies, and signing them. Pure: no
 * I/O, no clock of its own.
 *
 * @module
 */

export {
  type AuthorizationOptions,
  maxClockSkewMs,
  maxPresignSeconds,
  type ParsedAuthorization,
  parseAuthorization,
} from './authorization.ts'
export {
  AwsChunkedDecoder,
  type AwsChunkedOptions,
  parseDecodedLength,
  parseTrailerNames,
  verifyFirstBytes,
} from './aws-chunked.ts'
export {
  canonicalRequest,
  emptySha256,
  type SignableHeaders,
  type SignableRequest,
  sha256Hex,
  stringToSign,
} from './canonical-request.ts'
export type { ChunkSigning } from './chunk-signature.ts'
export { ClaimCache, type StandingClaim } from './claim-cache.ts'
export { type CredentialScope, formatScope, formatTimestamp, parseTimestamp } from './credential-scope.ts'
export { withHoistedHeaders } from './hoisted-headers.ts'
export { PayloadCheck, type PayloadMode, parsePayloadMode } from './payload.ts'
export {
  checkPostPolicy,
  checkPostSize,
  type ParsedPostSignature,
  type ParsedPostSignatureV2,
  type PostPolicy,
  parsePostPolicy,
  parsePostSignature,
  parsePostSignatureV2,
  postPolicySizeRange,
  signPostPolicy,
  verifyPostSignature,
  verifyPostSignatureV2,
} from './post-policy.ts'
export { decodeUriText, parseQuery } from './query-string.ts'
export {
  type Credentials,
  chunkSigning,
  encodeChunks,
  presign,
  type SignedRequest,
  type SignOptions,
  signRequest,
} from './sign.ts'
export { deriveSigningKey, SigningKeyCache } from './signing-key.ts'
export { SigV4Error, type SigV4ErrorCode, type SigV4ErrorFields } from './sigv4-error.ts'
export { encodeUriComponent, encodeUriPath } from './uri-encoding.ts'
export { verifySignature } from './verify.ts'
