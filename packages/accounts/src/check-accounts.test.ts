import { randomBytes } from 'node:crypto'
import { RecordSealer } from '@strongroom/crypto'
import { MemoryMetadataStore, StorageError } from '@strongroom/storage'
import { beforeEach, describe, expect, it } from 'vitest'
import { accessKeyKey, accountAccessKeyKey, accountKey, accountNameKey, firstAccountKey } from './account-keys.ts'
import { sealId, sealRecord } from './account-records.ts'
import { type Accounts, createAccounts, type NewAccessKey } from './accounts.ts'
import { type AccountProblem, checkAccounts } from './check-accounts.ts'

const sealer = new RecordSealer({ currentKeyId: 1, keys: new Map([[1, randomBytes(32)]]) })
const rootCredentials = { accessKeyId: 'rootkeyid', secretAccessKey: 'root secret' }

let metadata: MemoryMetadataStore
let accounts: Accounts
let alice: NewAccessKey
let bob: NewAccessKey

beforeEach(async () => {
  metadata = new MemoryMetadataStore()
  accounts = await createAccounts({
    metadata,
    recordSealer: sealer,
    rootCredentials,
    now: () => 1,
    random: randomBytes,
  })
  alice = await accounts.createAccount('alice')
  bob = await accounts.createAccount('bob')
})

async function check(): Promise<AccountProblem[]> {
  const problems: AccountProblem[] = []
  const snapshot = metadata.snapshot()
  try {
    await checkAccounts(sealer, snapshot, async (problem) => {
      problems.push(problem)
    })
    return problems
  } finally {
    snapshot.release()
  }
}

/** Applies every repair as it stands. */
async function mend(problems: readonly AccountProblem[]): Promise<void> {
  for (const { repair } of problems) {
    if (repair) expect(await metadata.commit(repair)).toEqual({ committed: true })
  }
}

const remove = (...keys: readonly Uint8Array[]): Promise<unknown> => metadata.commit({ deletes: keys })
const putId = (key: Uint8Array, id: string): Promise<unknown> =>
  metadata.commit({ puts: [{ key, value: sealId(sealer, key, id) }] })
const garble = (key: Uint8Array): Promise<unknown> => metadata.commit({ puts: [{ key, value: Buffer.alloc(60) }] })
const text = ({ kind, problem }: AccountProblem): string => `${kind}: ${problem}`

/** What is done, and what is found; afterwards all is mended. */
const mended: readonly (readonly [string, () => Promise<unknown>, string])[] = [
  ['a lost name', () => remove(accountNameKey.encode('alice')), 'account-index: the name alice is missing'],
  [
    'a name that leads to another account',
    () => putId(accountNameKey.encode('alice'), bob.accountId),
    'account-index: the name alice does not lead to the account',
  ],
  [
    'a damaged name',
    () => garble(accountNameKey.encode('alice')),
    'account-index: the name alice does not lead to the account',
  ],
  [
    'a second name of an account',
    () => putId(accountNameKey.encode('eve'), bob.accountId),
    'account-index: the name eve leads to an account of another name',
  ],
  [
    'an access key that is not in the list',
    () => remove(accountAccessKeyKey.encode(alice.accountId, alice.accessKeyId)),
    "account-index: the list of the account's keys lacks it",
  ],
  [
    'a damaged entry of the list',
    () => garble(accountAccessKeyKey.encode(alice.accountId, alice.accessKeyId)),
    "account-index: the list of the account's keys has a damaged entry for it",
  ],
  [
    'a lost access key',
    () => remove(accessKeyKey.encode(alice.accessKeyId)),
    "account-index: the list of the account's keys has one that is missing",
  ],
  [
    'an access key in the list of another account',
    () => putId(accountAccessKeyKey.encode(bob.accountId, alice.accessKeyId), bob.accountId),
    "account-index: the list of the account's keys has one that is another account's",
  ],
]

