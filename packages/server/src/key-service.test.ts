/**
 * The key store that `kms.keystore` of the settings means: the block is read, and the store opened that it names.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MotoServer } from '../../../tests/support/moto-server.ts'
import type { DataDirectory } from './data-directory.ts'
import { type OpenKeyServiceOptions, openKeyService, openKeyStoreOf } from './key-service.ts'

// biome-ignore lint/suspicious/noTemplateCurlyInString: what the environment puts in there
const secret = '${SECRET}'

let directory: string
let file: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-key-service-'))
  file = join(directory, 'strongroom.yaml')
})

afterAll(() => rm(directory, { recursive: true }))

/** Neither the data directory nor the keyring is looked at where keys are elsewhere. */
async function optionsFor(block: readonly string[], warnings: unknown[] = []): Promise<OpenKeyServiceOptions> {
  await writeFile(
    file,
    ['region: us-east-1', 'kms:', '  keystore:', ...block.map((line) => `    ${line}`), ''].join('\n'),
  )
  const settings = { keyStore: file, kesEndpoints: [], kmsTimeout: 5_000, kmsConcurrency: 8, kmsQueue: 8 }
  const options = {
    settings: { ...settings, dataKeyCacheEntries: 8, dataKeyCacheTime: 1_000 },
    directory: {} as DataDirectory,
    keyring: {},
    log: { warn: (...line: unknown[]) => void warnings.push(line) },
    environment: { SECRET: 'from the environment' },
  }
  return options as unknown as OpenKeyServiceOptions
}

const aws = (endpoint: string): readonly string[] => [
  'aws:',
  '  secretsmanager:',
  `    endpoint: ${endpoint}`,
  '    region: eu-north-1',
  '    recovery_window_days: 7',
  `    credentials: { accesskey: a, secretkey: "${secret}" }`,
]

describe('kms.keystore of the settings', () => {
  it.each([
    ['AwsKeyStore', aws('secretsmanager.eu-north-1.amazonaws.com')],
    [
      'GcpKeyStore',
      [
        'gcp:',
        '  secretmanager:',
        '    project_id: my-project',
        '    scopes: [ "https://www.googleapis.com/auth/cloud-platform" ]',
      ],
    ],
    [
      'AzureKeyStore',
      [
        'azure:',
        '  keyvault:',
        '    endpoint: https://my-vault.vault.azure.net',
        `    credentials: { tenant_id: t, client_id: c, client_secret: "${secret}" }`,
      ],
    ],
  ])('opens a %s, and asks nobody for it', async (name, block) => {
    const store = await openKeyStoreOf(await optionsFor(block))
    try {
      expect(store.constructor.name).toBe(name)
    } finally {
      await store.close()
    }
  })

  it('is refused with file, line and setting', async () => {
    const options = await optionsFor(['gcp:', '  secretmanager:', '    project: my-project'])
    await expect(openKeyStoreOf(options)).rejects.toMatchObject({
      code: 'invalid-settings',
      message: [
        `${file}:6: kms.keystore.gcp.secretmanager.project: unknown setting`,
        `${file}:6: kms.keystore.gcp.secretmanager.project_id: no project ID specified`,
      ].join('\n'),
    })
  })

  it('needs a restart when it has changed: a reload says so', async () => {
    const warnings: unknown[] = []
    const service = await openKeyService(await optionsFor(['fs:', `  path: ${directory}/one`], warnings))
    try {
      await service.reload()
      expect(warnings).toEqual([])
      await optionsFor(['fs:', `  path: ${directory}/two`])
      await service.reload()
      expect(warnings).toEqual([[{ file }, expect.stringContaining('after a restart')]])
    } finally {
      service.stopWatching()
      await service.kms.close()
    }
  })

  const python = process.env.STRONGROOM_TEST_MOTO
  if (python !== undefined && python !== '') {
    it('keeps keys in moto’s Secrets Manager', { timeout: 60_000 }, async () => {
      const moto = await MotoServer.start(python)
      const service = await openKeyService(await optionsFor(aws(moto.endpoint)))
      try {
        await service.kms.createKey('my-key')
        expect(await service.kms.listKeys('*')).toEqual(['my-key'])
      } finally {
        service.stopWatching()
        await service.kms.close()
        await moto.stop()
      }
    })
  }
})
