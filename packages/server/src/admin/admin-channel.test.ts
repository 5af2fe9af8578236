import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Admin, AdminError } from '@strongroom/cli'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type InstanceLock, lockInstance, socketName } from '../instance-lock.ts'
import { adminChannel } from './admin-channel.ts'
import { connectAdmin } from './admin-client.ts'

let directory = ''
let lock: InstanceLock
const faults: unknown[] = []

const refuse = () => Promise.reject(new AdminError('refused', 'the key is in use'))

/** Answers what was asked, so that the test sees what arrived. */
const echo = new Proxy({} as Admin, {
  get: (_, method) => {
    if (method === 'deleteKey') return refuse
    if (method === 'rotateKey') return () => Promise.reject(new Error('a secret detail'))
    if (method === 'fsck') {
      return async (options: unknown, onProgress: (progress: { phase: string; done: number }) => void) => {
        for (let done = 1; done <= 3; done++) onProgress({ phase: 'objects', done })
        return { options }
      }
    }
    return async (...args: unknown[]) => ({ method, args })
  },
})

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-admin-'))
  lock = await lockInstance(directory, () => 'server')
  faults.length = 0
  lock.serve(adminChannel(echo, (error) => faults.push(error)))
})

afterEach(async () => {
  await lock.release()
  await rm(directory, { recursive: true, force: true })
})

const connected = async (): Promise<Admin> => {
  const admin = await connectAdmin(directory)
  if (admin === undefined) throw new Error('nobody listens')
  return admin
}

describe('the admin channel', () => {
  it('carries calls and answers', async () => {
    const admin = await connected()
    expect(await admin.grantKey('invoices', '100000000002')).toEqual({
      method: 'grantKey',
      args: ['invoices', '100000000002'],
    })
    expect(await admin.listAccounts()).toEqual({ method: 'listAccounts', args: [] })
  })

  it('carries progress before the result', async () => {
    const seen: number[] = []
    const report = await (await connected()).fsck({ repair: true }, ({ done }) => seen.push(done))
    expect(seen).toEqual([1, 2, 3])
    expect(report).toEqual({ options: { repair: true } })
  })

  it('carries a refusal with its code, and hides the details of a fault', async () => {
    const admin = await connected()
    await expect(admin.deleteKey('invoices', {})).rejects.toMatchObject({
      code: 'refused',
      message: 'the key is in use',
    })
    expect(faults).toEqual([])
    await expect(admin.rotateKey('invoices')).rejects.toMatchObject({
      code: 'internal',
      message: expect.not.stringContaining('secret'),
    })
    expect(faults).toHaveLength(1)
  })

  it('refuses calls it does not know and arguments that do not fit', async () => {
    const post = (path: string, body: string): Promise<string> =>
      new Promise((done, failed) => {
        request({ socketPath: join(directory, socketName), path, method: 'POST' }, (answer) => {
          let text = ''
          answer.on('data', (piece) => {
            text += piece
          })
          answer.once('end', () => done(text))
        })
          .once('error', failed)
          .end(body)
      })
    for (const [path, body] of [
      ['/v1/close', '[]'],
      ['/v1/constructor', '[]'],
      ['/v1/createKey', '[]'],
      ['/v1/createKey', '["a","b"]'],
      ['/v1/createKey', 'nonsense'],
      ['/v1/deleteKey', '["a",{"forced":true}]'],
      ['/v1/createKey', `["${'a'.repeat(70_000)}"]`],
    ] as const) {
      expect(JSON.parse(await post(path, body))).toMatchObject({ error: { code: 'invalid' } })
    }
    expect(faults).toEqual([])
  })

  it('knows when nobody listens', async () => {
    await lock.release()
    expect(await connectAdmin(directory)).toBeUndefined()
    expect(await connectAdmin(join(directory, 'none'))).toBeUndefined()
    lock = await lockInstance(directory, () => 'server')
  })
})
