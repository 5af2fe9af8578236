/**
 * `strongroom kes server`: hands its options to the server package. kes-protocol 10, 13.
 *
 * @module
 */
import type { AddCommand } from '../../context.ts'
import { act, addKesCommand, usageError } from './kes-command.ts'

interface ServerOptions {
  readonly json?: boolean
  readonly addr?: string
  readonly config?: string
  readonly dev?: boolean
  readonly workers?: string
  readonly key?: string
  readonly cert?: string
  readonly auth?: string
}

/** Flags that mean nothing any more, and are still in scripts. */
const deprecated = ['key', 'cert', 'auth'] as const

export const addKesServer: AddCommand = (parent, context) => {
  const { ports, setExitCode } = context
  const command = addKesCommand(parent, { word: 'server', summary: 'run a key service' })
    .option('--addr <ip:port>', 'where to listen (default: as in the config, else 0.0.0.0:7373)')
    .option('--config <file>', 'config file of KES')
    .option('--dev', 'keys in memory, a certificate and an API key made for trying out')
    .option('--workers <n>', 'processes that serve, for machines with more cores (default: 1)')
    .option('--key <file>', 'has no meaning any more')
    .option('--cert <file>', 'has no meaning any more')
    .option('--auth <on|off>', 'has no meaning any more')
  act<ServerOptions>(command, context, async ({ args, options }) => {
    if (args.length > 0) throw usageError(command, 'too many arguments')
    for (const flag of deprecated) {
      if (options[flag] === undefined) continue
      const place = flag === 'auth' ? "'tls.auth'" : `'tls.${flag}'`
      ports.writeError(
        `WARNING: '--${flag}' flag is deprecated and no longer honored. Specify ${place} in the config file\n`,
      )
    }
    const { addr, config, dev, json, workers } = options
    if (workers !== undefined && !(/^[1-9]\d{0,2}$/.test(workers) && Number(workers) <= 256)) {
      throw usageError(command, '--workers takes a number from 1 to 256')
    }
    setExitCode(
      await ports.kes.runServer({
        isDev: dev === true,
        isJson: json === true,
        ...(addr === undefined ? {} : { address: addr }),
        ...(config === undefined ? {} : { config }),
        ...(workers === undefined ? {} : { workers: Number(workers) }),
      }),
    )
  })
}
