/**
 * `strongroom bench`: hands its arguments to the benchmark.
 *
 * @module
 */
import type { AddCommand } from '../context.ts'

export const addBench: AddCommand = (parent, { ports, setExitCode }) => {
  parent
    .command('bench')
    .summary('measure this machine')
    .description(
      'Measures PUT and GET of small and large objects against a server of its own, in a temporary directory.',
    )
    .argument('[arguments...]', 'arguments of the benchmark')
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: string[]) => {
      setExitCode(await ports.runBench(args))
    })
}
