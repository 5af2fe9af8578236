import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { kesOutput } from './kes-output.ts'

describe('the output of a key service', () => {
  it('outlives whoever reads it', async () => {
    let writes = 0
    const broken = new Writable({
      autoDestroy: false,
      write: (_chunk, _encoding, done) => {
        writes++
        done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
      },
    })
    const failed = new Promise((resolve) => broken.once('error', resolve))
    const output = kesOutput(broken, false)
    output.write('one\n')
    output.flush()
    expect(await failed).toMatchObject({ code: 'EPIPE' })
    output.write('two\n')
    output.flush()
    await new Promise((resolve) => setImmediate(resolve))
    expect(writes).toBeGreaterThan(0)
  })

  it.each([
    [false, /^time=2026-11-23T00:00:00\.000Z level=WARN msg="log lines were lost: nobody read them" count=\d+\n$/],
    [true, /^\{"time":"2026-11-23T00:00:00\.000Z","level":"WARN","message":"[^"]+","count":\d+\}\n$/],
  ])(
    'keeps no more than some megabytes for a reader that takes nothing, and counts the rest (JSON: %s)',
    (isJson, said) => {
      const taken: string[] = []
      let take = (): void => undefined
      const slow = new Writable({
        highWaterMark: 1,
        decodeStrings: false,
        write: (chunk: string, _encoding, done) => {
          taken.push(chunk)
          take = done
        },
      })
      const output = kesOutput(slow, isJson, () => new Date('2026-11-23T00:00:00Z'))
      const line = `${'x'.repeat(99_999)}\n`
      for (let at = 0; at < 100; at++) output.write(line)
      const waiting = slow.writableLength
      expect(waiting).toBeLessThan(200_000)
      output.flush()
      expect(slow.writableLength).toBeLessThan(6_000_000)
      take()
      expect((taken[1] ?? '').slice(-200).split('x').at(-1)?.trimStart()).toMatch(said)
    },
  )
})
