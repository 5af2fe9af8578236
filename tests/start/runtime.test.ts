/**
 * A server runs on Bun in a process of its own, which must end with the one that was started, however that ends
 * (docs/adr/0012-a-server-runs-on-bun.md).
 *
 * @module
 */

import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
// The scripts are plain modules without types, so that they run before anything is built.
// @ts-expect-error TS7016
import { bunProgram, isServer, isWorkingBun } from '../../scripts/runtime.mjs'
import { Program, run } from '../support/program.ts'

const node = process.versions.bun === undefined ? process.execPath : 'node'
let data = ''
let program: Program | undefined

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'strongroom-runtime-'))
})

afterEach(async () => {
  await program?.kill()
  program = undefined
  await rm(data, { recursive: true, force: true })
})

async function startFromNode(): Promise<Program> {
  // Empty counts as not set: what `npm start` does.
  program = await Program.start({ data, executable: node, variables: { STRONGROOM_RUNTIME: '' } })
  return program
}

describe('a server that was started by Node.js', { timeout: 180_000 }, () => {
  it('stops when it is asked to', async () => {
    const started = await startFromNode()
    expect(await started.stop()).toBe(0)
    expect(started.lines.at(-1)?.msg).toBe('stopped')
  })

  it('ends, and lets go of its data, when the process that was started is killed', async () => {
    const started = await startFromNode()
    // Resolves when nobody holds the log any more. A process that is killed says nothing: the one that did is another.
    await started.kill()
    expect(started.lines.at(-1)?.msg).toBe('stopped')
    const again = await startFromNode()
    expect(await again.stop()).toBe(0)
  })

  it('stays in that process when it is told to: there is nobody left to stop', async () => {
    program = await Program.start({ data, executable: node, variables: { STRONGROOM_RUNTIME: 'node' } })
    await program.kill()
    expect(program.lines.at(-1)?.msg).toBe('ready')
  })

  it('does not start on a runtime that there is not', async () => {
    const { code, error } = await run(['status', '--data', data], { variables: { STRONGROOM_RUNTIME: 'deno' } })
    expect({ code, error }).toEqual({ code: 1, error: 'strongroom: STRONGROOM_RUNTIME is node or bun, not "deno"\n' })
  })
})

describe('a command', () => {
  it('runs on Bun if it is a server, of objects or of keys', () => {
    expect(
      [
        ['server', '--data', 'x'],
        ['kes', 'server', '--dev'],
      ].every(isServer),
    ).toBe(true)
    expect(
      [[], ['status'], ['kes'], ['kes', 'key', 'ls'], ['key', 'server'], ['kes', 'status', 'server']].some(isServer),
    ).toBe(false)
  })
})

describe('the look for Bun', () => {
  it('takes the one that was installed', () => {
    expect(isWorkingBun(bunProgram())).toBe(true)
  })

  it('takes none that fails or is too old', async () => {
    const fake = join(data, 'bun')
    for (const body of ['exit 132', 'echo 1.3.9', 'echo nonsense']) {
      await writeFile(fake, `#!/bin/sh\n${body}\n`)
      await chmod(fake, 0o755)
      expect(isWorkingBun(fake)).toBe(false)
    }
    expect(isWorkingBun(join(data, 'missing'))).toBe(false)
  })
})