/** What is done, and all that is found: nothing of it has one right answer. */
const reported: readonly (readonly [string, () => Promise<unknown>, readonly string[]])[] = [
  [
    'a lost account',
    () => remove(accountKey.encode(alice.accountId)),
    [
      'account-index: the name alice leads to an account that is missing',
      'account-index: the access key is of an account that is missing',
    ],
  ],
  [
    'a damaged account',
    () => garble(accountKey.encode(alice.accountId)),
    ['damaged-record: the record does not open (table account)'],
  ],
  [
    'a damaged access key',
    () => garble(accessKeyKey.encode(alice.accessKeyId)),
    ['damaged-record: the record does not open (table access key)'],
  ],
  [
    'a damaged name of nobody',
    () => garble(accountNameKey.encode('eve')),
    ['damaged-record: the record does not open (table account name)'],
  ],
  [
    'a lost first account',
    () => remove(accountKey.encode(accounts.rootAccountId)),
    ['account-index: the name root leads to an account that is missing', 'account-index: the first account is missing'],
  ],
  [
    'no word on which account is the first',
    () => remove(firstAccountKey.encode('')),
    ['account-index: it is not known which account is the first'],
  ],
  [
    'a table that is none',
    () => metadata.commit({ puts: [{ key: Buffer.of(0x7f, 1), value: Buffer.of(1) }] }),
    ['unknown-key: a key that this release does not know'],
  ],
  [
    'a key that is none of its table',
    () => metadata.commit({ puts: [{ key: Buffer.of(0x63, 0x41), value: Buffer.of(1) }] }),
    ['unknown-key: a key that this release does not know'],
  ],
]

describe('a check of the accounts', () => {
  it('finds nothing where nothing is wrong, after accounts and keys came and went', async () => {
    await accounts.createAccessKey(alice.accountId)
    await accounts.deleteAccessKey(bob.accessKeyId)
    expect(await check()).toEqual([])
  })

  it('says how many entries there are', async () => {
    const snapshot = metadata.snapshot()
    expect(await checkAccounts(sealer, snapshot, async () => {})).toBe(1 + 3 * 2 + 2 * 2)
    snapshot.release()
  })

  it.each(mended)('finds %s, and mends it', async (_, damage, finding) => {
    await damage()
    const problems = await check()
    expect(problems.map(text)).toEqual([finding])
    expect(problems[0]?.repair).toBeDefined()
    await mend(problems)
    expect(await check()).toEqual([])
  })

  it.each(reported)('finds %s, and leaves it to people', async (_, damage, findings) => {
    await damage()
    const problems = await check()
    expect(problems.map(text)).toEqual(findings)
    expect(problems.filter(({ repair }) => repair)).toEqual([])
  })

  it('does not choose between two accounts of one name', async () => {
    const key = accountKey.encode(bob.accountId)
    await metadata.commit({ puts: [{ key, value: sealRecord(sealer, key, { name: 'alice', createdAtMs: 1 }) }] })
    const problems = await check()
    const [first, second] = [alice.accountId, bob.accountId].sort()
    expect(problems.filter(({ repair }) => !repair).map(text)).toEqual([
      `account-index: the accounts ${first} and ${second} have the same name, alice`,
    ])
    // The name that nobody has any more goes.
    expect(problems.filter(({ repair }) => repair).map(text)).toEqual([
      'account-index: the name bob leads to an account of another name',
    ])
  })

  it('says where something is, and no secret', async () => {
    await remove(accountAccessKeyKey.encode(alice.accountId, alice.accessKeyId))
    const [problem] = await check()
    expect(problem?.place).toEqual({ table: 'access key', account: alice.accountId, accessKey: alice.accessKeyId })
    expect(JSON.stringify(problem?.problem)).not.toContain(alice.secretAccessKey)
  })

  it('mends nothing that changed meanwhile', async () => {
    await remove(accessKeyKey.encode(alice.accessKeyId))
    const [problem] = await check()
    const key = accessKeyKey.encode(alice.accessKeyId)
    const record = { accountId: alice.accountId, secretAccessKey: 'new', createdAtMs: 1 }
    await metadata.commit({ puts: [{ key, value: sealRecord(sealer, key, record) }] })
    expect(await metadata.commit(problem?.repair ?? {})).toMatchObject({ committed: false })
  })

  it('fails, rather than find damage, where the store cannot be read', async () => {
    const snapshot = metadata.snapshot()
    const broken = Object.assign(Object.create(snapshot), {
      list: async () => {
        throw new StorageError('unavailable', 'refused by a test')
      },
    })
    await expect(checkAccounts(sealer, broken, async () => {})).rejects.toMatchObject({ code: 'unavailable' })
    snapshot.release()
  })
})
