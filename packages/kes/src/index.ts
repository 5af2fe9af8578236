/**
 * The KES protocol: a server that KES clients cannot tell from MinIO KES, and a client that speaks to either.
 * DESIGN 7; wire behaviour: kes-protocol.
 *
 * @module
 */
export type * from './contract.ts'
export { extensionPaths } from './contract.ts'
export { KesError, type KesErrorCode } from './kes-error.ts'
