/**
 * `strongroom kes policy ls|info|show`: kes-protocol 13.
 *
 * @module
 */
import type { KesPolicyRules } from '@strongroom/kes'
import type { AddCommand, CommandContext } from '../../context.ts'
import {
  act,
  addKesCommand,
  addKesGroup,
  type ClientOptions,
  type Invocation,
  onlyArgument,
  optionalArgument,
  withClient,
  withClientOptions,
} from './kes-command.ts'
import { goDate, goJson, goRows } from './kes-format.ts'
import { listPolicies } from './kes-list.ts'

type PolicyInvocation = Invocation<ClientOptions>

async function showInfo(invocation: PolicyInvocation, { ports }: CommandContext): Promise<void> {
  const name = onlyArgument(invocation, 'policy name')
  const policy = await withClient(ports, invocation.options, (client) => client.describePolicy(name))
  if (invocation.options.json === true) return ports.writeOut(goJson(policy, ports.kes.isTerminal))
  const rows = [
    ['Name', policy.name],
    ['Date', goDate(policy.created_at)],
    ['Created by', policy.created_by],
  ] as const
  ports.writeOut(`${goRows(rows, 12)}\n`)
}

async function showRules(invocation: PolicyInvocation, { ports }: CommandContext): Promise<void> {
  const name = onlyArgument(invocation, 'policy name')
  const policy = await withClient(ports, invocation.options, (client) => client.readPolicy(name))
  const { isTerminal } = ports.kes
  const isJson = invocation.options.json === true || !isTerminal
  ports.writeOut(isJson ? goJson(rulesJson(policy), isTerminal) : formatRules(policy))
}

const asSet = (patterns: readonly string[]): object => Object.fromEntries(patterns.map((pattern) => [pattern, {}]))

const rulesJson = ({ allow, deny, created_at, created_by }: KesPolicyRules): object => ({
  ...(allow.length === 0 ? {} : { allow: asSet(allow) }),
  ...(deny.length === 0 ? {} : { deny: asSet(deny) }),
  created_at,
  created_by,
})

function formatRules({ allow, deny, created_at, created_by }: KesPolicyRules): string {
  const part = (heading: string, patterns: readonly string[]): string =>
    patterns.length === 0 ? '' : `${heading}:\n${patterns.map((pattern) => `  · ${pattern}\n`).join('')}\n`
  return `${part('Allow', allow)}${part('Deny', deny)}\nCreated at: ${goDate(created_at)}\nCreated by: ${created_by}\n`
}

export const addKesPolicy: AddCommand = (parent, context) => {
  const group = addKesGroup(parent, context, { word: 'policy', summary: 'show policies' })
  const add = (
    word: string,
    summary: string,
    usage: string,
    action: (given: PolicyInvocation) => Promise<void>,
  ): void => {
    act<ClientOptions>(withClientOptions(addKesCommand(group, { word, summary, usage })), context, action)
  }
  add('ls', 'list policies', '[pattern]', (given) => listPolicies(optionalArgument(given, '*'), given.options, context))
  add('info', 'show a policy', '<name>', (given) => showInfo(given, context))
  add('show', 'show the rules of a policy', '<name>', (given) => showRules(given, context))
}
