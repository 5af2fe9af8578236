/**
 * Checks the tables of this package against each other, for `strongroom fsck`: account ↔ name, access key ↔ account, access
 * key ↔ the list of an account's keys, the first account. Whoever runs it knows nothing of these records: it gets problems in
 * words, and commits that mend them.
 *
 * Mended is what follows from a whole record. A lost account or access key is not made anew: its secret, or when it was made,
 * stands nowhere else.
 *
 * @module
 */

import { type Commit, type Entry, prefixEnd, type Snapshot, StorageError } from '@strongroom/storage'
import { accessKeyKey, accountAccessKeyKey, accountKey, accountNameKey, firstAccountKey } from './account-keys.ts'
import { openAccessKey, openAccount, openId, type RecordSealing, sealId } from './account-records.ts'
import { AccountsError } from './accounts-error.ts'

/** A commit that mends, with checks on everything it was concluded from. */
export type AccountRepair = Required<Pick<Commit, 'checks' | 'puts' | 'deletes'>>

export interface AccountProblem {
  /** `damaged-record`: it does not open. `account-index`: records do not agree. `unknown-key`: not of these tables. */
  readonly kind: 'damaged-record' | 'account-index' | 'unknown-key'
  readonly place: { readonly table: string; readonly account?: string; readonly accessKey?: string }
  readonly problem: string
  /** Where one answer is right. */
  readonly repair?: AccountRepair
}

/** Of this package (docs/formats/account-records.md). */
const tags = { first: 0x60, last: 0x7f } as const
const knownTags: ReadonlySet<number> = new Set(
  [accountKey, accountNameKey, accessKeyKey, accountAccessKeyKey, firstAccountKey].map(({ tag }) => tag),
)
const pageSize = 1_000

/**
 * Checks all accounts in one state of the store, one page of entries after the other.
 *
 * @param onProblem told of each problem; the next entry is looked at when it has resolved
 * @returns how many entries were looked at
 * @throws StorageError if the store cannot be read
 */
export async function checkAccounts(
  sealer: RecordSealing,
  snapshot: Snapshot,
  onProblem: (problem: AccountProblem) => Promise<void>,
): Promise<number> {
  return await new Check(sealer, snapshot, onProblem).run()
}

class Check {
  readonly #sealer: RecordSealing
  readonly #snapshot: Snapshot
  readonly #onProblem: (problem: AccountProblem) => Promise<void>
  /** Which account's record calls for a name; two may, where one was put there. */
  readonly #owners = new Map<string, string[]>()
  #seen = 0

  constructor(sealer: RecordSealing, snapshot: Snapshot, onProblem: (problem: AccountProblem) => Promise<void>) {
    this.#sealer = sealer
    this.#snapshot = snapshot
    this.#onProblem = onProblem
  }

