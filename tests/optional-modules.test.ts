/**
 * What only some deployments use is loaded by those alone (style: layering rule 7): cloud clients, identity protocols and the
 * making of certificates. No package imports them statically, and a server that has a certificate starts without them.
 *
 * @module
 */

import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { Program } from './support/program.ts'

const repository = resolve(import.meta.dirname, '..')
const packagesDirectory = join(repository, 'packages')

/** Also what comes into the house with them only. */
const optional =
  /^(?:@aws-sdk\/|@azure\/|@google-cloud\/|@peculiar\/|oauth4webapi$|jose$|reflect-metadata$|pkcs11js$|graphene-pk11$)/

/** Modules that stay in the text when types are stripped: static imports and re-exports that are not of types alone. */
const statement = /^(?:import|export)\s+(?!type\b)(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]/gm

/** Static imports of a source text. */
function staticImports(text: string): string[] {
  return [...text.matchAll(statement)].map(([, name = '']) => name)
}

/** All files that a file loads at once, and the modules from outside that these name, each with the file that names it. */
async function reachFrom(entry: string, seen = new Map<string, string[]>()): Promise<Map<string, string[]>> {
  if (seen.has(entry)) return seen
  const outside: string[] = []
  seen.set(entry, outside)
  for (const name of staticImports(await readFile(entry, 'utf8'))) {
    const own = /^@strongroom\/([a-z0-9]+)$/.exec(name)?.[1]
    if (own !== undefined) await reachFrom(join(packagesDirectory, own, 'src/index.ts'), seen)
    else if (name.startsWith('.')) await reachFrom(resolve(dirname(entry), name), seen)
    else outside.push(name)
  }
  return seen
}

describe('optional modules', () => {
  it('are found in every form of a static import, and not in others', () => {
    const text = [
      "import 'reflect-metadata'",
      "import * as x509 from '@peculiar/x509'",
      "import { SignJWT,\n  jwtVerify,\n} from 'jose'",
      "import { type A } from 'oauth4webapi'",
      "export { a } from '@aws-sdk/client-kms'",
      "export * from 'pkcs11js'",
      "import type { B } from 'types-only'",
      "export type { C } from 'types-only'",
      "const d = await import('dynamic')",
    ].join('\n')
    expect(staticImports(text).filter((name) => optional.test(name))).toHaveLength(6)
    expect(staticImports(text)).toHaveLength(6)
  })

  it('are imported statically by no package and no program', async () => {
    const found: string[] = []
    let files = 0
    for (const name of await readdir(packagesDirectory)) {
      const sources = join(packagesDirectory, name, 'src')
      for (const entry of ['index.ts', 'main.ts']
        .map((file) => join(sources, file))
        .filter((file) => existsSync(file))) {
        for (const [file, modules] of await reachFrom(entry)) {
          files += 1
          for (const module of modules) {
            if (optional.test(module)) found.push(`${relative(repository, file)} imports ${module}`)
          }
        }
      }
    }
    expect(files).toBeGreaterThan(300)
    expect([...new Set(found)]).toEqual([])
  })

  // The hooks that make a module absent are Node's; what is loaded is the same on both runtimes.
  it('are not missed by a server that starts with what it has', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'strongroom-optional-'))
    try {
      const data = join(directory, 'data')
      // The first start makes a certificate, which takes one of these modules.
      await (await Program.start({ data })).stop()
      const hooks = join(directory, 'hooks.mjs')
      await writeFile(
        hooks,
        `export async function resolve(specifier, context, next) {
          if (${optional}.test(specifier)) throw new Error('absent: ' + specifier)
          return await next(specifier, context)
        }`,
      )
      const preload = join(directory, 'preload.mjs')
      const register = `import { register } from 'node:module'\nregister(${JSON.stringify(pathToFileURL(hooks).href)})\n`
      await writeFile(preload, register)
      const variables = { STRONGROOM_RUNTIME: 'node', NODE_OPTIONS: `--import=${pathToFileURL(preload).href}` }
      const server = await Program.start({ data, executable: 'node', variables })
      expect(await server.stop()).toBe(0)
    } finally {
      await rm(directory, { recursive: true })
    }
  }, 180_000)
})
