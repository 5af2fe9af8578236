/**
 * The tables of this package in the metadata store (docs/formats/account-records.md). Tuple tags 0x60 to 0x7f are its own, and
 * frozen: stored keys depend on them.
 *
 * @module
 */

import { defineTuple, text } from '@strongroom/storage'

/** `account/id` → AccountRecord. */
export const accountKey = defineTuple(0x60, text())

/** `accountname/name` → account id. */
export const accountNameKey = defineTuple(0x61, text())

/** `accesskey/accessKeyId` → AccessKeyRecord. */
export const accessKeyKey = defineTuple(0x62, text())

/** `account-accesskey/accountId/accessKeyId` → account id: the access keys of an account, in order. */
export const accountAccessKeyKey = defineTuple(0x63, text(), text())

/** `first-account/` → account id. The one entry has an empty name. */
export const firstAccountKey = defineTuple(0x64, text())
