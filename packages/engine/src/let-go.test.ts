import { createCipheriv } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { letGo, letGoOfCiphered } from './let-go.ts'

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
