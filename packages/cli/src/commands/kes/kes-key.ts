/**
 * `strongroom kes key …`: keys of a KES server. kes-protocol 13; `rotate`, `lock`, `unlock`, `recover` and `purge` work
 * with a Strongroom only.
 *
 * @module
 */
import type { KesClient, KesKeyInfo } from '@strongroom/kes'
import type { Command } from 'commander'
import type { AddCommand, CommandContext } from '../../context.ts'
import {
  act,
  addKesCommand,
  addKesGroup,
  type ClientOptions,
  type Invocation,
  onlyArgument,
  optionalArgument,
  someArguments,
  usageError,
  withClient,
  withClientOptions,
} from './kes-command.ts'
import { failing, KesCommandError } from './kes-command-error.ts'
import { goDate, goJson, goRows } from './kes-format.ts'
import { listKeys } from './kes-list.ts'

type KeyInvocation = Invocation<ClientOptions>
type KeyAction = (invocation: KeyInvocation, context: CommandContext) => Promise<void>

const noBytes = new Uint8Array(0)

const createKeys: KeyAction = async (invocation, { ports }) => {
  const names = someArguments(invocation, 'key name')
  await withClient(ports, invocation.options, async (client) => {
    for (const name of names) await failing(`failed to create key "${name}"`, client.createKey(name))
  })
  sayNames(invocation, ports, names)
}

const removeKeys: KeyAction = async (invocation, { ports }) => {
  const names = someArguments(invocation, 'key name')
  await withClient(ports, invocation.options, async (client) => {
    for (const name of names) await failing(`failed to remove key "${name}"`, client.deleteKey(name))
  })
  sayNames(invocation, ports, names)
}

/** KES says nothing of success; programs that ask for JSON get some. */
function sayNames({ options }: KeyInvocation, { writeOut }: CommandContext['ports'], names: readonly string[]): void {
  if (options.json === true) writeOut(goJson({ names }))
}

const importKey: KeyAction = async (invocation, { ports }) => {
  const { args, command, options } = invocation
  const [name, given, ...rest] = args
  if (name === undefined) throw usageError(command, 'no key name specified')
  if (given === undefined) throw usageError(command, 'no key specified')
  if (rest.length > 0) throw usageError(command, 'too many arguments')
  const material = await decode(given === '-' ? (await ports.readInput()).trim() : given, 'invalid key', command)
  try {
    await withClient(ports, options, (client) =>
      failing(`failed to import "${name}"`, client.importKey(name, material)),
    )
  } finally {
    material.fill(0)
  }
  sayNames(invocation, ports, [name])
}

async function decode(text: string, words: string, command: Command): Promise<Buffer> {
  const { decodeGoBase64, describeBadBase64 } = await import('@strongroom/kes')
  const decoded = decodeGoBase64(text)
  if ('bytes' in decoded) return decoded.bytes
  throw usageError(command, `${words}: ${describeBadBase64(decoded.badOffset)}`)
}

function formatKey({ name, algorithm, created_at, created_by, state, key_version = 1 }: KesKeyInfo): string {
  const isPlain = (state === undefined || state === 'enabled') && key_version === 1
  const rows = [
    ['Name', name],
    ['Algorithm', algorithm],
    ['Date', goDate(created_at)],
    ['Owner', created_by],
    // Beside KES: only where there is something to say.
    ...(isPlain ? [] : [['State', state ?? 'enabled'] as const, ['Version', String(key_version)] as const]),
  ] as const
  return goRows(rows, 12)
}

const showKey: KeyAction = async (invocation, { ports }) => {
  const name = onlyArgument(invocation, 'key name')
  const key = await withClient(ports, invocation.options, (client) =>
    failing('failed to describe keys', client.describeKey(name)),
  )
  ports.writeOut(invocation.options.json === true ? goJson(key) : formatKey(key))
}

const showKeys: KeyAction = async (invocation, context) => {
  await listKeys(optionalArgument(invocation, '*'), invocation.options, context)
}

/** For a terminal a line each, for programs one JSON object; KES writes no line break after it. */
function sayBytes(
  { ports }: CommandContext,
  { options }: KeyInvocation,
  fields: Readonly<Record<string, Uint8Array>>,
): void {
  const texts = Object.entries(fields).map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')] as const)
  if (options.json === true || !ports.kes.isTerminal) {
    const json = goJson(Object.fromEntries(texts))
    ports.writeOut(options.json === true ? json : json.trimEnd())
    return
  }
  const width = Math.max(...texts.map(([name]) => name.length)) + 2
  ports.writeOut(`\n${texts.map(([name, text]) => `${`${name}:`.padEnd(width)}${text}\n`).join('')}`)
}

