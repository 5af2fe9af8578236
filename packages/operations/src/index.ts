/**
 * The S3 operations: parse, authorise, engine, format.
 *
 * @module
 */

export * from './request.ts'
