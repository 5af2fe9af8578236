/**
 * The admin channel's calls: their names and what they take. A call is `POST /v1/<method>` with a JSON list of arguments
 * on the Unix socket in the metadata directory; the answer is lines of JSON: `progress` lines, then `result` or `error`.
 *
 * @module
 */
import type { Admin, AdminErrorCode } from '@strongroom/cli'
import type { FsckProgress } from '@strongroom/maintenance'
import * as z from 'zod'

const name = z.string().min(1).max(255)
const path = z.string().min(1).max(4096)
const deletion = z.strictObject({ force: z.boolean(), reason: z.string().max(1000) })

export const adminMethods = {
  status: z.tuple([]),
  connection: z.tuple([]),
  createKey: z.tuple([name]),
  importKey: z.tuple([name, z.string().max(64)]),
  listKeys: z.tuple([name]),
  describeKey: z.tuple([name]),
  rotateKey: z.tuple([name]),
  lockKey: z.tuple([name]),
  unlockKey: z.tuple([name]),
  grantKey: z.tuple([name, name]),
  revokeKey: z.tuple([name, name]),
  keyUsage: z.tuple([name]),
  scheduleKeyDeletion: z.tuple([name, deletion.extend({ days: z.number() }).partial()]),
  cancelKeyDeletion: z.tuple([name]),
  deleteKey: z.tuple([name, deletion.partial()]),
  createAccount: z.tuple([name]),
  listAccounts: z.tuple([]),
  deleteAccount: z.tuple([name]),
  fsck: z.tuple([z.strictObject({ repair: z.boolean(), verifyData: z.boolean() }).partial()]),
  rotateRootKey: z.tuple([z.strictObject({ newPassphraseFile: path, newKeyFile: path }).partial()]),
} as const satisfies Record<Exclude<keyof Admin, 'close'>, z.ZodType>

export type AdminMethod = keyof typeof adminMethods

export const isAdminMethod = (text: string): text is AdminMethod => Object.hasOwn(adminMethods, text)

/** One line of an answer. */
export type AdminLine =
  | { readonly progress: FsckProgress }
  | { readonly result: unknown }
  | { readonly error: { readonly code: AdminErrorCode; readonly message: string } }
