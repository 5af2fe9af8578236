/**
 * What a link does with log lines when the other side takes nothing.
 *
 * @module
 */
import { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { type DataFrame, Link, type Methods } from './link.ts'

type None = Record<never, never>

/** A stream whose other side takes what it is sent only when told to. */
function stalling(): { readonly stream: Duplex; readonly sent: () => string; readonly take: () => void } {
  let sent = ''
  let isTaking = false
  let taken: (() => void) | undefined
  const stream = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      sent += chunk.toString('latin1')
      if (isTaking) done()
      else taken = done
    },
  })
  const take = (): void => {
    isTaking = true
    taken?.()
  }
  return { stream, sent: () => sent, take }
}

describe('log lines over a link', () => {
  it('take no more than some megabytes while the other side stalls, and are counted by what they are of', async () => {
    const { stream, sent, take } = stalling()
    const lost: [DataFrame, number][] = []
    const link: Link<None, None> = new Link<None, None>(stream, {
      methods: {} satisfies Methods<None>,
      onData: () => undefined,
      onEnd: () => undefined,
      onLost: (frame, lines) => {
        lost.push([frame, lines])
        link.send('log', Buffer.from(`${lines} were lost`))
      },
    })
    const lines = Buffer.from(`${'x'.repeat(99_999)}\n`.repeat(5))
    for (let turn = 0; turn < 20; turn++) {
      link.offer('access', lines)
      link.offer('log', Buffer.from('line\n'))
      link.flush()
    }
    expect(stream.writableLength).toBeLessThan(5_000_000)
    expect(lost).toEqual([])
    take()
    expect(stream.writableLength).toBe(0)
    link.offer('log', Buffer.from('again'))
    link.flush()
    const given = sent().split('\n').length - 1
    expect(lost.map(([frame]) => frame)).toEqual(['access', 'log'])
    expect(given + lost.reduce((sum, [, count]) => sum + count, 0)).toBe(20 * 6)
    expect(sent()).toMatch(/\d+ were lost.{5}\d+ were lost.{5}again$/s)
  })

  it('that were lost are told of at the end, too', () => {
    const { stream, take, sent } = stalling()
    const link: Link<None, None> = new Link<None, None>(stream, {
      methods: {} satisfies Methods<None>,
      onData: () => undefined,
      onEnd: () => undefined,
      onLost: (_frame, lines) => link.send('log', Buffer.from(`${lines} were lost`)),
    })
    link.send('commit', Buffer.alloc(5_000_000))
    link.flush()
    link.offer('access', Buffer.from('a\nb\n'))
    link.end()
    take()
    expect(sent()).toMatch(/2 were lost$/)
  })
})
