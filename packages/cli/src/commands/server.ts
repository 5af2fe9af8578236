/**
 * `strongroom server`: hands its arguments to the server package, which knows the settings.
 *
 * @module
 */
import type { AddCommand } from '../context.ts'

export const addServer: AddCommand = (parent, { ports, setExitCode }) => {
  parent
    .command('server')
    .summary('run the object server')
    .description(
      'Runs the object server. Every setting is a flag, an environment variable and a line in strongroom.yaml.',
    )
    .argument('[arguments...]', 'data directory and flags')
    .allowUnknownOption()
    .passThroughOptions()
    .addHelpText('after', () => `\n${ports.serverHelp()}\n`)
    .action(async (args: string[]) => {
      setExitCode(await ports.runServer(args))
    })
}
