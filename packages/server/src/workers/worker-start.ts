/**
 * What a worker is told before it serves (ADR 20), beside the keyring.
 *
 * @module
 */
import type { DataDirectory } from '../data-directory.ts'
import type { Environment } from '../settings/read-environment.ts'
import type { Settings } from '../settings/setting-table.ts'

export interface WorkerStart {
  /** Those of the server, with its share of what is divided among workers. */
  readonly settings: Settings
  readonly directory: DataDirectory
  readonly certsDirectory: string
  /** What `${NAME}` stands for in the section `keystore`. */
  readonly environment: Environment
  readonly version: string
  /** Hex digits of the id of its writer session. */
  readonly sessionId: string
  readonly writesAccessLog: boolean
}

/** With an accepted connection, over the IPC channel. */
export interface HandOver {
  readonly plaintext: boolean
}

/** File descriptor of the worker's end of the socket pair. */
export const linkDescriptor = 4

/** What each of several workers gets of a server's limits. */
export function shareOf(settings: Settings): Settings {
  const share = (whole: number): number => Math.ceil(whole / settings.workers)
  return {
    ...settings,
    maxConnections: share(settings.maxConnections),
    kmsConcurrency: share(settings.kmsConcurrency),
    kmsQueue: share(settings.kmsQueue),
  }
}
