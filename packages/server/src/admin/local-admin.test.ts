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
