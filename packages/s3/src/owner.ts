/**
 * Owners as S3's documents name them: a canonical user id of 64 hexadecimal digits, made from the account id.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { element, wrap } from './xml-writer.ts'

const maxCached = 1000
const cache = new Map<string, string>()

/** The canonical user id of an account. The same for ever: clients may keep it. */
export function canonicalUserId(accountId: string): string {
  return createHash('sha256').update(`canonical user of account ${accountId}`).digest('hex')
}

/** `<Owner>` or `<Initiator>`. */
export function formatOwner(accountId: string, name: 'Owner' | 'Initiator' = 'Owner'): string {
  const key = `${name}/${accountId}`
  let text = cache.get(key)
  if (text === undefined) {
    text = wrap(name, element('ID', canonicalUserId(accountId)) + element('DisplayName', accountId))
    if (cache.size >= maxCached) cache.clear()
    cache.set(key, text)
  }
  return text
}
