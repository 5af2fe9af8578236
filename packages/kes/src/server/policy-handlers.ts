/**
 * Policies and identities as they are read back: kes-protocol 3.3.
 *
 * @module
 */
import { isKeyName } from '@strongroom/kms'
import { quoteJson, quoteJsonList } from '../protocol/go-json.ts'
import { parseListPattern, sortedNames } from '../protocol/names.ts'
import type { Policy } from '../protocol/policies.ts'
import type { Call } from './call.ts'
import type { RouteHandler, ServerContext } from './server-context.ts'

/** KES writes a set as an object whose members are empty objects, and leaves out an empty one. */
function patternSet(name: string, patterns: readonly string[]): string {
  if (patterns.length === 0) return ''
  const members = sortedNames(new Set(patterns)).map((pattern) => `${quoteJson(pattern)}:{}`)
  return `,"${name}":{${members.join(',')}}`
}

function made(call: Call, { startedAt }: ServerContext): string {
  return `,"created_at":"${startedAt}","created_by":${quoteJson(call.generation.policies.adminIdentity)}`
}

function withPolicy(answer: (policy: Policy, call: Call, context: ServerContext) => string): RouteHandler {
  return (call, context) => {
    if (!isKeyName(call.resource)) {
      call.refuse(400, `policy name '${call.resource}' is empty, too long or contains invalid characters`)
      return
    }
    const policy = call.generation.policies.policy(call.resource)
    if (policy === undefined) call.refuse(404, 'policy does not exist')
    else call.json(answer(policy, call, context))
  }
}

export const describePolicy = withPolicy(
  ({ name }, call, context) => `{"name":${quoteJson(name)}${made(call, context)}}`,
)

export const readPolicy = withPolicy(
  ({ name, allow, deny }, call, context) =>
    `{"name":${quoteJson(name)}${patternSet('allow', allow)}${patternSet('deny', deny)}${made(call, context)}}`,
)

function listing(member: string, names: (call: Call, prefix: string) => readonly string[]): RouteHandler {
  return (call) => {
    const prefix = parseListPattern(call.resource)
    if (prefix === undefined) call.refuse(400, `listing pattern '${call.resource}' is empty, too long or is invalid`)
    else call.json(`{"${member}":${quoteJsonList(names(call, prefix))},"continue_at":""}`)
  }
}

export const listPolicies = listing('names', (call, prefix) => call.generation.policies.policyNames(prefix))

export const listIdentities = listing('identities', (call, prefix) => call.generation.policies.identities(prefix))

export const describeIdentity: RouteHandler = (call, context) => {
  const { policies } = call.generation
  if (!isKeyName(call.resource)) {
    call.refuse(400, `identity '${call.resource}' is empty, too long or contains invalid characters`)
    return
  }
  const policy = policies.policyOf(call.resource)
  if (call.resource === policies.adminIdentity) call.json(`{"admin":true,"created_at":"${context.startedAt}"}`)
  else if (policy === undefined) call.refuse(404, 'identity does not exist')
  else call.json(`{"policy":${quoteJson(policy.name)}${made(call, context)}}`)
}

/**
 * Who is not the admin gets what its SDK expects, policy and rules in one object: with KES since 2023-10 everybody else
 * is told that he does not exist.
 */
export const describeSelf: RouteHandler = (call, context) => {
  const { policies } = call.generation
  const { identity } = call.caller
  const policy = policies.policyOf(identity)
  if (identity !== '' && identity === policies.adminIdentity) {
    call.json(`{"identity":${quoteJson(identity)},"admin":true,"created_at":"${context.startedAt}"}`)
  } else if (policy === undefined) {
    call.refuse(404, 'identity does not exist')
  } else {
    const rules = `${patternSet('allow', policy.allow)}${patternSet('deny', policy.deny)}`
    call.json(`{"identity":${quoteJson(identity)}${made(call, context)},"policy":${quoteJson(policy.name)}${rules}}`)
  }
}
