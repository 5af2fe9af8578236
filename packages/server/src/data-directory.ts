/**
 * The data directory: its layout, and a format stamp in it and in the metadata directory, so that a directory of a newer
 * release, of something else, or of another deployment is refused before anything in it is touched.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import * as z from 'zod'
import { createDurably, makeDirectoryDurably, systemErrorCode, writeDurably } from './durable-file.ts'
import { ServerError } from './server-error.ts'

/** Frozen: data depends on it. A release that writes something older ones cannot read raises it and adds an upgrade below. */
export const currentFormat = 1

/** From format n to n + 1, in place, safe to be run again after a crash. */
const upgrades: ReadonlyMap<number, (directory: string) => Promise<void>> = new Map()

const stampName = 'strongroom.json'

const Stamp = z.object({
  product: z.literal('strongroom'),
  format: z.int().min(1),
  /** Made with the directory; the metadata directory carries the same. */
  deployment: z.uuid(),
  createdAt: z.iso.datetime(),
})

type Stamp = z.output<typeof Stamp>

export interface DataDirectory {
  readonly root: string
  readonly metadata: string
  readonly blobs: string
  readonly keys: string
  /** Certificates made for trying out. */
  readonly certs: string
  readonly rootKeyFile: string
  readonly deploymentId: string
  /** It was made by this call. */
  readonly isNew: boolean
}

export interface DataDirectoryOptions {
  /** Default: `metadata` in the data directory. */
  readonly metadata?: string | undefined
  /** Refuse instead of making a directory that is not there. Default false. */
  readonly mustExist?: boolean
  readonly now?: () => number
}

/** @throws ServerError `data-directory`: not ours, newer, not writable, or two directories that do not belong together. */
export async function openDataDirectory(path: string, options: DataDirectoryOptions = {}): Promise<DataDirectory> {
  const root = resolve(path)
  const metadata = resolve(options.metadata ?? join(root, 'metadata'))
  const found = await readStamp(root)
  if (found === undefined && options.mustExist === true) {
    throw new ServerError('data-directory', `${root} is not a Strongroom data directory`)
  }
  const stamp = found ?? (await makeDirectory(root, options.now ?? Date.now))
  await bringUpToDate(root, stamp)
  await adoptMetadataDirectory(metadata, root, stamp)
  const directories = { blobs: join(root, 'blobs'), keys: join(root, 'keys'), certs: join(root, 'certs') }
  for (const directory of Object.values(directories)) await makePrivate(directory)
  return {
    root,
    metadata,
    ...directories,
    rootKeyFile: join(root, 'root.key'),
    deploymentId: stamp.deployment,
    isNew: found === undefined,
  }
}

async function readStamp(directory: string): Promise<Stamp | undefined> {
  const file = join(directory, stampName)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === 'ENOENT') return undefined
    const what = code === 'ENOTDIR' ? `${directory} is not a directory` : `${file} cannot be read (${code})`
    throw new ServerError('data-directory', what, { cause: error })
  }
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (error) {
    throw new ServerError('data-directory', `${file} is damaged: restore it from a backup`, { cause: error })
  }
  const stamp = Stamp.safeParse(content)
  if (!stamp.success) throw new ServerError('data-directory', `${file} is not the stamp of a Strongroom data directory`)
  return stamp.data
}

const makePrivate = async (directory: string): Promise<void> => {
  try {
    await makeDirectoryDurably(directory)
  } catch (error) {
    throw new ServerError('data-directory', `${directory} cannot be made (${systemErrorCode(error)})`, { cause: error })
  }
}

/** Names that may stand in a directory that counts as empty: what file systems make, and what a crash of ours left. */
const isHarmless = (name: string): boolean =>
  name === 'lost+found' || name === '.DS_Store' || (name.startsWith(stampName) && name.endsWith('.tmp'))

async function makeDirectory(root: string, now: () => number): Promise<Stamp> {
  await makePrivate(root)
  await refuseOthersDirectory(root)
  const stamp = {
    product: 'strongroom',
    format: currentFormat,
    deployment: randomUUID(),
    createdAt: new Date(now()).toISOString(),
  } as const
  return await createStamp(root, stamp)
}

async function refuseOthersDirectory(directory: string): Promise<void> {
  const names = (await readdir(directory)).filter((name) => !isHarmless(name))
  // A stamp that was not there a moment ago: another process makes the directory, and the stamp says whose it is.
  if (names.length === 0 || names.includes(stampName)) return
  const what = names.includes('.minio.sys')
    ? 'is a MinIO drive: its objects can be copied over S3, not opened in place'
    : 'is not empty and is not a Strongroom data directory'
  throw new ServerError('data-directory', `${directory} ${what}. Name another directory with --data`)
}

const formatStamp = (stamp: Stamp): string => `${JSON.stringify(stamp, undefined, 2)}\n`

const notWritable = (directory: string, error: unknown): ServerError =>
  new ServerError('data-directory', `${directory} cannot be written to (${systemErrorCode(error)})`, { cause: error })

/** The stamp that counts: of two processes that make a directory at one moment, both go on with the same. */
async function createStamp(directory: string, stamp: Stamp): Promise<Stamp> {
  try {
    if (await createDurably(join(directory, stampName), formatStamp(stamp), 0o600)) return stamp
  } catch (error) {
    throw notWritable(directory, error)
  }
  return (await readStamp(directory)) ?? stamp
}

async function writeStamp(directory: string, stamp: Stamp): Promise<void> {
  try {
    await writeDurably(join(directory, stampName), formatStamp(stamp), 0o600)
  } catch (error) {
    throw notWritable(directory, error)
  }
}

async function bringUpToDate(root: string, stamp: Stamp): Promise<void> {
  if (stamp.format > currentFormat) {
    throw new ServerError(
      'data-directory',
      `${root} was written by a newer Strongroom (format ${stamp.format}; this one knows up to ${currentFormat}). Start the newer release; nothing was changed`,
    )
  }
  for (let format = stamp.format; format < currentFormat; format++) {
    const upgrade = upgrades.get(format)
    if (upgrade === undefined) {
      throw new ServerError(
        'data-directory',
        `${root} has format ${format}, which this release cannot upgrade. Start the release that wrote it and copy the objects over S3`,
      )
    }
    await upgrade(root)
    await writeStamp(root, { ...stamp, format: format + 1 })
  }
}

async function adoptMetadataDirectory(metadata: string, root: string, stamp: Stamp): Promise<void> {
  await makePrivate(metadata)
  const found = await readStamp(metadata)
  if (found === undefined) {
    await refuseOthersDirectory(metadata)
    await refuseLostMetadata(metadata, root)
  }
  const { deployment } = found ?? (await createStamp(metadata, stamp))
  if (deployment !== stamp.deployment) {
    throw new ServerError('data-directory', `${metadata} belongs to another deployment than ${root}`)
  }
}

/**
 * An empty metadata directory is right after a crash between the two stamps, and wrong (a forgotten `--metadata`) once the
 * deployment has a keyring, which is made after both.
 */
async function refuseLostMetadata(metadata: string, root: string): Promise<void> {
  const entries = await readdir(root, { withFileTypes: true })
  const hasLived = entries.some((entry) => entry.isFile() && entry.name !== stampName && !isHarmless(entry.name))
  // Another process that makes the deployment at this moment wrote the metadata stamp before its keyring.
  if (!hasLived || (await readStamp(metadata)) !== undefined) return
  throw new ServerError(
    'data-directory',
    `${metadata} is empty, but ${root} has been in use: name its metadata directory with --metadata`,
  )
}
