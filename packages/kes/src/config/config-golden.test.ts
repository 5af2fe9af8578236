import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KesError } from '../kes-error.ts'
import { loadKesConfig } from './load-kes-config.ts'
import { readTls } from './read-tls.ts'

interface Row {
  readonly name: string
  readonly config: string
  readonly env?: Readonly<Record<string, string>>
  readonly starts: boolean
  readonly stderr?: string
}

const testdata = join(import.meta.dirname, '../../testdata/config')
const rows: readonly Row[] = JSON.parse(await readFile(join(testdata, 'config.json'), 'utf8'))

/** What lay in the CA directory beside the certificate. */
const junk: Readonly<Record<string, string>> = {
  'ca dir with sub dir': '',
  'ca dir with junk file': 'junk\n',
  'ca dir with empty file': '',
}

describe('a KES config file', () => {
  let directory: string

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'strongroom-config-'))
    await cp(join(testdata, 'pki'), join(directory, 'pki'), { recursive: true })
  })

  afterAll(() => rm(directory, { recursive: true }))

  async function outcome(row: Row): Promise<string | undefined> {
    const file = join(directory, 'config.yml')
    const text = row.config
      .replaceAll('<pki>', join(directory, 'pki'))
      .replaceAll('<store>', directory)
      .replaceAll('<port>', '7373')
    await writeFile(file, text)
    const environment = Object.fromEntries(
      Object.entries(row.env ?? {}).map(([name, value]) => [name, value.replaceAll('<port>', '7373')]),
    )
    const extra = junk[row.name]
    const extraFile = join(directory, 'pki/cadir/junk')
    if (extra !== undefined) await writeFile(extraFile, extra)
    try {
      await readTls((await loadKesConfig(file, environment)).tls)
      return undefined
    } catch (error) {
      if (error instanceof KesError) return error.message
      throw error
    } finally {
      if (extra !== undefined) await rm(extraFile)
    }
  }

  it('comes with 192 examples', () => {
    expect(rows).toHaveLength(192)
  })

  it.each(rows.filter(({ starts }) => starts))('is accepted: $name', async (row) => {
    expect(await outcome(row)).toBeUndefined()
  })

  it.each(rows.filter(({ starts }) => !starts))('is refused, naming the file: $name', async (row) => {
    const message = await outcome(row)
    expect(message).toContain(directory)
  })

  it('names the very line that KES names', async () => {
    const withLine = rows.filter(({ stderr }) => stderr?.includes('yaml: unmarshal errors'))
    expect(withLine.length).toBeGreaterThan(15)
    for (const row of withLine) {
      const [, line] = /line (\d+)/.exec(row.stderr ?? '') ?? []
      expect(await outcome(row), row.name).toContain(`config.yml:${line}: `)
    }
  })
})
