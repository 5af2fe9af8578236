/**
 * The engine: what an object is.
 *
 * @module
 */

export type * from './contract.ts'
export * from './engine-error.ts'
