import { describe, expect, it } from 'vitest'
import { LineBatch } from './line-batch.ts'

function batch() {
  const written: string[] = []
  const due: (() => void)[] = []
  const lines = new LineBatch(
    (text) => written.push(text),
    (flush) => due.push(flush),
  )
  const endTurn = () => {
    for (const flush of due.splice(0)) flush()
  }
  return { lines, written, endTurn }
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
})
