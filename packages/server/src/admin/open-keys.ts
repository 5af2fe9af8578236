/**
 * The key store of a data directory that no server is using, under the instance lock: for moving keys in and out.
 *
 * @module
 */
import type { KeyStore } from '@strongroom/kms'
import { openDataDirectory } from '../data-directory.ts'
import { lockInstance } from '../instance-lock.ts'
import { openKeyStoreOf } from '../key-service.ts'
import { openOrCreateKeyring, rootKeySource } from '../root-key-source.ts'
import { ServerError } from '../server-error.ts'
import type { Settings } from '../settings/setting-table.ts'
import type { OpenAdminOptions } from './open-stopped.ts'

/** A directory that is not there yet is made, so that keys can be there before the first start. @throws ServerError */
export async function openKeys(settings: Settings, options: OpenAdminOptions): Promise<KeyStore> {
  if (settings.kesEndpoints.length > 0) {
    throw new ServerError(
      'invalid-settings',
      'the keys of this deployment are in KES servers: see strongroom kes migrate',
    )
  }
  const { environment, credentialsDirectory } = options
  const directory = await openDataDirectory(settings.data, { metadata: settings.metadata })
  const lock = await lockInstance(directory.metadata, () => 'a command of the command line')
  try {
    const keyring = await openOrCreateKeyring(directory, await rootKeySource(settings, directory, credentialsDirectory))
    try {
      const store = await openKeyStoreOf({ settings, directory, keyring, environment })
      const close = store.close.bind(store)
      store.close = async () => {
        await close()
        keyring.close()
        await lock.release()
      }
      return store
    } catch (error) {
      keyring.close()
      throw error
    }
  } catch (error) {
    await lock.release()
    throw error
  }
}
