/**
 * Client programs that may be installed on the machine: which are, and how they are run.
 *
 * @module
 */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export type ClientName = 'aws' | 'boto3' | 's3cmd' | 'rclone' | 'restic'

const isOnPath = (program: string): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((directory) => existsSync(join(directory, program)))

/** Runs and says its version: a program that is there and broken counts as missing. */
const works = (program: string, ...args: readonly string[]): boolean =>
  isOnPath(program) && spawnSync(program, args, { stdio: 'ignore' }).status === 0

const probes: Readonly<Record<ClientName, () => boolean>> = {
  aws: () => works('aws', '--version'),
  boto3: () => works('python3', '-c', 'import boto3'),
  s3cmd: () => works('s3cmd', '--version'),
  rclone: () => works('rclone', 'version'),
  restic: () => works('restic', 'version'),
}

/** Clients that can be tested with here. `npm test` says which are missing. */
export const installedClients: ReadonlySet<ClientName> = new Set(
  (Object.keys(probes) as ClientName[]).filter((name) => probes[name]()),
)

export interface ShellOptions {
  readonly directory: string
  /** Variables beside PATH; nothing else of the caller's environment is seen. */
  readonly variables: Readonly<Record<string, string>>
}

/** Runs a shell script, which ends at the first failing command. Resolves with its output; rejects with all it said. */
export async function shell(script: string, { directory, variables }: ShellOptions): Promise<string> {
  const child = spawn('sh', ['-euc', script], {
    cwd: directory,
    env: { PATH: process.env.PATH, HOME: directory, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let error = ''
  child.stdout.on('data', (piece) => {
    out += piece
  })
  child.stderr.on('data', (piece) => {
    error += piece
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`exit ${code}\n${out}\n${error}`)
  return out
}
