/**
 * The routes of a KES server as data (kes-protocol 3), and those that KES does not have.
 *
 * @module
 */
import { extensionPaths } from '../contract.ts'

/** Who may call a route: everybody, everybody but with the identity looked at, or whom the policies let. */
export type RouteAuth = 'none' | 'identify' | 'policy'

/** What a route does; names its handler, and the operation in metrics and audit. */
export type RouteName =
  | 'version'
  | 'ready'
  | 'status'
  | 'metrics'
  | 'api'
  | 'key-create'
  | 'key-import'
  | 'key-describe'
  | 'key-list'
  | 'key-delete'
  | 'key-generate'
  | 'key-encrypt'
  | 'key-decrypt'
  | 'key-hmac'
  | 'policy-describe'
  | 'policy-read'
  | 'policy-list'
  | 'identity-describe'
  | 'identity-list'
  | 'identity-self'
  | 'log-error'
  | 'log-audit'
  | 'key-details'
  | 'key-rotate'
  | 'key-lock'
  | 'key-unlock'
  | 'key-recover'
  | 'key-purge'
  | 'key-schedule'
  | 'key-cancel'

export interface Route {
  readonly name: RouteName
  /** With a slash at the end what follows is the resource; without one the path is exactly this. */
  readonly path: string
  /** `PUT` stands for `POST` as well. */
  readonly method: 'GET' | 'PUT' | 'DELETE'
  /** Bytes. */
  readonly maxBody: number
  /** Milliseconds from the end of the headers; 0 = never. */
  readonly timeoutMs: number
  readonly auth: RouteAuth
  /** Counted in `kes_http_*`, and a line of audit each. */
  readonly isOperation: boolean
  /** Of our own, not of KES: not in `/v1/api`. */
  readonly isExtension: boolean
}

/** What a rule must begin with to grant a route: nothing for one of KES, the whole path for one of ours (ADR 19). */
export const namedIn = ({ isExtension, path }: Route): string => (isExtension ? path : '')

const maxBody = 1_000_000

type Row = readonly [
  name: RouteName,
  method: Route['method'],
  path: string,
  maxBody: number,
  seconds: number,
  auth: RouteAuth,
  isOperation: boolean,
]

const rows: readonly Row[] = [
  ['version', 'GET', '/version', 0, 10, 'none', false],
  ['ready', 'GET', '/v1/ready', 0, 15, 'policy', false],
  ['status', 'GET', '/v1/status', 0, 15, 'policy', false],
  ['metrics', 'GET', '/v1/metrics', 0, 15, 'policy', false],
  ['api', 'GET', '/v1/api', 0, 10, 'policy', false],
  ['key-create', 'PUT', '/v1/key/create/', 0, 15, 'policy', true],
  ['key-import', 'PUT', '/v1/key/import/', maxBody, 15, 'policy', true],
  ['key-describe', 'GET', '/v1/key/describe/', 0, 15, 'policy', true],
  ['key-list', 'GET', '/v1/key/list/', 0, 15, 'policy', true],
  ['key-delete', 'DELETE', '/v1/key/delete/', 0, 15, 'policy', true],
  ['key-generate', 'PUT', '/v1/key/generate/', maxBody, 15, 'policy', true],
  ['key-encrypt', 'PUT', '/v1/key/encrypt/', maxBody, 15, 'policy', true],
  ['key-decrypt', 'PUT', '/v1/key/decrypt/', maxBody, 15, 'policy', true],
  ['key-hmac', 'PUT', '/v1/key/hmac/', maxBody, 15, 'policy', true],
  ['policy-describe', 'GET', '/v1/policy/describe/', 0, 15, 'policy', true],
  ['policy-read', 'GET', '/v1/policy/read/', 0, 15, 'policy', true],
  ['policy-list', 'GET', '/v1/policy/list/', 0, 15, 'policy', true],
  ['identity-describe', 'GET', '/v1/identity/describe/', 0, 15, 'policy', true],
  ['identity-list', 'GET', '/v1/identity/list/', 0, 15, 'policy', true],
  ['identity-self', 'GET', '/v1/identity/self/describe', 0, 15, 'identify', true],
  ['log-error', 'GET', '/v1/log/error', 0, 0, 'policy', false],
  ['log-audit', 'GET', '/v1/log/audit', 0, 0, 'policy', false],
]

