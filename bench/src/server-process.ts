/**
 * The server under measurement: a Strongroom of its own in a temporary directory, and what the kernel says about the
 * process (Linux `/proc`).
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Clock ticks per second of `/proc/<pid>/stat`: `sysconf(_SC_CLK_TCK)`, 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

export interface MeasuredServer {
  readonly url: URL
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly ca?: string
  /** Its data directory; undefined for a server elsewhere. */
  readonly data?: string
  /** From the start of the process to the first answer that it is ready; undefined for a server elsewhere. */
  readonly startMs?: number
  /** Process ids whose processor time counts as the server's, workers included; empty for a server elsewhere. */
  readonly pids: () => readonly number[]
  readonly stop: () => Promise<void>
}

export interface StartOptions {
  /** Root of the repository. */
  readonly root: string
  /** The program to run the server with. */
  readonly runtime: string
  /** Which of the two it is. */
  readonly runtimeName: 'node' | 'bun'
  /** Further arguments for `strongroom server`. */
  readonly serverArguments: readonly string[]
  /** Arguments for the runtime itself (a profile). */
  readonly runtimeArguments: readonly string[]
  /** Where the data directory is made. Default: the system's directory for temporary files. */
  readonly directory?: string
}

/** As scripts/runtime.mjs starts Bun. */
export const bunEnvironment = { MIMALLOC_PURGE_DELAY: '1000' } as const

/** As it starts Bun for the key service. */
export const keyServiceBunEnvironment = { ...bunEnvironment, BUN_JSC_gcMaxHeapSize: String(24 * 1024 * 1024) } as const

/** Makes an empty directory for a server's data. Whoever made it removes it; one that is cut short leaves it to the exit. */
export async function makeDataDirectory({ directory }: Pick<StartOptions, 'directory'>): Promise<string> {
  const data = await mkdtemp(join(directory ?? tmpdir(), 'strongroom-bench-'))
  process.once('exit', () => rmSync(data, { recursive: true, force: true }))
  return data
}

/** Starts a server on a free port with an empty data directory, which goes when it stops. */
export async function startServer(options: StartOptions): Promise<MeasuredServer> {
  const data = await makeDataDirectory(options)
  const remove = (): Promise<void> => rm(data, { recursive: true, force: true })
  try {
    const server = await startServerOn(data, options)
    return {
      ...server,
      stop: async () => {
        await server.stop()
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}

/** Starts a server on a free port with this data directory, which stays; resolves when it says that it is ready. */
export async function startServerOn(data: string, options: StartOptions): Promise<MeasuredServer> {
  const port = await freePort()
  const accessKeyId = 'BENCHBENCHBENCHBENCH'
  const secretAccessKey = 'bench-secret-of-a-server-that-lives-for-one-run'
  const startedAt = performance.now()
  const child = spawn(
    options.runtime,
    [
      ...options.runtimeArguments,
      join(options.root, 'scripts/strongroom.mjs'),
      'server',
      '--address',
      `127.0.0.1:${port}`,
      '--data',
      data,
      // The cells of mode `none` are to be without encryption; the others ask for theirs.
      '--default-encryption',
      'none',
      ...options.serverArguments,
    ],
    {
      cwd: data,
      env: {
        ...bunEnvironment,
        ...process.env,
        STRONGROOM_RUNTIME: options.runtimeName,
        // The bench has made the tree ready.
        STRONGROOM_SETUP: 'off',
        STRONGROOM_ROOT_USER: accessKeyId,
        STRONGROOM_ROOT_PASSWORD: secretAccessKey,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  endWithBench(child)
  let complaints = ''
  child.stderr.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-4000)
  })
  const url = new URL(`https://127.0.0.1:${port}`)
  try {
    const ca = await waitUntilReady(url, data, child)
    const startMs = performance.now() - startedAt
    const pids = (): readonly number[] => withChildren(child.pid ?? 0)
    return { url, accessKeyId, secretAccessKey, ca, data, startMs, pids, stop: () => ended(child) }
  } catch (error) {
    await ended(child)
    throw new Error(`the server did not start: ${complaints}`, { cause: error })
  }
}

/** A process and all its descendants: workers of a server are measured with it. */
export function withChildren(pid: number): number[] {
  const pids = [pid]
  for (const parent of pids) {
    const children = readIfThere(`/proc/${parent}/task/${parent}/children`).split(' ').filter(Boolean)
    pids.push(...children.map(Number))
  }
  return pids
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    // A worker that has ended meanwhile, or a kernel without this file.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return ''
    throw error
  }
}

/** Starts the bare listener of `bare-listener.ts` with another server's certificate. */
export async function startBareListener(
  options: Pick<StartOptions, 'root' | 'runtime'>,
  like: MeasuredServer,
): Promise<MeasuredServer> {
  const program = join(options.root, 'bench/dist/bare-listener.js')
  const child = spawn(options.runtime, [program, join(like.data ?? '', 'certs')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (line: Buffer) => resolve(Number(line.toString())))
    child.once('exit', () => reject(new Error('the bare listener did not start')))
  })
  return { ...like, url: new URL(`https://127.0.0.1:${port}`), pids: () => [child.pid ?? 0], stop: () => ended(child) }
}

/** A bench that is cut short takes its server along. SIGKILL: what the server has not written yet is about to be removed. */
function endWithBench(child: ChildProcess): void {
  const end = (): boolean => child.kill('SIGKILL')
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  await exit
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const address = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

async function waitUntilReady(url: URL, data: string, child: ChildProcess): Promise<string> {
  const deadline = Date.now() + 60_000
  let last: unknown
  while (Date.now() < deadline && child.exitCode === null) {
    try {
      const ca = readFileSync(join(data, 'certs', 'ca.crt'), 'utf8')
      await probe(new URL('/minio/health/ready', url), ca)
      return ca
    } catch (error) {
      last = error
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  throw new Error('not ready within 60 s', { cause: last })
}

async function probe(url: URL, ca: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const probing = request(url, { ca, agent: false }, (response) => {
      response.resume()
      if (response.statusCode === 200) resolve()
      else reject(new Error(`health answers ${response.statusCode}`))
    })
    probing.on('error', reject)
    probing.end()
  })
}

/** Fields of `/proc/<pid>/stat` behind the name of the program, from the third (`proc(5)`). */
const statFields = (pid: number): readonly string[] => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** User and system seconds that the processes and their threads have used so far. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    const fields = statFields(pid)
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks / ticksPerSecond
}

/** Pages that the kernel has mapped for the processes so far when they touched them, without reading from the disk. */
export function pageFaults(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + Number(statFields(pid)[7]), 0)
}

/** Anonymous resident memory in bytes (`RssAnon`: the memory map of the metadata store is page cache and not in it). */
export function anonymousMemoryBytes(pids: readonly number[]): number {
  let kilobytes = 0
  for (const pid of pids) {
    const line = /RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    kilobytes += Number(line?.[1] ?? 0)
  }
  return kilobytes * 1024
}
