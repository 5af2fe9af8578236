/**
 * Runs a TypeScript fixture in a child process of the same runtime: for tests that kill a process, or need two of them.
 *
 * @module
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const source = fileURLToPath(new URL('..', import.meta.url))
const packageRoot = dirname(source.replace(/\/$/, ''))

/** A fixture as JavaScript that a child can run. */
export interface BuiltFixture {
  readonly path: string
  dispose(): Promise<void>
}

/** Strips the types of a fixture and of all that it imports, into a folder of its own below `dist`. */
export async function buildFixture(fixture: URL): Promise<BuiltFixture> {
  const dist = join(packageRoot, 'dist')
  await mkdir(dist, { recursive: true })
  const outDir = await mkdtemp(join(dist, 'fixture-'))
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: {
      rootDir: source,
      outDir,
      noCheck: true,
      composite: false,
      incremental: false,
      declaration: false,
    },
    include: [],
    exclude: [],
    references: [],
    files: [fileURLToPath(fixture)],
  }
  // With composite off there is no build info to keep.
  const { tsBuildInfoFile: _, ...compilerOptions } = { tsBuildInfoFile: undefined, ...config.compilerOptions }
  await writeFile(join(outDir, 'tsconfig.json'), JSON.stringify({ ...config, compilerOptions }))
  await writeFile(join(outDir, 'package.json'), JSON.stringify({ type: 'module' }))
  const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'))
  const compiler = join(typescript, 'bin', 'tsc')
  await promisify(execFile)(process.execPath, [compiler, '-p', join(outDir, 'tsconfig.json')])
  return {
    path: join(outDir, relative(source, fileURLToPath(fixture)).replace(/\.ts$/, '.js')),
    dispose: () => rm(outDir, { recursive: true, force: true }),
  }
}

/** A running fixture that is spoken to in lines. */
export interface FixtureProcess {
  readonly child: ChildProcess
  send(line: string): void
  /** Lines as they come; ends with the process's output. */
  readonly lines: AsyncIterableIterator<string>
  /** Kills the process at once (SIGKILL) if it runs, and waits for its end. */
  kill(): Promise<void>
  /** Waits for its end; resolves to the exit code. */
  ended(): Promise<number | null>
}

export interface StartOptions {
  /** A command to start the fixture with, such as a shell that sets limits first. Default: none. */
  readonly wrapper?: readonly string[]
  /** Whether what it writes to standard error is thrown away. Default false. */
  readonly isQuiet?: boolean
}

/** Starts a built fixture. */
export function startFixture(
  fixture: BuiltFixture,
  args: readonly string[],
  { wrapper = [], isQuiet = false }: StartOptions = {},
): FixtureProcess {
  const [command = process.execPath, ...rest] = [...wrapper, process.execPath, fixture.path, ...args]
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', isQuiet ? 'ignore' : 'inherit'] })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    child,
    lines,
    send: (line) => void child.stdin.write(`${line}\n`),
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    async ended() {
      const [code] = await exited
      return typeof code === 'number' ? code : null
    },
  }
}
