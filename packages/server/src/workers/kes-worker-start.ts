/**
 * What main and a worker of a key service say to each other (ADR 20).
 *
 * @module
 */
import type { KesServerArguments } from '@strongroom/cli'
import type { KesLogReaders, KesMetricFamilies } from '@strongroom/kes'
import type { Environment } from '../settings/read-environment.ts'

/** What a worker is told before it serves. It reads the config file itself. */
export interface KesWorkerStart {
  readonly given: KesServerArguments
  /** What `${NAME}` stands for in the config file, and the credentials of key stores. */
  readonly environment: Environment
  readonly version: string
  /** When main started, in milliseconds since 1970. */
  readonly startedAtMs: number
}

export interface KesWorkerCalls {
  /** Answered when it serves. */
  readonly serve: readonly [KesWorkerStart, null]
  readonly forgetKey: readonly [string, null]
  readonly metrics: readonly [null, KesMetricFamilies]
  /** Which logs others want the lines of; answered when every line from then on is sent. */
  readonly forward: readonly [KesLogReaders, null]
  /** Reads the config file again. */
  readonly reload: readonly [null, null]
  /** Lets requests in flight end, then closes everything. */
  readonly stop: readonly [null, null]
}

export interface KesMainCalls {
  /** Answered when no other process remembers anything of the key. */
  readonly keyChanged: readonly [string, null]
  /** Of all processes together. */
  readonly metrics: readonly [null, KesMetricFamilies]
  /** Which logs are read at this worker; answered when the others forward theirs. */
  readonly readers: readonly [KesLogReaders, null]
}

/** The frame that carries the lines of a log for those who read it elsewhere. */
export const eventFrames = { audit: 'auditEvent', error: 'errorEvent' } as const satisfies Record<
  keyof KesLogReaders,
  string
>
