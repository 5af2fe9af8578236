/**
 * `strongroom version`.
 *
 * @module
 */
import { type AddCommand, answer, type CommonOptions } from '../context.ts'

export const addVersion: AddCommand = (parent, { ports }) => {
  parent
    .command('version')
    .summary('print the version')
    .option('--json', 'print one JSON document')
    .action((options: CommonOptions) => {
      answer(ports, options, { version: ports.version }, ({ version }) => `strongroom ${version}\n`)
    })
}
