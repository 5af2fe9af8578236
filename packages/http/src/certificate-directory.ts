/**
 * Certificates from a directory laid out as MinIO's `--certs-dir` (server-side-encryption.md section 6):
 *
 *     public.crt private.key           the default pair
 *     any-name/public.crt private.key  one pair per sub-directory, chosen by the names in the certificate
 *     CAs/                             extra roots for outbound connections
 *
 * Changes are noticed by `fs.watch` where it works and by looking at every file's identity every few seconds, which
 * also sees renames, swapped symbolic links (Kubernetes) and new sub-directories. A pair that cannot be used keeps the
 * one before it. TLS never turns into plain HTTP because a file is missing.
 *
 * @module
 */

import { type FSWatcher, watch } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type CertificatePair, parseCertificatePair } from './certificate-pair.ts'
import { CertificateIndex, type CertificateSource } from './certificates.ts'
import { HttpError } from './http-error.ts'

export interface CertificateDirectoryOptions {
  /** How often files are looked at, in milliseconds. Default 2,000. */
  readonly pollMs?: number
  /** Told about a pair that cannot be used; the one before it stays. Once per change, not per look. */
  readonly onProblem?: (problem: HttpError) => void
  /** Told after pairs have changed, with the pairs now in use, the default first. */
  readonly onReload?: (pairs: readonly CertificatePair[]) => void
}

const CERT_FILE = 'public.crt'
const KEY_FILE = 'private.key'
const AUTHORITIES = 'CAs'
const LONGEST_FILE = 1_048_576
/** Renewal writes two files: waiting a moment after the first saves a report about a mismatch. */
const SETTLE_MS = 100

/** What is known of one directory with a pair. */
interface Entry {
  readonly signature: string
  readonly pair: CertificatePair | undefined
}

/** A watched directory of certificates. Close it to stop watching. */
export class CertificateDirectory implements CertificateSource {
  readonly #directory: string
  readonly #options: CertificateDirectoryOptions
  #entries = new Map<string, Entry>()
  #index: CertificateIndex
  #authorities: readonly string[] = []
  #watchers: FSWatcher[] = []
  #watched = ''
  #poller: NodeJS.Timeout | undefined
  #settling: NodeJS.Timeout | undefined
  #work: Promise<void> = Promise.resolve()
  #isClosed = false

  private constructor(directory: string, options: CertificateDirectoryOptions, pair: CertificatePair) {
    this.#directory = directory
    this.#options = options
    this.#index = new CertificateIndex([pair])
  }

  /**
   * Loads the directory and begins to watch it.
   *
   * @throws HttpError `certificate-missing`, `certificate-invalid` for the default pair; pairs in sub-directories that
   * cannot be used are reported to `onProblem` and left out.
   */
  static async open(directory: string, options: CertificateDirectoryOptions = {}): Promise<CertificateDirectory> {
    const signature = await signatureOf(directory)
    const pair = await loadPair(directory)
    const certificates = new CertificateDirectory(directory, options, pair)
    certificates.#entries.set(directory, { signature, pair })
    certificates.#authorities = await loadAuthorities(join(directory, AUTHORITIES))
    await certificates.#refresh(false)
    certificates.#poller = setInterval(() => certificates.#schedule(false), options.pollMs ?? 2_000)
    certificates.#poller.unref()
    return certificates
  }

