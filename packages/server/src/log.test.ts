import { describe, expect, it } from 'vitest'
import { createLog } from './log.ts'

const logged = (format: 'text' | 'json', say: (log: ReturnType<typeof createLog>) => void): string => {
  let text = ''
  const write = (line: string) => {
    text += line
  }
  say(createLog({ level: 'info', format, write }))
  return text
}

describe('the log', () => {
  it('writes one JSON object per line', () => {
    const line = logged('json', (log) => log.warn({ path: '/a b' }, 'a thing happened'))
    expect(JSON.parse(line)).toEqual({ level: 'warn', time: expect.any(String), path: '/a b', msg: 'a thing happened' })
    expect(line.endsWith('\n')).toBe(true)
  })

  it('writes text for people', () => {
    const line = logged('text', (log) => log.info({ port: 1, path: '/a b' }, 'started'))
    expect(line).toMatch(/^\d\d:\d\d:\d\d info {2}started {2}port=1 {2}path="\/a b"\n$/)
  })

  it('shows an error with its cause', () => {
    const error = new Error('outer', { cause: new Error('inner') })
    const line = JSON.parse(logged('json', (log) => log.error({ error }, 'failed')))
    expect(line.error).toMatchObject({ message: 'outer', cause: { message: 'inner' } })
  })

  it('leaves out what is below its level', () => {
    expect(logged('json', (log) => log.debug('details'))).toBe('')
  })
})
