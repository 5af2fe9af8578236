/**
 * A request's way to its handler and what is noted of it afterwards. The order is KES's (kes-protocol 2.1): route, method,
 * identity and policy, then the handler.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Connection, DirectHandler } from '@strongroom/http'
import { resolveTarget } from '../protocol/request-path.ts'
import type { RouteName } from '../protocol/routes.ts'
import { namedIn } from '../protocol/routes.ts'
import { Call } from './call.ts'
import { Callers } from './caller.ts'
import { Deadlines } from './deadlines.ts'
import * as extensions from './extension-handlers.ts'
import type { Generation } from './generation.ts'
import { refuseNotAllowed } from './key-errors.ts'
import * as keys from './key-handlers.ts'
import * as policies from './policy-handlers.ts'
import type { Handlers, ServerContext } from './server-context.ts'
import * as server from './server-handlers.ts'
import { answerUnrouted } from './unrouted.ts'

const handlers: Handlers = {
  version: server.version,
  ready: server.ready,
  status: server.status,
  metrics: server.metrics,
  api: server.listRoutes,
  'key-create': keys.createKey,
  'key-import': keys.importKey,
  'key-describe': keys.describeKey,
  'key-list': keys.listKeys,
  'key-delete': keys.deleteKey,
  'key-generate': keys.generateKey,
  'key-encrypt': keys.encrypt,
  'key-decrypt': keys.decrypt,
  'key-hmac': keys.hmac,
  'policy-describe': policies.describePolicy,
  'policy-read': policies.readPolicy,
  'policy-list': policies.listPolicies,
  'identity-describe': policies.describeIdentity,
  'identity-list': policies.listIdentities,
  'identity-self': policies.describeSelf,
  'log-error': server.streamErrors,
  'log-audit': server.streamAudit,
  'key-details': extensions.describeDetails,
  'key-rotate': extensions.rotate,
  'key-lock': extensions.lock,
  'key-unlock': extensions.unlock,
  'key-recover': extensions.recover,
  'key-purge': extensions.purge,
  'key-schedule': extensions.schedule,
  'key-cancel': extensions.cancel,
}

/** Routes that look at more headers, or whose answer goes on. */
const needsStreams: ReadonlySet<RouteName> = new Set<RouteName>(['metrics', 'log-error', 'log-audit'])

/** Serves requests. */
export class Dispatcher {
  /** Requests that come from now on are served by this one. */
  generation: Generation
  readonly #context: ServerContext
  readonly #callers = new Callers()
  readonly #deadlines = new Deadlines((call) => this.#expired(call))

  constructor(generation: Generation, context: ServerContext) {
    this.generation = generation
    this.#context = context
  }

  /** The listener's handler. */
  readonly handle = (
    request: IncomingMessage,
    response: ServerResponse,
    connection: Connection,
  ): Promise<void> | void => {
    const startedAt = performance.now()
    const { generation } = this
    const target = resolveTarget(request.url ?? '', generation.routes)
    if (target.kind !== 'route') return answerUnrouted(target, request, response)
    const caller = this.#callers.of(connection, request, generation.proxies)
    return this.#serve(new Call(request, response, target, generation, caller, startedAt))
  }

  /** The same for requests that came whole, as nearly all do; the others are for `handle`. */
  readonly handleDirect: DirectHandler = (request, response, connection) => {
    if (!request.isWhole || request.method === 'HEAD' || request.target.includes('?')) return false
    const startedAt = performance.now()
    const { generation } = this
    const target = resolveTarget(request.target, generation.routes)
    if (target.kind !== 'route' || needsStreams.has(target.route.name)) return false
    if (request.body.length > target.route.maxBody) return false
    const caller = this.#callers.peer(connection)
    if (generation.proxies.isProxy(caller.identity)) return false
    return this.#serve(new Call(request, response, target, generation, caller, startedAt))
  }

  close(): void {
    this.#deadlines.close()
  }

  #serve(call: Call): Promise<void> | void {
    if (!this.#isMethodRight(call) || !this.#isAllowed(call)) return
    return this.#run(call)
  }

  #isMethodRight(call: Call): boolean {
    const { route, request, response } = call
    const { method = '' } = request
    if (method === route.method || (method === 'POST' && route.method === 'PUT')) return true
    this.#context.metrics.refused++
    // Not `Allow`: this is what KES says.
    response.setHeader('Accept', route.method)
    call.refuse(405, `received method '${method}' expected '${route.method}'`)
    return false
  }

  #isAllowed(call: Call): boolean {
    const { route, caller, generation } = call
    if (route.auth !== 'policy') return true
    if (caller.status !== 0) call.refuse(caller.status, caller.refusal)
    else if (generation.policies.isAllowed(caller.identity, call.path, namedIn(route))) return true
    else refuseNotAllowed(call)
    this.#context.metrics.refused++
    this.#audit(call)
    return false
  }

  #run(call: Call): Promise<void> | void {
    const { route, generation } = call
    if (route.isOperation) this.#context.metrics.active++
    generation.enter()
    this.#deadlines.add(call)
    try {
      const running = handlers[route.name](call, this.#context)
      if (running === undefined) return this.#finish(call)
      return running.then(
        () => this.#finish(call),
        (error: unknown) => this.#failed(call, error),
      )
    } catch (error) {
      this.#failed(call, error)
    }
  }

  #failed(call: Call, error: unknown): void {
    const message = error instanceof Error ? error.message : 'unknown error'
    this.#context.errorLog.write('ERROR', `internal error: ${message}`, ['req.path', call.path])
    call.refuse(500, 'internal server error')
    this.#finish(call)
  }

  #finish(call: Call): void {
    const { route, generation, status, startedAt } = call
    this.#deadlines.delete(call)
    generation.leave()
    if (!route.isOperation) return
    const { metrics } = this.#context
    metrics.active--
    // Without an answer the client had gone before it had asked for anything.
    if (status === 0) return
    metrics.answered(status, (performance.now() - startedAt) / 1_000)
    this.#audit(call)
  }

  #audit(call: Call): void {
    const { audit } = this.#context
    if (!audit.isOn) return
    const { route, request, caller } = call
    audit.write({
      operation: route.name,
      method: request.method ?? '',
      path: call.path,
      message: call.message === '' ? route.name : call.message,
      identity: caller.identity,
      ip: caller.ip,
      key: route.name.startsWith('key-') && route.name !== 'key-list' ? call.resource : '',
      keyVersion: call.keyVersion,
      context: call.context,
      status: call.status,
      durationMs: performance.now() - call.startedAt,
    })
  }

  #expired(call: Call): void {
    this.#context.metrics.timeouts++
    this.#context.errorLog.write('WARN', 'request was not answered in time', ['req.path', call.path])
    call.response.destroy()
  }
}