  /** The pairs in use, the default first. */
  get pairs(): readonly CertificatePair[] {
    return usable(this.#entries)
  }

  /** PEM certificates found in `CAs/` when the directory was opened or last reloaded on demand. */
  get authorities(): readonly string[] {
    return this.#authorities
  }

  select(servername: string | undefined): CertificatePair {
    return this.#index.select(servername)
  }

  /** Reads every file again (SIGHUP). Problems go to `onProblem`; never rejects because of one. */
  async reload(): Promise<void> {
    this.#schedule(true)
    await this.#work
  }

  /** Stops watching; `select` goes on answering. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#poller)
    clearTimeout(this.#settling)
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers = []
    await this.#work
  }

  #schedule(isForced: boolean): void {
    this.#work = this.#work
      .then(() => (this.#isClosed ? undefined : this.#refresh(isForced)))
      .catch((cause: unknown) => this.#problem(cause))
  }

  async #refresh(isForced: boolean): Promise<void> {
    if (isForced) this.#authorities = await loadAuthorities(join(this.#directory, AUTHORITIES))
    const directories = [this.#directory, ...(await subdirectories(this.#directory))]
    const next = new Map<string, Entry>()
    for (const directory of directories) {
      const entry = await this.#look(directory, this.#entries.get(directory), isForced)
      if (entry !== undefined) next.set(directory, entry)
    }
    const before = this.pairs
    const after = usable(next)
    this.#entries = next
    this.#watch(directories)
    if (before.length === after.length && before.every((pair, at) => pair === after[at])) return
    this.#index = new CertificateIndex(after)
    this.#options.onReload?.(after)
  }

  async #look(directory: string, known: Entry | undefined, isForced: boolean): Promise<Entry | undefined> {
    const signature = await signatureOf(directory)
    if (known !== undefined && known.signature === signature && !isForced) return known
    if (signature === NOTHING && directory !== this.#directory) return undefined
    try {
      const pair = await loadPair(directory)
      const isSame = known?.pair !== undefined && known.pair.cert === pair.cert && known.pair.key === pair.key
      return { signature, pair: isSame ? known.pair : pair }
    } catch (cause) {
      this.#problem(cause)
      return { signature, pair: known?.pair }
    }
  }

  #watch(directories: readonly string[]): void {
    const wanted = directories.join('\0')
    if (this.#isClosed || wanted === this.#watched) return
    this.#watched = wanted
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers = []
    for (const directory of directories) {
      try {
        const watcher = watch(directory, { persistent: false }, () => this.#settle())
        watcher.on('error', () => watcher.close())
        this.#watchers.push(watcher)
      } catch {
        // No inotify handles left, or a file system without events: polling finds changes all the same.
      }
    }
  }

  #settle(): void {
    clearTimeout(this.#settling)
    this.#settling = setTimeout(() => this.#schedule(false), SETTLE_MS)
    this.#settling.unref()
  }

  #problem(cause: unknown): void {
    const problem =
      cause instanceof HttpError
        ? cause
        : new HttpError('certificate-invalid', `${this.#directory}: cannot be read`, { cause })
    this.#options.onProblem?.(problem)
  }
}

function usable(entries: ReadonlyMap<string, Entry>): CertificatePair[] {
  const pairs: CertificatePair[] = []
  for (const { pair } of entries.values()) if (pair !== undefined) pairs.push(pair)
  return pairs
}

/** Sub-directories that may hold a pair, by name. Names that begin with `..` are Kubernetes' own. */
async function subdirectories(directory: string): Promise<string[]> {
  const found: string[] = []
  for (const name of (await readdir(directory)).sort()) {
    if (name === AUTHORITIES || name.startsWith('..')) continue
    const path = join(directory, name)
    const status = await stat(path).catch(() => undefined)
    if (status?.isDirectory() === true) found.push(path)
  }
  return found
}

const ABSENT = '-'
const NOTHING = `${ABSENT}|${ABSENT}`

/** Changes whenever one of the two files is written, renamed over, or its symbolic link points elsewhere. */
async function signatureOf(directory: string): Promise<string> {
  const parts: string[] = []
  for (const name of [CERT_FILE, KEY_FILE]) {
    const status = await stat(join(directory, name)).catch(() => undefined)
    parts.push(
      status === undefined ? ABSENT : `${status.dev} ${status.ino} ${status.size} ${status.mtimeMs} ${status.ctimeMs}`,
    )
  }
  return parts.join('|')
}

async function loadPair(directory: string): Promise<CertificatePair> {
  const cert = await readText(directory, CERT_FILE)
  const key = await readText(directory, KEY_FILE)
  return parseCertificatePair(cert, key, directory)
}

async function readText(directory: string, name: string): Promise<string> {
  const path = join(directory, name)
  try {
    const status = await stat(path)
    if (status.size > LONGEST_FILE) throw new Error('the file is too long')
    return await readFile(path, 'utf8')
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    if (isMissing) throw new HttpError('certificate-missing', `${path} does not exist`, { cause })
    throw new HttpError('certificate-invalid', `${path} cannot be read`, { cause })
  }
}

/** Every PEM file of `CAs/`; others are left out. A plain file of that name is a mistake worth stopping for. */
async function loadAuthorities(directory: string): Promise<string[]> {
  const status = await stat(directory).catch(() => undefined)
  if (status === undefined) return []
  if (!status.isDirectory()) throw new HttpError('certificate-invalid', `${directory} is not a directory`)
  const found: string[] = []
  for (const name of (await readdir(directory)).sort()) {
    const path = join(directory, name)
    const file = await stat(path).catch(() => undefined)
    if (file === undefined || !file.isFile() || file.size > LONGEST_FILE) continue
    const text = await readFile(path, 'utf8').catch(() => '')
    if (text.includes('-----BEGIN CERTIFICATE-----')) found.push(text)
  }
  return found
}
