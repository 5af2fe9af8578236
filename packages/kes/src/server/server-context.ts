/**
 * What all handlers of a server share, and what a handler is.
 *
 * @module
 */
import type { KesNeighbours } from '../contract.ts'
import type { RouteName } from '../protocol/routes.ts'
import type { Audit } from './audit.ts'
import type { Call } from './call.ts'
import type { ErrorLog } from './error-log.ts'
import type { KesMetrics } from './kes-metrics.ts'
import type { LogStream } from './log-stream.ts'
import type { LargeBodies } from './request-body.ts'

export interface ServerContext {
  readonly metrics: KesMetrics
  readonly audit: Audit
  readonly errorLog: ErrorLog
  readonly auditStream: LogStream
  readonly errorStream: LogStream
  readonly largeBodies: LargeBodies
  /** `undefined`: this process serves alone. */
  readonly neighbours: KesNeighbours | undefined
  readonly version: string
  readonly commit: string
  /** RFC 3339: what policies and identities say of their making. */
  readonly startedAt: string
  readonly uptimeMs: () => number
  readonly connections: () => number
}

/** Answers a call, or throws. The answer may come later: then the promise says when it is out. */
export type RouteHandler = (call: Call, context: ServerContext) => Promise<void> | void

export type Handlers = Readonly<Record<RouteName, RouteHandler>>
