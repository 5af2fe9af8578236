import type { KeyUsage, MaintainedEngine } from '@strongroom/engine'
import { expect, test } from 'vitest'
import type { Deployment } from '../deployment.ts'
import { LocalAdmin } from './local-admin.ts'

const usage: KeyUsage = {
  name: 'invoices',
  total: { objects: 1, versions: 2, bytes: 3, uploads: 0, parts: 0, partBytes: 0 },
  rows: [],
}

function adminOf(deleteKey: MaintainedEngine['deleteKey'], lines: unknown[]): LocalAdmin {
  const log = { warn: (...line: unknown[]) => void lines.push(line) }
  const deployment = { engine: { deleteKey } } as unknown as Deployment
  return new LocalAdmin({ deployment, log, status: { version: '1' }, endpoint: '' })
}

test('a key destroyed by force leaves who needed it and why in the log, before and after', async () => {
  const lines: unknown[] = []
  const admin = adminOf(async () => {
    expect(lines).toEqual([[{ key: 'invoices', reason: 'erasure' }, 'a key is to be destroyed by force']])
    return usage
  }, lines)
  await admin.deleteKey('invoices', { force: true, reason: 'erasure' })
  expect(lines.slice(1)).toEqual([[{ key: 'invoices', reason: 'erasure', lost: usage.total }, 'a key was destroyed']])
})

test('a deletion that is refused is not noted as done', async () => {
  const lines: unknown[] = []
  const admin = adminOf(() => Promise.reject(new Error('refused')), lines)
  await expect(admin.deleteKey('invoices', {})).rejects.toThrow('refused')
  expect(lines).toEqual([])
})

test('an account is deleted once it owns nothing, with the grants that it had', async () => {
  const account = { id: '100000000002', name: 'team', createdAtMs: 0, isRootAccount: false }
  const log: unknown[] = []
  const done: string[] = []
  let buckets = [{ name: 'photos' }]
  let keys = [{ name: 'own', ownerAccountId: account.id, grants: [] as string[] }]
  const engine = {
    listBuckets: async ({ accountId }: { accountId: string }) => ({
      buckets: accountId === account.id ? buckets : [],
      truncated: false,
    }),
    listKeys: async () => keys,
    revokeKey: async (name: string, id: string) => void done.push(`revoke ${name} ${id}`),
  }
  const accounts = {
    listAccounts: async () => [account],
    deleteAccount: async (id: string) => void done.push(`delete ${id}`),
  }
  const deployment = { engine, accounts } as unknown as Deployment
  const warn = (...line: unknown[]) => void log.push(line)
  const admin = new LocalAdmin({ deployment, log: { warn }, status: { version: '1' }, endpoint: '' })
  await expect(admin.deleteAccount('team')).rejects.toMatchObject({
    code: 'refused',
    message: 'account team still owns buckets: photos; keys: own',
  })
  await expect(admin.deleteAccount('nobody')).rejects.toMatchObject({ code: 'not-found' })
  expect(done).toEqual([])
  buckets = []
  keys = [{ name: 'shared', ownerAccountId: '100000000001', grants: [account.id] }]
  expect(await admin.deleteAccount('team')).toEqual(account)
  expect(done).toEqual([`delete ${account.id}`, `revoke shared ${account.id}`])
  expect(log).toEqual([[{ account: account.id, name: 'team' }, 'an account was deleted']])
})
