/**
 * The contract suite on real services, each when the environment names it: see packages/kms/README.md. Without, only that
 * the environment is read as the README says.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { KeyStore } from '../contract.ts'
import { type KeyStoreHarness, testKeyStore } from './key-store.suite.ts'
import type { KeyStoreSettings } from './key-store-settings.ts'
import { openKeyStore } from './open-key-store.ts'
import { type RealService, realServices } from './real-services.fixture.ts'

/** Notes what was created, so that it can be removed again. */
function noting(store: KeyStore, created: Set<string>): KeyStore {
  const create = store.create.bind(store)
  store.create = async (name, value) => {
    created.add(name)
    await create(name, value)
  }
  return store
}

function serviceHarness({ settings, ...rest }: RealService): KeyStoreHarness {
  const created = new Set<string>()
  let current: KeyStoreSettings | undefined
  const open = async (): Promise<KeyStore> => {
    if (current === undefined) throw new Error('nothing was opened')
    return noting(await openKeyStore(current), created)
  }
  return {
    ...rest,
    open() {
      created.clear()
      current = settings(`strongroom-test-${randomUUID()}`)
      return open()
    },
    openAgain: open,
    async dispose() {
      const store = await open()
      for (const name of created) {
        await (store.purge?.(name) ?? store.delete(name)).catch((error: unknown) => {
          if (
            !(error instanceof Error && 'code' in error && /^(?:key-not-found|invalid-name)$/.test(String(error.code)))
          )
            throw error
        })
      }
      await store.close()
    },
  }
}

for (const service of realServices(process.env))
  testKeyStore(`The real service ${service.title}`, serviceHarness(service))

describe('the settings of real services', () => {
  it('are taken from the environment', () => {
    const services = realServices({
      STRONGROOM_TEST_VAULT_ADDR: 'https://vault.example:8200',
      STRONGROOM_TEST_VAULT_TOKEN: 'token',
      STRONGROOM_TEST_VAULT_ENGINE: 'secret',
      STRONGROOM_TEST_VAULT_VERSION: 'v2',
    })
    expect(services.map(({ settings }) => settings('p'))).toEqual([
      {
        kind: 'vault',
        endpoint: 'https://vault.example:8200',
        engine: 'secret',
        version: 'v2',
        prefix: 'p',
        login: { method: 'token', token: 'token' },
      },
    ])
  })

  it('name each service that the environment names', () => {
    const services = realServices({
      STRONGROOM_TEST_AWS_REGION: 'eu-north-1',
      STRONGROOM_TEST_AWS_ACCESS_KEY_ID: 'a',
      STRONGROOM_TEST_AWS_SECRET_ACCESS_KEY: 's',
      STRONGROOM_TEST_GCP_PROJECT_ID: 'p',
      STRONGROOM_TEST_GCP_CREDENTIALS_FILE: '/credentials.json',
      STRONGROOM_TEST_AZURE_ENDPOINT: 'https://z',
      STRONGROOM_TEST_AZURE_CLIENT_ID: 'c',
      STRONGROOM_TEST_FORTANIX_ADDR: 'https://f',
      STRONGROOM_TEST_FORTANIX_API_KEY: 'key',
      STRONGROOM_TEST_GEMALTO_ADDR: 'https://g',
      STRONGROOM_TEST_GEMALTO_REFRESH_TOKEN: 'token',
      STRONGROOM_TEST_ENTRUST_ADDR: 'https://e',
      STRONGROOM_TEST_ENTRUST_PASSWORD: 'password',
      STRONGROOM_TEST_ENTRUST_CA: '/ca.pem',
    })
    expect(services.map(({ settings }) => settings('p'))).toMatchObject([
      { kind: 'aws', region: 'eu-north-1', credentials: { accessKeyId: 'a', secretAccessKey: 's' } },
      { kind: 'gcp', projectId: 'p', credentialsFile: '/credentials.json' },
      { kind: 'azure', endpoint: 'https://z', managedIdentity: { clientId: 'c' } },
      { kind: 'fortanix', endpoint: 'https://f', credentials: { apiKey: 'key' } },
      { kind: 'gemalto', endpoint: 'https://g', credentials: { refreshToken: 'token', domain: 'root' } },
      { kind: 'entrust', endpoint: 'https://e', tls: { ca: '/ca.pem' } },
    ])
  })

  it('are none where the environment names none', () => {
    expect(realServices({})).toEqual([])
  })
})
