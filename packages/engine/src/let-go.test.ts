import { createCipheriv } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { letGo, letGoOfCiphered, Wake } from './let-go.ts'

/** Node.js 20 cannot give memory back. */
const canLetGo = 'transfer' in ArrayBuffer.prototype

const large = (bytes = 70_000) => new Uint8Array(bytes)

describe('letGo', () => {
  it('frees a piece that is the whole of its memory, where the runtime can', () => {
    const piece = large()
    letGo(piece)
    expect(piece.length).toBe(canLetGo ? 0 : 70_000)
    letGo(piece)
  })

  it('leaves alone what shares its memory, or may', () => {
    const memory = large()
    letGo(memory.subarray(0, 69_999))
    letGo(memory.subarray(1))
    expect(memory.length).toBe(70_000)
    const pooled = Buffer.allocUnsafe(100)
    letGo(pooled)
    expect(pooled.length).toBe(100)
  })
})

describe('letGoOfCiphered', () => {
  it('frees what a cipher gave, on every runtime that can', () => {
    const piece = createCipheriv('aes-256-gcm', large(32), large(12)).update(large(65_536))
    letGoOfCiphered(piece)
    expect(piece.length).toBe(canLetGo ? 0 : 65_536)
  })

  it('leaves alone what shares its memory', () => {
    const memory = large()
    letGoOfCiphered(memory.subarray(0, 69_998))
    letGoOfCiphered(memory.subarray(1))
    expect(memory.length).toBe(70_000)
  })
})

describe('Wake', () => {
  it('keeps the chunks in which the last bytes are, and frees those before', () => {
    const wake = new Wake(65_536)
    const chunks = [large(), large(20_000), large(45_536), large(1), large()]
    const lengths = chunks.map((chunk) => chunk.length)
    const isLeft = (chunk: Uint8Array, at: number) => chunk.length === lengths[at]
    for (const chunk of chunks.slice(0, 3)) wake.passed(chunk)
    // 65,536 bytes lie behind the first one: the sealer may still hold all of them, and none of the first.
    expect(chunks.map(isLeft)).toEqual([!canLetGo, true, true, true, true])
    wake.passed(large(1))
    expect(chunks.map(isLeft)).toEqual([!canLetGo, true, true, true, true])
    wake.passed(large())
    expect(chunks.map(isLeft)).toEqual([!canLetGo, !canLetGo, !canLetGo, true, true])
  })
  it('keeps nothing of chunks that are too small, or parts of larger memory: a client may send byte by byte', () => {
    const wake = new Wake(65_536)
    const memory = large()
    for (let at = 0; at < 40_000; at++) wake.passed(memory.subarray(at, at + 1))
    expect(wake.kept).toBe(0)
    for (let i = 0; i < 20; i++) wake.passed(large(16_384))
    expect(wake.kept).toBe(canLetGo ? 4 : 0)
  })
})
