/**
 * Names under a directory of a KV engine. OpenBao gives them by pages, Vault ignores that and gives all at once.
 *
 * @module
 */
import { isEntryName } from '../../entry-name.ts'
import { isObject, type StoreRequest } from '../store-client.ts'
import { checkVaultAbsence } from './vault-entry.ts'
import type { VaultSession } from './vault-session.ts'

const pageSize = 1_000

/** A quarter of a million of the longest names. */
const maxAnswerBytes = 32 << 20

/** A page of names that key store entries can have, in byte order. */
export interface VaultPage {
  readonly names: readonly string[]
  /** OpenBao's KV version 2: what it knows of each name, deletions too. */
  readonly details?: Readonly<Record<string, unknown>>
}

/**
 * Pages of names that begin with `prefix`, in byte order. A directory that is not there is empty: Vault says 404.
 *
 * @param directory encoded, without a slash at the end
 */
export async function* listVaultPages(
  session: VaultSession,
  directory: string,
  prefix: string,
  firstPage?: VaultPage,
): AsyncGenerator<VaultPage> {
  let page = firstPage ?? (await readPage(session, directory, ''))
  for (let after = ''; ; page = await readPage(session, directory, after)) {
    const fresh = page.names.filter((name) => name > after)
    yield { ...page, names: fresh.filter((name) => name.startsWith(prefix) && isEntryName(name)) }
    const last = fresh.at(-1)
    // Without paging the whole comes again and again.
    const isPaged = page.names.length === pageSize && fresh.length === pageSize
    if (!isPaged || last === undefined || (prefix !== '' && last > `${prefix}\u{10ffff}`)) return
    after = last
  }
}

/** The first page of a directory with details; `undefined` where there is no such listing, or no right to it. */
export async function firstDetailedPage(session: VaultSession, directory: string): Promise<VaultPage | undefined> {
  const request = pageRequest(directory, '')
  const answer = await session.send(request)
  if (answer.status >= 500 || answer.status === 429) throw session.refusal(request, answer, `"list" on ${directory}`)
  if (answer.status !== 200) return undefined
  const { data } = session.json(request, answer)
  return isObject(data) && isObject(data.key_info) ? pageOf(data) : undefined
}

async function readPage(session: VaultSession, directory: string, after: string): Promise<VaultPage> {
  const request = pageRequest(directory, after)
  const answer = await session.send(request)
  if (answer.status === 404) {
    checkVaultAbsence(request, session.json(request, answer))
    return { names: [] }
  }
  if (answer.status !== 200) throw session.refusal(request, answer, `"list" on ${directory}`)
  const { data } = session.json(request, answer)
  const page = isObject(data) ? pageOf(data) : undefined
  if (page === undefined) throw session.nonsense(request, 'without keys')
  return page
}

function pageRequest(directory: string, after: string): StoreRequest {
  const from = after === '' ? '' : `&after=${encodeURIComponent(after)}`
  return { method: 'GET', path: `/v1/${directory}?list=true&limit=${pageSize}${from}`, maxAnswerBytes }
}

/** Where paging is not known, a warning about it turns the 404 of an empty directory into a 200 without keys. */
function pageOf({ keys = [], key_info: details }: Readonly<Record<string, unknown>>): VaultPage | undefined {
  if (!Array.isArray(keys)) return undefined
  const names = keys.filter((key) => typeof key === 'string').sort()
  return isObject(details) ? { names, details } : { names }
}