  async run(): Promise<number> {
    await this.#each(accountKey, ([id], entry) => this.#collect(id, entry))
    for (const [name, ids] of this.#owners) await this.#nameOf(name, ids)
    await this.#each(accountNameKey, ([name], entry) => this.#name(name, entry))
    await this.#each(accessKeyKey, ([accessKey], entry) => this.#accessKey(accessKey, entry))
    await this.#each(accountAccessKeyKey, ([id, accessKey], entry) => this.#listed(id, accessKey, entry))
    await this.#first()
    for (let tag: number = tags.first; tag <= tags.last; tag += 1) {
      if (knownTags.has(tag)) continue
      for await (const _ of this.#entries(Buffer.of(tag))) await this.#unknown(tag)
    }
    return this.#seen
  }

  async #each<V>(
    table: { readonly tag: number; decode(key: Uint8Array): V },
    look: (values: V, entry: Entry) => Promise<void>,
  ): Promise<void> {
    for await (const entry of this.#entries(Buffer.of(table.tag))) {
      const values = orUndefined(() => table.decode(entry.key))
      await (values === undefined ? this.#unknown(table.tag) : look(values, entry))
    }
  }

  async #collect(id: string, entry: Entry): Promise<void> {
    const record = orUndefined(() => openAccount(this.#sealer, entry.key, entry.value))
    if (record) this.#owners.set(record.name, [...(this.#owners.get(record.name) ?? []), id])
    else await this.#damaged('account', { account: id })
  }

  /** Every account is found by its name. */
  async #nameOf(name: string, ids: readonly string[]): Promise<void> {
    const [id = '', other] = ids
    const place = { table: 'account name', account: id }
    if (other !== undefined) {
      return this.#disagree(place, `the accounts ${ids.join(' and ')} have the same name, ${name}`)
    }
    const key = accountNameKey.encode(name)
    const entry = await this.#snapshot.get(key)
    const leadsTo = entry && orUndefined(() => openId(this.#sealer, key, entry.value))
    if (leadsTo === id) return
    const account = await this.#snapshot.get(accountKey.encode(id))
    const problem = entry ? `the name ${name} does not lead to the account` : `the name ${name} is missing`
    await this.#disagree(place, problem, putId(this.#sealer, key, entry, id, account))
  }

  /** Every name leads to an account that has it. What an account calls for was looked at before. */
  async #name(name: string, entry: Entry): Promise<void> {
    if (this.#owners.has(name)) return
    const place = { table: 'account name' }
    const id = orUndefined(() => openId(this.#sealer, entry.key, entry.value))
    if (id === undefined) return this.#damaged('account name', {})
    const account = await this.#account(id)
    if (account.state === 'damaged') return
    if (account.state === 'missing') {
      return this.#disagree({ ...place, account: id }, `the name ${name} leads to an account that is missing`)
    }
    const problem = `the name ${name} leads to an account of another name`
    await this.#disagree({ ...place, account: id }, problem, remove(entry, accountKey.encode(id), account.entry))
  }

  /** Every access key is of an account, and in the list of its keys. */
  async #accessKey(accessKey: string, entry: Entry): Promise<void> {
    const record = orUndefined(() => openAccessKey(this.#sealer, entry.key, entry.value))
    if (!record) return this.#damaged('access key', { accessKey })
    const { accountId } = record
    const place = { table: 'access key', account: accountId, accessKey }
    if ((await this.#account(accountId)).state === 'missing') {
      await this.#disagree(place, 'the access key is of an account that is missing')
    }
    const key = accountAccessKeyKey.encode(accountId, accessKey)
    const listed = await this.#snapshot.get(key)
    const value = listed && orUndefined(() => openId(this.#sealer, key, listed.value))
    if (value === accountId) return
    const problem = `the list of the account's keys ${listed ? 'has a damaged entry for it' : 'lacks it'}`
    await this.#disagree(place, problem, putId(this.#sealer, key, listed, accountId, entry))
  }

  /** Whatever is in the list of an account's keys is a key of the account. */
  async #listed(accountId: string, accessKey: string, entry: Entry): Promise<void> {
    const key = accessKeyKey.encode(accessKey)
    const found = await this.#snapshot.get(key)
    const record = found && orUndefined(() => openAccessKey(this.#sealer, key, found.value))
    if (record ? record.accountId === accountId : found !== undefined) return
    const place = { table: 'access keys of an account', account: accountId, accessKey }
    const problem = `the list of the account's keys has one that ${found ? "is another account's" : 'is missing'}`
    await this.#disagree(place, problem, remove(entry, key, found))
  }

  async #first(): Promise<void> {
    const place = { table: 'first account' }
    let isThere = false
    await this.#each(firstAccountKey, async ([name], entry) => {
      if (name !== '') return this.#disagree(place, 'a second entry')
      isThere = true
      const id = orUndefined(() => openId(this.#sealer, entry.key, entry.value))
      if (id === undefined) return this.#damaged('first account', {})
      if ((await this.#account(id)).state !== 'missing') return
      await this.#disagree({ ...place, account: id }, 'the first account is missing')
    })
    if (!isThere && this.#owners.size > 0) await this.#disagree(place, 'it is not known which account is the first')
  }

  async #account(id: string): Promise<{ readonly state: 'whole' | 'damaged' | 'missing'; readonly entry?: Entry }> {
    const key = accountKey.encode(id)
    const entry = await this.#snapshot.get(key)
    if (!entry) return { state: 'missing' }
    return { state: orUndefined(() => openAccount(this.#sealer, key, entry.value)) ? 'whole' : 'damaged', entry }
  }

  async *#entries(prefix: Uint8Array): AsyncGenerator<Entry> {
    const lt = prefixEnd(prefix)
    for (let gte = prefix; ; ) {
      const page = await this.#snapshot.list({ gte, lt, limit: pageSize })
      for (const entry of page) {
        this.#seen += 1
        yield entry
      }
      const last = page.at(-1)
      if (!last || page.length < pageSize) return
      gte = Buffer.concat([last.key, Buffer.of(0)])
    }
  }

  #damaged(table: string, place: Omit<AccountProblem['place'], 'table'>): Promise<void> {
    const problem = `the record does not open (table ${table})`
    return this.#onProblem({ kind: 'damaged-record', place: { table, ...place }, problem })
  }

  #unknown(tag: number): Promise<void> {
    const table = `0x${tag.toString(16)}`
    return this.#onProblem({ kind: 'unknown-key', place: { table }, problem: 'a key that this release does not know' })
  }

  #disagree(place: AccountProblem['place'], problem: string, repair?: AccountRepair): Promise<void> {
    return this.#onProblem({ kind: 'account-index', place, problem, ...(repair ? { repair } : {}) })
  }
}

const versionOf = (entry: Entry | undefined): number | 'absent' => entry?.version ?? 'absent'

/** Puts an id where it belongs, if there is still what was seen there, and the record that calls for it. */
function putId(
  sealer: RecordSealing,
  key: Uint8Array,
  seen: Entry | undefined,
  id: string,
  record: Entry | undefined,
): AccountRepair | undefined {
  if (!record) return undefined
  return {
    checks: [
      { key, version: versionOf(seen) },
      { key: record.key, version: record.version },
    ],
    puts: [{ key, value: sealId(sealer, key, id) }],
    deletes: [],
  }
}

/** Removes an entry that leads to something that does not call for it. */
function remove(entry: Entry, leadsTo: Uint8Array, found: Entry | undefined): AccountRepair {
  return {
    checks: [
      { key: entry.key, version: entry.version },
      { key: leadsTo, version: versionOf(found) },
    ],
    puts: [],
    deletes: [entry.key],
  }
}

/** What is read, or `undefined` if it is damaged. */
function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if ((error instanceof AccountsError || error instanceof StorageError) && error.code === 'corrupt') return undefined
    throw error
  }
}
