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

/**
 * Names that a key store entry can have, in byte order, by pages. A directory that is not there is empty: Vault says 404.
 *
 * @param directory encoded, without a slash at the end
 */
export async function* listVaultNames(
  session: VaultSession,
  directory: string,
  prefix: string,
): AsyncGenerator<readonly string[]> {
  let after = ''
  for (;;) {
    const page = await listPage(session, directory, after)
    const fresh = page.filter((name) => name > after)
    // Without paging the whole comes again and again.
    const isPaged = page.length === pageSize && fresh.length === pageSize
    yield fresh.filter((name) => name.startsWith(prefix) && isEntryName(name))
    const last = fresh.at(-1)
    if (!isPaged || last === undefined || (prefix !== '' && last > `${prefix}\u{10ffff}`)) return
    after = last
  }
}

async function listPage(session: VaultSession, directory: string, after: string): Promise<readonly string[]> {
  const from = after === '' ? '' : `&after=${encodeURIComponent(after)}`
  const request: StoreRequest = {
    method: 'GET',
    path: `/v1/${directory}?list=true&limit=${pageSize}${from}`,
    maxAnswerBytes,
  }
  const answer = await session.send(request)
  if (answer.status === 404) {
    checkVaultAbsence(request, session.json(request, answer))
    return []
  }
  if (answer.status !== 200) throw session.refusal(request, answer, `"list" on ${directory}`)
  const { data } = session.json(request, answer)
  // Where paging is not known, a warning about it turns the 404 of an empty directory into a 200 without keys.
  const keys = isObject(data) ? (data.keys ?? []) : undefined
  if (!Array.isArray(keys)) throw session.nonsense(request, 'without keys')
  return keys.filter((key) => typeof key === 'string').sort()
}
