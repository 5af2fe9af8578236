/**
 * Which runtime `npm start` uses, and where Bun is: one constant, decided by figures (docs/adr).
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

export const root = resolve(import.meta.dirname, '..')

/** 'node' or 'bun'. STRONGROOM_RUNTIME overrides it for one run. */
export const runtime = process.env.STRONGROOM_RUNTIME ?? 'node'

/** The program file of Bun as npm installed it: `bun`'s own after `npm rebuild`, else the platform package's. */
export function bunProgram() {
  const linked = join(root, 'node_modules/bun/bin/bun.exe')
  if (existsSync(linked)) return linked
  const platforms = join(root, 'node_modules/@oven')
  if (!existsSync(platforms)) return undefined
  for (const name of readdirSync(platforms)) {
    for (const file of ['bun', 'bun.exe']) {
      const program = join(platforms, name, 'bin', file)
      if (existsSync(program)) return program
    }
  }
  return undefined
}

/** Runs `main(args)` of the server package: in this process on Node.js, as a child with the same terminal on Bun. */
export async function runMain(args) {
  const main = join(root, 'packages/server/dist/main.js')
  if (runtime === 'node' || process.versions.bun !== undefined) {
    const module = await import(pathToFileURL(main).href)
    process.exitCode = await module.main(args, { defaultData: join(root, 'data') })
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
