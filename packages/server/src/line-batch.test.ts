import { describe, expect, it } from 'vitest'
import { LineBatch } from './line-batch.ts'

function batch() {
  const written: string[] = []
  const due: (() => void)[] = []
  const output = { isFull: false, drain: () => {} }
  const lines = new LineBatch(
    {
      write: (text) => {
        written.push(text)
        return !output.isFull
      },
      onDrain: (goOn) => {
        output.drain = goOn
      },
      lostLine: (count) => `${count} lost\n`,
    },
    (flush) => due.push(flush),
  )
  const endTurn = () => {
    for (const flush of due.splice(0)) flush()
  }
  return { lines, written, output, endTurn }
}

describe('a batch of lines', () => {
  it('writes the lines of a turn in one go and in order', () => {
    const { lines, written, endTurn } = batch()
    lines.add('a\n')
    lines.add('b\n')
    expect(written).toEqual([])
    endTurn()
    lines.add('c\n')
    endTurn()
    endTurn()
    expect(written).toEqual(['a\nb\n', 'c\n'])
  })

  it('does not wait with more than it may hold', () => {
    const { lines, written, endTurn } = batch()
    const long = `${'x'.repeat(65_535)}\n`
    lines.add(long)
    expect(written).toEqual([long])
    lines.add('a\n')
    endTurn()
    expect(written).toEqual([long, 'a\n'])
  })

  it('writes what is left when the process ends', () => {
    const { lines, written, endTurn } = batch()
    lines.add('last\n')
    lines.flush()
    endTurn()
    expect(written).toEqual(['last\n'])
  })

  it('holds lines back while nobody reads, no more than 4 MiB of them, and says how many were lost', () => {
    const { lines, written, output, endTurn } = batch()
    output.isFull = true
    lines.add('first\n')
    endTurn()
    const line = `${'x'.repeat(1023)}\n`
    for (let i = 0; i < 5_000; i += 1) {
      lines.add(line)
      endTurn()
    }
    expect(written).toEqual(['first\n'])
    output.isFull = false
    output.drain()
    expect(written).toEqual(['first\n', `${line.repeat(4_096)}904 lost\n`])
    lines.add('next\n')
    endTurn()
    expect(written.at(-1)).toBe('next\n')
  })

  it('writes what waits for a reader when the process ends', () => {
    const { lines, written, output, endTurn } = batch()
    output.isFull = true
    lines.add('a\n')
    endTurn()
    lines.add('b\n')
    lines.flush()
    expect(written).toEqual(['a\n', 'b\n'])
  })
})
