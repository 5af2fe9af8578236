/**
 * Owners as S3's documents name them: a canonical user id of 64 hexadecimal digits, made from the account id.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { element, wrap } from './xml-writer.ts'

/** The canonical user id of an account. The same for ever: clients may keep it. */
export function canonicalUserId(accountId: string): string {
  return createHash('sha256').update(`canonical user of account ${accountId}`).digest('hex')
}

/** `<Owner>` or `<Initiator>`. */
export function formatOwner(accountId: string, name: 'Owner' | 'Initiator' = 'Owner'): string {
  return wrap(name, element('ID', canonicalUserId(accountId)) + element('DisplayName', accountId))
}

/** Writes the owners of one page: entry after entry has the same. */
export class OwnerWriter {
  #accountId: string | undefined
  #text = ''

  format(accountId: string): string {
    if (accountId !== this.#accountId) {
      this.#accountId = accountId
      this.#text = formatOwner(accountId)
    }
    return this.#text
  }
}
