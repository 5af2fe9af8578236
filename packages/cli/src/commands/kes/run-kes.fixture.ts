/**
 * Runs `strongroom kes …` in the process of a test, with everything that it says.
 *
 * @module
 */

import type { CliPorts, KesPorts } from '../../ports.ts'
import { runCli } from '../../program.ts'

export interface KesRun {
  readonly environment: Readonly<Record<string, string>>
  readonly isTerminal?: boolean
  readonly showsProgress?: boolean
  readonly input?: string
  readonly password?: string
  /** Aborts what goes on until it is interrupted. */
  readonly interrupted?: AbortSignal
  /** Told of every piece of output. */
  readonly onOut?: (text: string) => void
  readonly now?: () => number
}

export interface KesResult {
  readonly exitCode: number
  readonly out: string
  readonly error: string
}

const nowhere = async (): Promise<never> => {
  throw new Error('a kes command needs no deployment')
}

/** Runs `strongroom kes …` in this process. */
export async function runKes(args: readonly string[], run: KesRun): Promise<KesResult> {
  let out = ''
  let error = ''
  const kes: KesPorts = {
    environment: run.environment,
    isTerminal: run.isTerminal === true,
    runServer: nowhere,
    readPassword: async () => run.password ?? '',
    interrupted: () => run.interrupted ?? new AbortController().signal,
    wait: async () => undefined,
    now: run.now ?? Date.now,
  }
  const ports: CliPorts = {
    version: '0.1.0',
    openAdmin: nowhere,
    openKeys: nowhere,
    runServer: nowhere,
    runBench: nowhere,
    serverHelp: () => '',
    writeOut: (text) => {
      out += text
      run.onOut?.(text)
    },
    writeError: (text) => {
      error += text
    },
    readInput: async () => run.input ?? '',
    showsProgress: run.showsProgress === true,
    kes,
  }
  const exitCode = await runCli(['kes', ...args], ports)
  return { exitCode, out, error }
}
