#!/usr/bin/env node
/**
 * `npm run docs`: writes docs/reference/*.md from the tables in the sources. `--check` changes nothing and fails when one
 * of them is not current.
 *
 * @module
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkNode } from './check-node.mjs'

checkNode()
const { setUp } = await import('./setup.mjs')
const { root } = await import('./runtime.mjs')
setUp()
const { referencePages } = await import(pathToFileURL(join(root, 'packages/server/dist/reference-pages.js')).href)
const isCheck = process.argv.includes('--check')
const stale = []
const suite = JSON.parse(readFileSync(join(root, 'tests/compat/s3-tests.json'), 'utf8'))
for (const [name, text] of Object.entries(referencePages(suite))) {
  const file = join(root, 'docs/reference', name)
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue
  stale.push(`docs/reference/${name}`)
  if (!isCheck) writeFileSync(file, text)
}
if (stale.length > 0) console.log(`${isCheck ? 'not current (npm run docs): ' : 'written: '}${stale.join(', ')}`)
process.exitCode = isCheck && stale.length > 0 ? 1 : 0
