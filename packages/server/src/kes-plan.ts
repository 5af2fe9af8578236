/**
 * What `strongroom kes server` is to serve: its arguments and its config file, read anew whenever that is asked for.
 *
 * @module
 */
import type { KesServerArguments } from '@strongroom/cli'
import {
  describeStore,
  type KesAddress,
  KesError,
  type KesServerOptions,
  kesServerOptions,
  loadKesConfig,
  openKesStore,
  parseKesAddress,
} from '@strongroom/kes'
import { devSetup } from './kes-dev.ts'

export interface KesPlanEnvironment {
  /** How the command line is called here. Default: `strongroom`. */
  readonly command?: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Standard output is a terminal: a secret may be shown there. Default: whether it is one. */
  readonly isTerminal?: boolean
}

/** What a config means at one moment. */
export interface KesPlan {
  readonly options: KesServerOptions
  readonly keyStore: string
  /** How to try it out. */
  readonly usage: readonly string[]
}

const anyAddress: KesAddress = { host: '127.0.0.1', port: 7373 }

/** Reads the config anew at each call; what was given on the command line stays. */
export function kesPlanner(
  given: KesServerArguments,
  { environment, isTerminal, command = 'strongroom' }: KesPlanEnvironment,
): () => Promise<KesPlan> {
  const address = given.address === undefined ? undefined : addressOf(given.address)
  if (given.isDev) {
    const chosen = environment.KES_API_KEY
    const setup = devSetup(address ?? anyAddress, chosen)
    return async () => {
      const { options, apiKey } = await setup
      const isShown = chosen === undefined && (isTerminal ?? process.stdout.isTTY === true)
      const usage = devUsage(isShown ? apiKey : undefined, chosen !== undefined, command)
      return { options: withLog(options, given), keyStore: options.keyStoreLabel ?? '', usage }
    }
  }
  const file = given.config
  if (file === undefined) {
    throw new KesError('invalid-config', 'no config file specified. Use --config, or --dev to try it out')
  }
  return async () => {
    const config = await loadKesConfig(file, environment)
    const options = kesServerOptions(config, (store) => openKesStore(store, environment))
    const endpoints = [address ?? config.address]
    return { options: withLog({ ...options, endpoints }, given), keyStore: describeStore(config.store), usage: [] }
  }
}

const withLog = (options: KesServerOptions, { isJson }: KesServerArguments): KesServerOptions =>
  isJson ? { ...options, log: { ...options.log, auditFormat: 'json' } } : options

function addressOf(text: string): KesAddress {
  const address = parseKesAddress(text)
  if (address === undefined) {
    throw new KesError('invalid-config', `not an IP address with a port: ${JSON.stringify(text)}`)
  }
  return address
}

/** Secrets are shown on a terminal only: elsewhere whoever starts the service chooses its API key. */
function devUsage(apiKey: string | undefined, isChosen: boolean, command: string): readonly string[] {
  const shown = apiKey === undefined ? [] : [`API Key     ${apiKey}`]
  const hidden =
    isChosen || apiKey !== undefined
      ? []
      : ['API Key     shown on a terminal only; set KES_API_KEY before the start to choose it']
  return [
    ...shown,
    ...hidden,
    '',
    'Keys are in memory only and gone at the end. In another terminal:',
    '',
    `  export KES_SERVER=https://ADDRESS KES_API_KEY=${apiKey ?? '…'}`,
    `  ${command} kes key create my-key -k`,
  ]
}
