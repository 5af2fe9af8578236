/**
 * `strongroom key …`: makes, imports, shows and changes encryption keys. `usage` and `delete` have files of their own.
 *
 * @module
 */
import type { Command } from 'commander'
import { type Admin, AdminError, type KeyReport } from '../admin.ts'
import {
  type AddCommand,
  answer,
  type CommandContext,
  type CommonOptions,
  withAdmin,
  withCommonOptions,
} from '../context.ts'
import { formatTable, formatTime } from '../output.ts'
import { addKeyCopy } from './key-copy.ts'
import { addKeyDelete } from './key-delete.ts'
import { addKeyUsage } from './key-usage.ts'

const row = ({ name, state, currentVersion, ownerAccountId }: KeyReport) => [
  name,
  state,
  currentVersion,
  ownerAccountId,
]

const formatKeys = (keys: readonly KeyReport[]): string =>
  keys.length === 0 ? 'no keys\n' : formatTable(['NAME', 'STATE', 'VERSION', 'OWNER'], keys.map(row))

const formatKey = (key: KeyReport): string => {
  const lines = [
    `name      ${key.name}`,
    `state     ${key.state}`,
    `owner     ${key.ownerAccountId}`,
    ...(key.deletionDueAtMs === undefined ? [] : [`deletion  ${formatTime(key.deletionDueAtMs)}`]),
    ...(key.grants.length === 0 ? [] : [`granted   ${key.grants.join(' ')}`]),
    ...key.versions.map(({ version, createdAtMs }) => {
      const current = version === key.currentVersion ? ' (current)' : ''
      return `version   ${version}  ${formatTime(createdAtMs)}${current}`
    }),
  ]
  return `${lines.join('\n')}\n`
}

/** Commands that take a name and answer with the key: word, what it does, call, and what to say afterwards. */
const simple: readonly (readonly [
  word: string,
  summary: string,
  call: (admin: Admin, name: string) => Promise<KeyReport>,
  say: (key: KeyReport) => string,
])[] = [
  ['create', 'make a key', (admin, name) => admin.createKey(name), ({ name }) => `made ${name}\n`],
  ['show', 'show a key and its versions', (admin, name) => admin.describeKey(name), formatKey],
  [
    'rotate',
    'make a new version; older ones keep reading',
    (admin, name) => admin.rotateKey(name),
    ({ name, currentVersion }) => `${name} is at version ${currentVersion}\n`,
  ],
  [
    'lock',
    'stop reading and writing with a key; listings go on',
    (admin, name) => admin.lockKey(name),
    ({ name }) => `${name} is locked\n`,
  ],
  ['unlock', 'end a lock', (admin, name) => admin.unlockKey(name), ({ name }) => `${name} is unlocked\n`],
  [
    'restore',
    'take the deletion of a key back, which is locked then',
    (admin, name) => admin.cancelKeyDeletion(name),
    ({ name, state }) =>
      state === 'locked'
        ? `${name} is not going to be destroyed; it is locked: see strongroom key unlock\n`
        : `${name} is not going to be destroyed\n`,
  ],
]

function addSimple(group: Command, { ports }: CommandContext): void {
  for (const [word, summary, call, say] of simple) {
    withCommonOptions(group.command(word).summary(summary).argument('<name>')).action(
      async (name: string, options: CommonOptions) => {
        answer(ports, options, await withAdmin(ports, options, (admin) => call(admin, name)), say)
      },
    )
  }
}

function addGrants(group: Command, { ports }: CommandContext): void {
  const words = [
    ['grant', 'let another account use a key', 'may use', (admin: Admin) => admin.grantKey.bind(admin)],
    ['revoke', 'end a grant', 'may no longer use', (admin: Admin) => admin.revokeKey.bind(admin)],
  ] as const
  for (const [word, summary, phrase, call] of words) {
    withCommonOptions(group.command(word).summary(summary).argument('<name>').argument('<account-id>')).action(
      async (name: string, accountId: string, options: CommonOptions) => {
        const key = await withAdmin(ports, options, (admin) => call(admin)(name, accountId))
        answer(ports, options, key, () => `account ${accountId} ${phrase} ${key.name}\n`)
      },
    )
  }
}

/** 32 bytes in base64, from standard input: an argument would be seen by other users of the machine. */
async function readMaterial(readInput: () => Promise<string>): Promise<string> {
  const material = (await readInput()).trim()
  if (!/^[0-9A-Za-z+/]{43}=$/.test(material)) {
    throw new AdminError('invalid', 'standard input must hold the key: 32 bytes in base64')
  }
  return material
}

export const addKey: AddCommand = (parent, context) => {
  const { ports } = context
  const group = parent.command('key').summary('manage encryption keys')
  addSimple(group, context)
  withCommonOptions(
    group.command('import').summary('import a key from standard input (32 bytes in base64)').argument('<name>'),
  ).action(async (name: string, options: CommonOptions) => {
    const material = await readMaterial(ports.readInput)
    const key = await withAdmin(ports, options, (admin) => admin.importKey(name, material))
    answer(ports, options, key, () => `imported ${key.name}\n`)
  })
  withCommonOptions(
    group.command('list').summary('list keys').argument('[pattern]', 'a name, or a prefix followed by *', '*'),
  ).action(async (pattern: string, options: CommonOptions) => {
    answer(ports, options, await withAdmin(ports, options, (admin) => admin.listKeys(pattern)), formatKeys)
  })
  addGrants(group, context)
  addKeyUsage(group, context)
  addKeyDelete(group, context)
  addKeyCopy(group, context)
}
