/**
 * `strongroom kes check FILE`: what a config file means, and whether its certificate and key store work.
 *
 * @module
 */
import type { KesConfigReport } from '@strongroom/kes'
import type { AddCommand, CommandContext } from '../../context.ts'
import { exitCodes } from '../../exit-codes.ts'
import { act, addKesCommand, type Invocation, onlyArgument } from './kes-command.ts'
import { goJson, goRows } from './kes-format.ts'

interface CheckOptions {
  readonly json?: boolean
}

async function check(invocation: Invocation<CheckOptions>, { ports, setExitCode }: CommandContext): Promise<void> {
  const file = onlyArgument(invocation, 'config file')
  const { checkKesConfig, openKesStore } = await import('@strongroom/kes')
  const { environment, now } = ports.kes
  const report = await checkKesConfig(file, environment, {
    openKeyStore: (store) => openKesStore(store, environment),
    now,
  })
  if (report.problems.length > 0) setExitCode(exitCodes.failed)
  ports.writeOut(invocation.options.json === true ? goJson(report, true) : format(report))
}

type Summary = NonNullable<KesConfigReport['config']>
type Row = readonly [name: string, value: string]

function format({ file, problems, notices, config }: KesConfigReport): string {
  const head = problems.length === 0 ? [`${file} is fine`] : [`${file} does not work:`, ...indent(problems)]
  const meaning = config === undefined ? [] : ['', ...indent(goRows(rowsOf(config), 13).split('\n'))]
  const notes = notices.length === 0 ? [] : ['', 'To know:', ...indent(notices)]
  return `${[...head, ...meaning, ...notes].join('\n')}\n`
}

const indent = (lines: readonly string[]): readonly string[] => lines.map((line) => `  ${line}`)

function rowsOf(config: Summary): readonly Row[] {
  const { tls, cache, log, keyStore } = config
  return [
    ['Address', config.address],
    ['Admin', config.admin],
    ['Certificate', `${tls.cert}, for ${tls.names.join(', ')}, until ${tls.expires.slice(0, 10)}`],
    ['Clients', tls.verifiesClients ? 'certificates are verified' : 'any certificate; the identity decides'],
    ...tls.proxies.map((proxy): Row => ['TLS proxy', proxy]),
    ...config.policies.flatMap(policyRows),
    ...config.api.map(
      ({ path, skipAuth, timeout }): Row => [
        'API',
        `${path}${skipAuth ? ' without authentication' : ''}, timeout ${timeout}`,
      ],
    ),
    ['Cache', `any ${cache.any}, unused ${cache.unused}, offline ${cache.offline}`],
    ['Log', `error ${log.error}, audit ${log.audit}`],
    ...(config.keys.length === 0 ? [] : [['Keys', config.keys.join(', ')] as const]),
    ['Key store', keyStore.description],
    ['', keyStore.isReachable ? `reachable, ${keyStore.entries ?? 0} entries` : (keyStore.detail ?? 'unreachable')],
  ]
}

const policyRows = ({ name, allow, deny, identities }: Summary['policies'][number]): readonly Row[] => [
  ['Policy', name],
  ...allow.map((pattern): Row => ['', `allow ${pattern}`]),
  ...deny.map((pattern): Row => ['', `deny  ${pattern}`]),
  ...identities.map((identity): Row => ['', `for   ${identity}`]),
]

export const addKesCheck: AddCommand = (parent, context) => {
  const shape = { word: 'check', summary: 'say what a config file means, and try it', usage: '<file>' }
  act<CheckOptions>(addKesCommand(parent, shape), context, (invocation) => check(invocation, context))
}
