/**
 * The S3 operations: parse, authorise, engine, format.
 *
 * @module
 */

export type { UnexpectedErrorListener } from './call.ts'
export { createS3Handler, type S3HandlerOptions } from './handler.ts'
export { operationNames } from './operations.ts'
export * from './request.ts'
