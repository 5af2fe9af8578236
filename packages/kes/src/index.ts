/**
 * The KES protocol: a server that KES clients cannot tell from MinIO KES, and a client that speaks to either.
 * DESIGN 7; wire behaviour: kes-protocol.
 *
 * @module
 */
export type {
  KesIdentityInfo,
  KesKeyInfo,
  KesListing,
  KesPolicyInfo,
  KesPolicyRules,
  KesRouteInfo,
  KesStatus,
  KesVersion,
} from './client/answers.ts'
export {
  formatApiKey,
  identityOfCertificate,
  identityOfPublicKey,
  identityOfSeed,
  parseApiKey,
  seedOfPrivateKey,
} from './client/api-key.ts'
export type { KesCredentials } from './client/credentials.ts'
export { type KesEndpoint, parseEndpoint, parseEndpoints } from './client/endpoints.ts'
export { decodeGoBase64, describeBadBase64 } from './client/go-base64.ts'
export { KesClient, type KesDataKey } from './client/kes-client.ts'
export type { KesCallOptions, KesClientDependencies, KesClientOptions } from './client/kes-connection.ts'
export { KesKms } from './client/kes-kms.ts'
export { type CertificateOptions, type KeyPairPem, makeCertificate } from './client/make-certificate.ts'
export { checkKesConfig, type KesConfigReport } from './config/check-config.ts'
export { formatGoDuration, parseGoDuration } from './config/go-duration.ts'
export { type KesAddress, type KesConfig, parseKesAddress, parseKesConfig } from './config/kes-config.ts'
export { kesServerOptions, loadKesConfig, loadKesStore } from './config/load-kes-config.ts'
export { openKesStore } from './config/open-kes-store.ts'
export { readCertificateAuthorities, readPrivateKey } from './config/read-tls.ts'
export { describeStore, type KesStoreConfig } from './config/store-config.ts'
export { keyStoreSettings } from './config/store-settings.ts'
export type * from './contract.ts'
export { extensionPaths } from './contract.ts'
export { KesError, type KesErrorCode } from './kes-error.ts'
export { type MigrationProgress, type MigrationReport, migrateKeys } from './migration/migrate-keys.ts'
export { startKesServer } from './server/kes-server.ts'
export { mergeFamilies as mergeKesMetrics } from './server/metric-families.ts'
