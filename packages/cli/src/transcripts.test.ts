import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AdminError } from './admin.ts'
import { MemoryAdmin } from './memory-admin.fixture.ts'
import { runCli } from './program.ts'

/**
 * A transcript is a session with one deployment: `$ strongroom …` (with `<<< text` for its standard input), what it
 * prints (lines of the error output begin with `2> `), and `[exit N]` unless N is 0.
 */
const directory = join(import.meta.dirname, '../testdata')
const transcripts = (await readdir(directory)).filter((name) => name.endsWith('.txt')).sort()

/** Splits at spaces; double quotes keep words together. */
const words = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '')

async function replay(command: string, admin: MemoryAdmin): Promise<string> {
  const [line = '', input = ''] = command.split(' <<< ')
  let out = ''
  let error = ''
  const exitCode = await runCli(words(line).slice(1), {
    version: '0.1.0',
    openAdmin: async ({ data }) => {
      if (data === '/nowhere') throw new AdminError('unavailable', '/nowhere is not a Strongroom data directory')
      return admin
    },
    openKeys: () => Promise.reject(new Error('not for these commands')),
    runServer: async (args) => {
      out += `server ${JSON.stringify(args)}\n`
      return 0
    },
    runBench: async (args) => {
      out += `bench ${JSON.stringify(args)}\n`
      return 0
    },
    serverHelp: () => 'Listening:\n  --address',
    writeOut: (text) => {
      out += text
    },
    writeError: (text) => {
      error += text
    },
    readInput: async () => input,
    showsProgress: false,
    kes: {
      environment: {},
      isTerminal: false,
      runServer: async (options) => {
        out += `kes server ${JSON.stringify(options)}\n`
        return 0
      },
      readPassword: async () => '',
      interrupted: () => new AbortController().signal,
      wait: async () => undefined,
      now: () => 0,
    },
  })
  const errors = error.replace(/^(?=.)/gm, '2> ')
  return `$ ${command}\n${out}${errors}${exitCode === 0 ? '' : `[exit ${exitCode}]\n`}`
}

describe('the command line', () => {
  it.each(transcripts)('behaves as in %s', async (name) => {
    const expected = await readFile(join(directory, name), 'utf8')
    const admin = new MemoryAdmin()
    let actual = ''
    for (const line of expected.split('\n')) {
      if (line.startsWith('$ ')) actual += await replay(line.slice(2), admin)
    }
    if (process.env.UPDATE_TRANSCRIPTS === '1') await writeFile(join(directory, name), actual)
    else expect(actual).toBe(expected)
  })

  it('has a transcript for every command', () => {
    expect(transcripts).toEqual([
      'account.txt',
      'env.txt',
      'errors.txt',
      'fsck.txt',
      'help.txt',
      'kes.txt',
      'key.txt',
      'server.txt',
      'status.txt',
    ])
  })
})
