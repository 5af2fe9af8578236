/**
 * The engine: what an object is.
 *
 * @module
 */

export type { DefaultEncryption, EngineOptions } from './context.ts'
export type * from './contract.ts'
export { createEngine, type EngineMaintenance, type MaintainedEngine } from './engine.ts'
export * from './engine-error.ts'
export * from './inspection.ts'
export { isKeyId } from './key-registry.ts'
export { letGo, letGoOfCiphered } from './let-go.ts'
export type { SweepReport } from './sweep.ts'
export type { WriteSpace } from './write-space.ts'
