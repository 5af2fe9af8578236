/**
 * MinIO's static key (`MINIO_KMS_SECRET_KEY`, kes-protocol 15.4): a name and 32 bytes in the settings, which become a key
 * like any other at the first start.
 *
 * @module
 */
import { KeyService, type Kms, KmsError, MemoryKeyStore } from '@strongroom/kms'
import { ServerError } from './server-error.ts'

/**
 * Imports the key the first time, before the engine would make the default key itself. Later it has versions of its own,
 * and only its first one is that of the settings.
 *
 * @param staticKey `name:base64`, checked
 * @throws ServerError `invalid-settings` if the key store has a key of this name with other material: what is written under the one could
 * not be read with the other
 */
export async function importStaticKey(staticKey: string, kms: Kms): Promise<void> {
  const [name = '', text = ''] = staticKey.split(':')
  const material = Buffer.from(text, 'base64')
  try {
    await kms.importKey(name, material)
  } catch (error) {
    if (!(error instanceof KmsError && error.code === 'key-exists')) throw error
    if (await isOther(kms, name, material)) {
      const remedy = 'set the former value again, or give the new key another name'
      throw new ServerError(
        'invalid-settings',
        `the static key "${name}" is not the one that is in the key store: ${remedy}`,
      )
    }
  } finally {
    material.fill(0)
  }
}

/** Whether what is sealed under the material does not open under the first version of the key. False if that cannot be told now. */
async function isOther(kms: Kms, name: string, material: Uint8Array): Promise<boolean> {
  const probe = new KeyService(new MemoryKeyStore())
  const context = Buffer.from('strongroom static key')
  try {
    const { algorithm } = await kms.describeKey(name)
    await probe.importKey(name, material, { algorithm })
    const { ciphertext } = await probe.encrypt(name, Buffer.alloc(16), context)
    await kms.decrypt(name, 1, ciphertext, context)
    return false
  } catch (error) {
    // A locked key or a KMS that cannot be reached must not keep the server from starting.
    if (error instanceof KmsError) return error.code === 'not-authentic'
    throw error
  } finally {
    await probe.close()
  }
}
