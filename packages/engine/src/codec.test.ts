import { describe, expect, it } from 'vitest'
import { RecordReader, RecordWriter } from './codec.ts'

describe('writing records', () => {
  it('keeps two records apart that are written at the same time', () => {
    const one = new RecordWriter(1).text('one')
    const two = new RecordWriter(2).text('two')
    one.uint(1)
    two.uint(2)
    const first = one.finish()
    const second = two.finish()
    expect(first.toString('latin1')).toBe('\x01\x03one\x01')
    expect(second.toString('latin1')).toBe('\x02\x03two\x02')
  })

  it('gives a record away for good: the next one changes nothing in it', () => {
    const record = new RecordWriter(1).bytes(Buffer.alloc(300, 7)).finish()
    const copy = Buffer.from(record)
    new RecordWriter(1).bytes(Buffer.alloc(300, 9)).finish()
    expect(record).toEqual(copy)
  })

  it('takes no more fields once a record is finished', () => {
    const writer = new RecordWriter(1).u8(5)
    writer.finish()
    expect(() => writer.u8(6)).toThrow('finished')
    expect(() => writer.finish()).toThrow('finished')
  })

  it('writes records larger than the buffer that it began with', () => {
    const content = Buffer.alloc(20_000, 3)
    for (const capacity of [8, 384]) {
      const reader = new RecordReader(new RecordWriter(1, capacity).bytes(content).u8(9).finish(), 'test', 1)
      expect(reader.bytes(30_000)).toEqual(content)
      expect(reader.u8()).toBe(9)
      reader.end()
    }
  })
})
