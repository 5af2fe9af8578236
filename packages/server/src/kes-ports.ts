/**
 * What the commands of `strongroom kes` get from this process: environment, terminal, interruption, the key service.
 *
 * @module
 */
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KesPorts } from '@strongroom/cli'

export interface KesPortsOptions {
  readonly version: string
  /** How the command line is called here: `npx strongroom`. */
  readonly command: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

export function kesPorts({ version, command, environment }: KesPortsOptions): KesPorts {
  return {
    environment,
    isTerminal: process.stdout.isTTY === true || process.stderr.isTTY === true,
    runServer: async (options) => {
      // Only here: what a server consists of takes longer to load than a command to run.
      const { runKesServer } = await import('./kes-server.ts')
      return await runKesServer(options, { version, command, environment })
    },
    readPassword,
    interrupted,
    wait,
    now: Date.now,
  }
}

/** One signal for the whole command; a second Ctrl-C ends the process as usual. */
function interrupted(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort())
  process.once('SIGTERM', () => controller.abort())
  return controller.signal
}

async function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Reads a line from the terminal without showing it; without a terminal, the first line of standard input. */
async function readPassword(prompt: string): Promise<string> {
  const isTerminal = process.stdin.isTTY === true
  if (isTerminal) process.stderr.write(prompt)
  const lines = createInterface({ input: process.stdin, terminal: isTerminal })
  try {
    return await new Promise<string>((resolve) => {
      lines.once('line', resolve)
      lines.once('close', () => resolve(''))
    })
  } finally {
    lines.close()
    if (isTerminal) process.stderr.write('\n')
  }
}
