/**
 * Accounts, access keys, and the decision who may do what.
 *
 * @module
 */

export type { RecordSealing } from './account-records.ts'
export * from './accounts.ts'
export * from './accounts-error.ts'
export { type AccountProblem, type AccountRepair, checkAccounts } from './check-accounts.ts'
export { newAccessKeyId, newSecretAccessKey, type RandomBytes } from './credentials.ts'
export * from './principal.ts'
