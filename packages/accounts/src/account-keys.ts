/**
 * The tables of this package in the metadata store: tuple tags 0x60 to 0x7f are its own.
 *
 * @module
 */

const tags = { account: 0x60, accountName: 0x61, accessKey: 0x62, accountAccessKey: 0x63, firstAccount: 0x64 } as const

// Each key ends with its one variable part, raw, as the tuple encoding has it for the last element; account ids have a
// fixed length.
function key(tag: number, text: string): Buffer {
  const encoded = Buffer.allocUnsafe(1 + Buffer.byteLength(text))
  encoded[0] = tag
  encoded.write(text, 1)
  return encoded
}

/** `account/id` */
export const accountKey = (accountId: string): Buffer => key(tags.account, accountId)

/** `accountname/name` → id */
export const accountNameKey = (name: string): Buffer => key(tags.accountName, name)

/** `accesskey/AKID` */
export const accessKeyKey = (accessKeyId: string): Buffer => key(tags.accessKey, accessKeyId)

/** `account-accesskey/accountId AKID`: an account's access keys in order. */
export const accountAccessKeyKey = (accountId: string, accessKeyId: string): Buffer =>
  key(tags.accountAccessKey, accountId + accessKeyId)

/** `first-account` → id */
export const firstAccountKey = (): Buffer => key(tags.firstAccount, '')

/** All accounts, for a listing. */
export const accountRange = { gte: Buffer.from([tags.account]), lt: Buffer.from([tags.account + 1]) } as const

/** All access keys of an account, for a listing. Ids are printable ASCII, so 0xff ends them. */
export function accountAccessKeyRange(accountId: string): { readonly gte: Buffer; readonly lt: Buffer } {
  const gte = accountAccessKeyKey(accountId, '')
  return { gte, lt: Buffer.concat([gte, Buffer.from([0xff])]) }
}
