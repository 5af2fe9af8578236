/**
 * Who may do what: the admin, policies and the identities assigned to them (kes-protocol 5.3, 5.4). Nothing of it can be
 * changed over the wire.
 *
 * @module
 */
import { isKeyName } from '@strongroom/kms'
import type { KesPolicy } from '../contract.ts'
import { KesError } from '../kes-error.ts'
import { sortedNames } from './names.ts'

/** What is configured of identities and policies. */
export interface PolicyOptions {
  readonly adminIdentity: string
  readonly policies?: readonly KesPolicy[]
  readonly proxyIdentities?: readonly string[]
}

/** A policy as it is read back. */
export interface Policy {
  readonly name: string
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

/** The rules of one configuration. */
export class PolicyTable {
  readonly adminIdentity: string
  readonly #policies = new Map<string, Policy>()
  readonly #assignments = new Map<string, Policy>()

  /** @throws KesError `invalid-config` for rules that KES refuses */
  constructor({ adminIdentity, policies = [], proxyIdentities = [] }: PolicyOptions) {
    if (adminIdentity === '') throw invalid('the admin identity is empty')
    if (proxyIdentities.includes(adminIdentity)) throw invalid('the admin identity is also a TLS proxy')
    this.adminIdentity = adminIdentity
    for (const { name, allow = [], deny = [], identities = [] } of policies) {
      if (!isKeyName(name)) throw invalid(`policy name '${name}' is empty, too long or contains invalid characters`)
      if (this.#policies.has(name)) throw invalid(`policy '${name}' is there twice`)
      const policy = { name, allow, deny }
      this.#policies.set(name, policy)
      for (const identity of identities) this.#assign(identity, policy, proxyIdentities)
    }
  }

  #assign(identity: string, policy: Policy, proxies: readonly string[]): void {
    const refusal = `cannot assign policy '${policy.name}' to '${identity}'`
    if (!isKeyName(identity)) throw invalid(`identity '${identity}' is empty, too long or contains invalid characters`)
    if (identity === this.adminIdentity) throw invalid(`${refusal}: it is the admin`)
    if (proxies.includes(identity)) throw invalid(`${refusal}: it is a TLS proxy`)
    if (this.#assignments.has(identity)) throw invalid(`${refusal}: identity already has a policy`)
    this.#assignments.set(identity, policy)
  }

  /**
   * Whether an identity may call a path, percent-decoded. Deny wins; who has no policy may nothing. A route that KES does not
   * have is allowed only by rules that begin with all of its path, `named`: what was written for KES never grants it.
   */
  isAllowed(identity: string, path: string, named = ''): boolean {
    if (identity === '') return false
    if (identity === this.adminIdentity) return true
    const policy = this.#assignments.get(identity)
    if (policy === undefined || matchesAny(policy.deny, path)) return false
    return matchesAny(policy.allow, path, named)
  }

  policy(name: string): Policy | undefined {
    return this.#policies.get(name)
  }

  /** The policy that an identity has. The admin has none. */
  policyOf(identity: string): Policy | undefined {
    return this.#assignments.get(identity)
  }

  /** Names of policies with that beginning, in byte order. */
  policyNames(prefix: string): readonly string[] {
    return sortedNames([...this.#policies.keys()].filter((name) => name.startsWith(prefix)))
  }

  /** Identities with that beginning, the admin's included, in byte order. */
  identities(prefix: string): readonly string[] {
    const all = [this.adminIdentity, ...this.#assignments.keys()]
    return sortedNames(all.filter((identity) => identity.startsWith(prefix)))
  }
}

/** `*` at the end stands for anything, slashes included; anywhere else it is itself. */
function matches(pattern: string, path: string): boolean {
  if (pattern === '') return false
  if (!pattern.endsWith('*')) return path === pattern
  const length = pattern.length - 1
  return path.length >= length && path.startsWith(pattern.slice(0, length))
}

function matchesAny(patterns: readonly string[], path: string, named = ''): boolean {
  for (const pattern of patterns) if (pattern.startsWith(named) && matches(pattern, path)) return true
  return false
}

function invalid(message: string): KesError {
  return new KesError('invalid-config', message)
}