const encryptMessage: KeyAction = async (invocation, context) => {
  const [name, message, ...rest] = invocation.args
  if (name === undefined) throw usageError(invocation.command, 'no key name specified')
  if (message === undefined) throw usageError(invocation.command, 'no message specified')
  if (rest.length > 0) throw usageError(invocation.command, 'too many arguments')
  const { ciphertext } = await withClient(context.ports, invocation.options, (client) =>
    failing('failed to encrypt message', client.encrypt(name, Buffer.from(message), noBytes)),
  )
  sayBytes(context, invocation, { ciphertext })
}

const decryptMessage: KeyAction = async (invocation, context) => {
  const { args, command, options } = invocation
  const [name, text, contextText = '', ...rest] = args
  if (name === undefined) throw usageError(command, 'no key name specified')
  if (text === undefined) throw usageError(command, 'no ciphertext specified')
  if (rest.length > 0) throw usageError(command, 'too many arguments')
  const ciphertext = await decode(text, 'invalid ciphertext', command)
  const associated = await decode(contextText, 'invalid context', command)
  const plaintext = await withClient(context.ports, options, (client) =>
    failing('failed to decrypt ciphertext', client.decrypt(name, ciphertext, associated)),
  )
  sayBytes(context, invocation, { plaintext })
}

const generateKey: KeyAction = async (invocation, context) => {
  const { args, command, options } = invocation
  const [name, contextText = '', ...rest] = args
  if (name === undefined) throw usageError(command, 'no key name specified')
  if (rest.length > 0) throw usageError(command, 'too many arguments')
  const associated = await decode(contextText, 'invalid context', command)
  const { plaintext, ciphertext } = await withClient(context.ports, options, (client) =>
    failing('failed to generate data key', client.generateDataKey(name, associated)),
  )
  sayBytes(context, invocation, { plaintext, ciphertext })
}

/** Commands of our own: what is done, and what is said afterwards. */
const extensions = [
  ['rotate', 'make a new version; older ones keep opening', 'rotate'],
  ['lock', 'stop all use of a key until it is unlocked', 'lock'],
  ['unlock', 'end a lock', 'unlock'],
  ['recover', 'bring a deleted key back, where the key store still has it', 'recover'],
  ['purge', 'destroy what the key store still keeps of a deleted key', 'purge'],
] as const

const extended =
  (operation: Parameters<KesClient['extension']>[0], word: string): KeyAction =>
  async (invocation, { ports }) => {
    const name = onlyArgument(invocation, 'key name')
    const answer = await withClient(ports, invocation.options, async (client) => {
      try {
        return await client.extension(operation, name)
      } catch (cause) {
        throw new KesCommandError(`failed to ${word} key "${name}": ${explain(cause)}`, { cause })
      }
    })
    if (invocation.options.json === true) ports.writeOut(goJson(answer ?? { name }))
  }

/** A MinIO KES does not know the route. */
function explain(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause)
  return message === '404 page not found' ? 'this server cannot do that: it is no Strongroom' : message
}

const commands: readonly (readonly [word: string, summary: string, usage: string, action: KeyAction])[] = [
  ['create', 'make keys', '<name>...', createKeys],
  ['import', 'import a key: 32 bytes in base64, or - for standard input', '<name> <key>', importKey],
  ['info', 'show a key', '<name>', showKey],
  ['ls', 'list keys', '[prefix]', showKeys],
  ['rm', 'delete keys', '<name>...', removeKeys],
  ['encrypt', 'encrypt a message', '<name> <message>', encryptMessage],
  ['decrypt', 'decrypt a ciphertext', '<name> <ciphertext> [context]', decryptMessage],
  ['dek', 'generate a data key', '<name> [context]', generateKey],
  ...extensions.map(([word, summary, operation]) => [word, summary, '<name>', extended(operation, word)] as const),
]

export const addKesKey: AddCommand = (parent, context) => {
  const group = addKesGroup(parent, context, { word: 'key', summary: 'manage keys' })
  for (const [word, summary, usage, action] of commands) {
    const command = withClientOptions(addKesCommand(group, { word, summary, usage }))
    act<ClientOptions>(command, context, (invocation) => action(invocation, context))
  }
}
