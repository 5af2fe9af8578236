/**
 * `strongroom kes identity …`: API keys, certificates and identities, made here, and those that a server knows.
 * kes-protocol 1.2, 1.3, 13. What is made here is what MinIO's tools make.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { KesIdentityInfo } from '@strongroom/kes'
import type { Command } from 'commander'
import type { AddCommand, CommandContext } from '../../context.ts'
import {
  act,
  addKesCommand,
  type ClientOptions,
  type Invocation,
  onlyArgument,
  optionalArgument,
  withClient,
  withClientOptions,
} from './kes-command.ts'
import { KesCommandError } from './kes-command-error.ts'
import { goBox, goDate, goJson, goRows } from './kes-format.ts'
import { addIdentityNew } from './kes-identity-new.ts'
import { listIdentities } from './kes-list.ts'

interface LocalOptions {
  readonly json?: boolean
}

/** What an API key or a file is. */
type Found = { readonly identity: string } | { readonly identity: string; readonly apiKey: string }

async function look(argument: string): Promise<Found> {
  const kes = await import('@strongroom/kes')
  if (argument.startsWith('kes:v1:')) {
    const seed = kes.parseApiKey(argument)
    try {
      return { identity: kes.identityOfSeed(seed) }
    } finally {
      seed.fill(0)
    }
  }
  const text = await readText(argument)
  if (!text.includes('PRIVATE KEY-----') || text.includes('-----BEGIN CERTIFICATE')) {
    return { identity: kes.identityOfCertificate(text) }
  }
  const seed = kes.seedOfPrivateKey(await kes.readPrivateKey(argument, ''))
  if (seed === undefined) {
    const words = `'${argument}' contains unsupported private key. Only ed25519 private keys are supported`
    throw new KesCommandError(words)
  }
  try {
    return { identity: kes.identityOfSeed(seed), apiKey: kes.formatApiKey(seed) }
  } finally {
    seed.fill(0)
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    const words =
      code === 'ENOENT' ? 'no such file or directory' : code === 'EACCES' ? 'permission denied' : String(code)
    throw new KesCommandError(`open ${file}: ${words}`, { cause })
  }
}

/** `identity` alone: a new API key, or what its argument is. */
async function showOrMake(invocation: Invocation<LocalOptions>, { ports }: CommandContext): Promise<void> {
  const argument = optionalArgument(invocation, '')
  const { isTerminal } = ports.kes
  const isJson = invocation.options.json === true
  if (argument === '') {
    const { apiKey, identity } = await newApiKey()
    if (isJson) ports.writeOut(goJson({ api_key: apiKey, identity }))
    else ports.writeOut(isTerminal ? goBox(newKeyLines(apiKey, identity)) : apiKey)
    return
  }
  const found = await look(argument)
  if (isJson) ports.writeOut(goJson({ identity: found.identity }))
  else if ('apiKey' in found) ports.writeOut(isTerminal ? goBox(fileKeyLines(found.apiKey, argument)) : found.apiKey)
  else ports.writeOut(isTerminal ? goBox(identityLines(found.identity)) : found.identity)
}

async function newApiKey(): Promise<{ apiKey: string; identity: string }> {
  const { formatApiKey, identityOfSeed } = await import('@strongroom/kes')
  const seed = randomBytes(32)
  try {
    return { apiKey: formatApiKey(seed), identity: identityOfSeed(seed) }
  } finally {
    seed.fill(0)
  }
}

const newKeyLines = (apiKey: string, identity: string): readonly string[] => [
  'Your API key:',
  '',
  `   ${apiKey}`,
  '',
  'This is the only time it is shown. Keep it secret and secure!',
  '',
  "Your API key's identity:",
  '',
  `   ${identity}`,
  '',
  'The identity is not a secret and can be shared securely.',
  'Peers need your identity in order to verify your API key.',
  '',
  'This identity can be re-computed again via:',
  '',
  `  $ strongroom kes identity ${apiKey}`,
]

const fileKeyLines = (apiKey: string, file: string): readonly string[] => [
  'Your API key:',
  '',
  `   ${apiKey}`,
  '',
  `It corresponds to the private key in: ${file}.`,
  'Keep it secret and secure!',
]

const identityLines = (identity: string): readonly string[] => [
  'Identity:',
  '',
  `   ${identity}`,
  '',
  'An identity is a fingerprint of your API key',
  'or certificate and can be shared securely.',
]

async function showOf(invocation: Invocation<LocalOptions>, { ports }: CommandContext): Promise<void> {
  const { identity } = await look(onlyArgument(invocation, 'API key or certificate'))
  if (invocation.options.json === true) ports.writeOut(goJson({ identity }))
  else ports.writeOut(ports.kes.isTerminal ? `Identity:\n\n   ${identity}\n` : identity)
}

async function showInfo(invocation: Invocation<ClientOptions>, { ports }: CommandContext): Promise<void> {
  const identity = optionalArgument(invocation, '')
  const info = await withClient(ports, invocation.options, (client) =>
    identity === '' ? client.describeSelf() : client.describeIdentity(identity),
  )
  ports.writeOut(invocation.options.json === true ? goJson(infoJson(info)) : `${goRows(infoRows(info), 12)}\n`)
}

const infoJson = ({ identity, isAdmin, policy, created_at, created_by }: KesIdentityInfo): object => ({
  identity,
  ...(isAdmin ? { admin: true } : {}),
  ...(policy === '' ? {} : { policy }),
  created_at,
  ...(created_by === '' ? {} : { created_by }),
})

const infoRows = (info: KesIdentityInfo): readonly (readonly [string, string])[] => [
  ['Identity', info.identity],
  ...(info.policy === '' ? [] : [['Policy', info.policy] as const]),
  ['Created At', goDate(info.created_at)],
  ['Role', info.isAdmin ? 'Admin' : 'User'],
  ...(info.created_by === '' ? [] : [['Created By', info.created_by] as const]),
]

export const addKesIdentity: AddCommand = (parent, context) => {
  const shape = { word: 'identity', summary: 'make and show API keys and identities', usage: '[key or file]' }
  const group = addKesCommand(parent, shape)
  act<LocalOptions>(group, context, (given) => showOrMake(given, context))
  addIdentityNew(group, context)
  const of = addKesCommand(group, { word: 'of', summary: 'show an identity', usage: '<key or file>' })
  act<LocalOptions>(of, context, (given) => showOf(given, context))
  addServerCommands(group, context)
}

function addServerCommands(group: Command, context: CommandContext): void {
  const info = addKesCommand(group, {
    word: 'info',
    summary: 'show what a server knows of an identity',
    usage: '[identity]',
  })
  act<ClientOptions>(withClientOptions(info), context, (given) => showInfo(given, context))
  const ls = addKesCommand(group, { word: 'ls', summary: 'list identities', usage: '[pattern]' })
  act<ClientOptions>(withClientOptions(ls), context, (given) =>
    listIdentities(optionalArgument(given, ''), given.options, context),
  )
}