const extensionRows: readonly Row[] = [
  ['key-details', 'GET', extensionPaths.describe, 0, 15, 'policy', true],
  ['key-rotate', 'PUT', extensionPaths.rotate, 0, 15, 'policy', true],
  ['key-lock', 'PUT', extensionPaths.lock, 0, 15, 'policy', true],
  ['key-unlock', 'PUT', extensionPaths.unlock, 0, 15, 'policy', true],
  ['key-recover', 'PUT', extensionPaths.recover, 0, 15, 'policy', true],
  ['key-purge', 'DELETE', extensionPaths.purge, 0, 15, 'policy', true],
  ['key-schedule', 'PUT', extensionPaths.schedule, 1_024, 15, 'policy', true],
  ['key-cancel', 'PUT', extensionPaths.cancel, 0, 15, 'policy', true],
]

function routeOf([name, method, path, limit, seconds, auth, isOperation]: Row, isExtension: boolean): Route {
  return { name, method, path, maxBody: limit, timeoutMs: seconds * 1_000, auth, isOperation, isExtension }
}

/** All routes, KES's 22 first. */
export const routes: readonly Route[] = [
  ...rows.map((row) => routeOf(row, false)),
  ...extensionRows.map((row) => routeOf(row, true)),
]

/** What a configuration changes of a route; absent fields keep the route's own. */
export interface RouteChange {
  readonly skipAuth?: boolean
  readonly timeoutMs?: number
}

/** Routes found by path. A changed configuration makes a new table. */
export class RouteTable {
  readonly all: readonly Route[]
  /** Whether some route lets everybody in: then the handshake must, too (kes-protocol 1.1). */
  readonly hasOpenRoute: boolean
  readonly #exact = new Map<string, Route>()
  readonly #prefixes = new Map<string, Route>()

  constructor(changes: Readonly<Record<string, RouteChange>> = {}) {
    this.all = routes.map((route) => {
      const change = Object.hasOwn(changes, route.path) ? changes[route.path] : undefined
      const isOpen = change?.skipAuth === true
      const timeoutMs = change?.timeoutMs !== undefined && change.timeoutMs > 0 ? change.timeoutMs : route.timeoutMs
      return isOpen || timeoutMs !== route.timeoutMs
        ? { ...route, timeoutMs, auth: isOpen && route.auth === 'policy' ? 'identify' : route.auth }
        : route
    })
    this.hasOpenRoute = routes.some(({ path }) => Object.hasOwn(changes, path) && changes[path]?.skipAuth === true)
    for (const route of this.all) {
      if (route.path.endsWith('/')) this.#prefixes.set(route.path, route)
      else this.#exact.set(route.path, route)
    }
  }

  /** The route whose path is exactly this. */
  exact(path: string): Route | undefined {
    return this.#exact.get(path)
  }

  /** The route of a prefix, its last slash included. */
  prefix(path: string): Route | undefined {
    return this.#prefixes.get(path)
  }

  /** The route of KES that a decoded list of segments (all that stood between the slashes) leads to. */
  match(segments: readonly string[]): { readonly route: Route; readonly resource: string } | undefined {
    const whole = this.#exact.get(`/${segments.join('/')}`)
    // A slash in a segment was escaped: it is no separator.
    if (whole !== undefined && whole.path.split('/').length - 1 === segments.length)
      return { route: whole, resource: '' }
    for (const depth of prefixDepths) {
      if (segments.length <= depth) continue
      const route = this.#prefixes.get(`/${segments.slice(0, depth).join('/')}/`)
      if (route !== undefined && route.path.split('/').length - 2 === depth) {
        return { route, resource: segments.slice(depth).join('/') }
      }
    }
    return undefined
  }
}

/** How many segments the prefixes have. */
const prefixDepths = [
  ...new Set(routes.filter(({ path }) => path.endsWith('/')).map(({ path }) => path.split('/').length - 2)),
]
