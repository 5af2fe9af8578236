/**
 * The one access control list there is: everything for the owner. True in a house where nobody else has rights; `s3cmd` and
 * others read it. "GetBucketAcl", "GetObjectAcl".
 *
 * @module
 */

import { formatOwner } from './owner.ts'
import { element, wrap, xmlDocument } from './xml-writer.ts'

/** The answer of GetBucketAcl and GetObjectAcl. */
export function formatOwnerAcl(ownerAccountId: string): string {
  const owner = formatOwner(ownerAccountId)
  const inside = owner.slice('<Owner>'.length, -'</Owner>'.length)
  const grantee = `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">${inside}</Grantee>`
  const grant = wrap('Grant', grantee + element('Permission', 'FULL_CONTROL'))
  return xmlDocument('AccessControlPolicy', owner + wrap('AccessControlList', grant))
}
