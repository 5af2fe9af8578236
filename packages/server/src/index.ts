/**
 * The server as a library: for tests, the demo and the benchmark. The program is `./main.ts`.
 *
 * @module
 */
export { createLog } from './log.ts'
export { type RunningServer, type ServeOptions, startServer } from './serve.ts'
export { ServerError, type ServerErrorCode } from './server-error.ts'
export { type ResolvedSettings, resolveSettings, type SettingsSources } from './settings/resolve-settings.ts'
export type { Settings } from './settings/setting-table.ts'
export { KesPool } from './workers/kes-pool.ts'
