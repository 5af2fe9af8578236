/**
 * Who else can read the files that a KES config names: private keys, and the keys of a key store of files. Nothing is
 * changed, and nothing is made.
 *
 * @module
 */
import { opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { KesConfig } from './kes-config.ts'

/** Files of a key directory that are looked at. */
const mostFiles = 10_000

const others = 0o077

/** The directory of a key store of files that is not there; KES and we make it at the start. */
export async function missingDirectory({ store }: Pick<KesConfig, 'store'>): Promise<string | undefined> {
  if (store.kind !== 'files') return undefined
  return (await modeOf(store.path)) === undefined ? store.path : undefined
}

/** One line for each file or directory that others than its owner can read or change. */
export async function fileNotices({ tls, store }: Pick<KesConfig, 'tls' | 'store'>): Promise<readonly string[]> {
  const files: (readonly [setting: string, path: string])[] = [['tls.key', tls.keyFile]]
  if (store.kind === 'vault') files.push(['keystore.vault.tls.key', store.tls.key])
  if (store.kind === 'files') files.push(['keystore.fs.path', store.path])
  const notices: string[] = []
  for (const [setting, path] of files) {
    const mode = path === '' ? undefined : await modeOf(path)
    if (mode !== undefined && (mode & others) !== 0) notices.push(`${setting}: ${exposed(path, mode)}`)
  }
  return store.kind === 'files' ? [...notices, ...(await keyFileNotices(store.path))] : notices
}

async function keyFileNotices(directory: string): Promise<readonly string[]> {
  let first: string | undefined
  let count = 0
  let looked = 0
  try {
    for await (const entry of await opendir(directory)) {
      if (++looked > mostFiles) break
      if (!entry.isFile()) continue
      const mode = await modeOf(join(directory, entry.name))
      if (mode === undefined || (mode & others) === 0) continue
      count++
      first ??= exposed(join(directory, entry.name), mode)
    }
  } catch {
    // That it cannot be read, the key store says itself.
  }
  if (first === undefined) return []
  return [`keystore.fs.path: ${first}${count > 1 ? `; so are ${count - 1} other keys` : ''}`]
}

function exposed(path: string, mode: number): string {
  const what = (mode & 0o022) === 0 ? 'can be read by others than its owner' : 'can be changed by others than its owner'
  return `${path} ${what} (mode ${(mode & 0o777).toString(8).padStart(3, '0')})`
}

async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mode
  } catch {
    return undefined
  }
}
