import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type InstanceLock, lockInstance, socketName, throughShortPath } from './instance-lock.ts'
import { ServerError } from './server-error.ts'

let directory = ''

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-lock-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

const ask = (path: string): Promise<string> =>
  throughShortPath(
    directory,
    (short) =>
      new Promise((done, failed) => {
        request({ socketPath: join(short, socketName), path }, (answer) => {
          let text = ''
          answer.on('data', (piece) => {
            text += piece
          })
          answer.once('end', () => done(`${answer.statusCode} ${text}`))
        })
          .once('error', failed)
          .end()
      }),
  )

/** A process that died without removing its socket. */
async function leaveDeadSocket(): Promise<void> {
  const child = fork(join(import.meta.dirname, '../testdata/leave-socket.mjs'), [join(directory, socketName)])
  await once(child, 'message')
  child.kill('SIGKILL')
  await once(child, 'exit')
}

describe('lockInstance', () => {
  it('keeps others out and says who holds the directory', async () => {
    const lock = await lockInstance(directory, () => 'server on https://127.0.0.1:9000')
    await expect(lockInstance(directory, () => 'other')).rejects.toMatchObject({
      code: 'already-running',
      message: `${directory} is in use by server on https://127.0.0.1:9000 (process ${process.pid}): stop it first, or name another directory with --data`,
    })
    await lock.release()
    await (await lockInstance(directory, () => 'other')).release()
    expect(await readdir(directory)).toEqual([])
  })

  it('serves the admin channel to the owner of the directory only', async () => {
    const lock = await lockInstance(directory, () => 'server')
    expect(await ask('/v1/call')).toBe('503 ')
    lock.serve((_, answer) => answer.end('hello'))
    expect(await ask('/v1/call')).toBe('200 hello')
    expect((await stat(join(directory, socketName))).mode & 0o777).toBe(0o600)
    await lock.release()
  })

  it('takes over from a process that was killed', async () => {
    await leaveDeadSocket()
    expect(await readdir(directory)).toEqual([socketName])
    const lock = await lockInstance(directory, () => 'server')
    expect(await readdir(directory)).toEqual([socketName])
    await lock.release()
  })

  it('lets exactly one of many win a dead socket', async () => {
    for (let round = 0; round < 5; round++) {
      await leaveDeadSocket()
      const results = await Promise.allSettled(
        Array.from({ length: 12 }, () => lockInstance(directory, () => 'server')),
      )
      const locks = results.flatMap((result): InstanceLock[] => (result.status === 'fulfilled' ? [result.value] : []))
      const errors = results.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : []))
      expect(locks).toHaveLength(1)
      for (const error of errors) {
        expect(error).toBeInstanceOf(ServerError)
        expect(error).toMatchObject({ code: 'already-running' })
      }
      await Promise.all(locks.map((lock) => lock.release()))
    }
  })

  it('works in a directory whose path is too long for a socket', async () => {
    const deep = join(directory, 'd'.repeat(120))
    await mkdir(deep)
    const lock = await lockInstance(deep, () => 'server')
    await expect(lockInstance(deep, () => 'other')).rejects.toMatchObject({ code: 'already-running' })
    await lock.release()
    expect(await readdir(deep)).toEqual([])
  })
})
