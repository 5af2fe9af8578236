/**
 * The `strongroom` command line, and the port through which it reaches a deployment.
 *
 * @module
 */
export * from './admin.ts'
export { exitCodes } from './exit-codes.ts'
export type { CliPorts, KesPorts, KesServerArguments, Target } from './ports.ts'
export { runCli } from './program.ts'
