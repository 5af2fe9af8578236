/**
 * Has a data directory filled by `fill-process.ts`.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { FillPlan, FillProgress } from './fill-plan.ts'
import { bunEnvironment, type StartOptions } from './server-process.ts'

/** Fills; no server may run on the directory. @throws Error if the process fails, with what it said */
export async function fill(
  plan: FillPlan,
  { root, runtime }: Pick<StartOptions, 'root' | 'runtime'>,
  onProgress: (progress: FillProgress) => void,
): Promise<FillProgress> {
  const program = join(root, 'bench/dist/fill-process.js')
  const child = spawn(runtime, [program, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...bunEnvironment, ...process.env },
  })
  let complaints = ''
  child.stderr.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-4000)
  })
  let last: FillProgress = { done: 0, seconds: 0 }
  createInterface(child.stdout).on('line', (line) => {
    last = JSON.parse(line) as FillProgress
    onProgress(last)
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0 || last.done !== plan.to - plan.from) throw new Error(`filling failed: ${complaints}`)
  return last
}
