/**
 * Which runtime `npm start` uses, and where Bun is: one constant, decided by figures (docs/adr).
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import module from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

export const root = resolve(import.meta.dirname, '..')

/** 'node' or 'bun'. STRONGROOM_RUNTIME overrides it for one run. */
export const runtime = process.env.STRONGROOM_RUNTIME ?? 'node'

/**
 * The program file of Bun. Install scripts are off, so it lies in the platform's package, unless `npm rebuild` moved it
 * into `bun`, where a stub of some hundred bytes stands before.
 */
export function bunProgram() {
  const platforms = join(root, 'node_modules/@oven')
  const candidates = existsSync(platforms)
    ? readdirSync(platforms).flatMap((name) => ['bun', 'bun.exe'].map((file) => join(platforms, name, 'bin', file)))
    : []
  candidates.push(join(root, 'node_modules/bun/bin/bun.exe'))
  return candidates.find((file) => existsSync(file) && statSync(file).size > 1_000_000)
}

/** Where the runtime can (Node.js 22.8 on), compiled code is kept between starts. */
export function rememberCompiled() {
  module.enableCompileCache?.(join(root, 'node_modules/.cache/strongroom'))
}

/** Runs `main(args)` of the server package: in this process on Node.js, as a child with the same terminal on Bun. */
export async function runMain(args) {
  const main = join(root, 'packages/server/dist/main.js')
  if (runtime === 'node' || process.versions.bun !== undefined) {
    const program = await import(pathToFileURL(main).href)
    process.exitCode = await program.main(args, {
      defaultData: join(root, 'data'),
      command: 'npx strongroom',
      runBench: async (given) => {
        const bench = await import(pathToFileURL(join(root, 'bench/dist/main.js')).href)
        return await bench.runBench(given)
      },
    })
    return
  }
  const program = bunProgram()
  if (runtime !== 'bun' || program === undefined) {
    console.error(`There is no runtime "${runtime}" here: use node, or bun after npm ci.`)
    process.exitCode = 1
    return
  }
  const child = spawn(program, [join(root, 'scripts/strongroom.mjs'), ...args], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  process.exitCode = await new Promise((done) => {
    child.once('error', () => done(1))
    child.once('exit', (code) => done(code ?? 1))
  })
}
