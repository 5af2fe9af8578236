/**
 * `strongroom kes status`: kes-protocol 13. Of several servers each is shown, where KES shows one.
 *
 * @module
 */
import type { KesClient, KesRouteInfo, KesStatus } from '@strongroom/kes'
import type { AddCommand, CommandContext } from '../../context.ts'
import { exitCodes } from '../../exit-codes.ts'
import {
  act,
  addKesCommand,
  type ClientOptions,
  type Invocation,
  usageError,
  withClient,
  withClientOptions,
} from './kes-command.ts'
import { namedServers } from './kes-connect.ts'
import { goBytes, goJson, goUptime } from './kes-format.ts'

interface StatusOptions extends ClientOptions {
  readonly short?: boolean
  readonly api?: boolean
}

type Outcome = KesStatus | Error

async function showStatus(
  invocation: Invocation<StatusOptions>,
  { ports, setExitCode }: CommandContext,
): Promise<void> {
  const { options, args, command } = invocation
  if (args.length > 0) throw usageError(command, 'too many arguments')
  const { isTerminal, now } = ports.kes
  await withClient(ports, options, async (client) => {
    if (options.api === true && options.json === true) {
      return ports.writeOut(goJson((await allRoutes(client)).map(routeJson), isTerminal))
    }
    const startedAt = now()
    const outcomes: readonly Outcome[] = await client.statusOfEach()
    const latencyMs = now() - startedAt
    const failures = outcomes.filter((outcome) => outcome instanceof Error)
    if (failures.length === outcomes.length) throw failures[0]
    const works = outcomes.flatMap((outcome) => (outcome instanceof Error ? [] : [outcome]))
    if (works.some(({ keystore_unreachable }) => keystore_unreachable === true)) setExitCode(exitCodes.failed)
    if (options.json === true) {
      return ports.writeOut(goJson(works.length === 1 ? works[0] : works, isTerminal))
    }
    const servers = namedServers(ports.kes, options)
    const names = servers.length === outcomes.length ? servers : client.endpoints.all.map(({ url }) => url)
    const isShort = options.short === true
    ports.writeOut(
      outcomes.map((outcome, i) => formatStatus(withoutScheme(names[i] ?? ''), outcome, latencyMs, isShort)).join(''),
    )
    if (options.api === true) ports.writeOut(formatRoutes(await allRoutes(client)))
  })
}

const allRoutes = async (client: KesClient): Promise<readonly KesRouteInfo[]> => [
  ...(await client.routes()),
  ...(await client.ownRoutes()),
]

const withoutScheme = (server: string): string => server.replace(/^https?:\/\//, '')

function formatStatus(name: string, outcome: Outcome, latencyMs: number, isShort: boolean): string {
  if (outcome instanceof Error) return `○ ${name}\n${isShort ? '' : `  ${outcome.message}\n`}`
  if (isShort) return `● ${name}\n`
  const rows = [
    `Version  ${outcome.version}`,
    `Uptime   ${goUptime(outcome.uptime)}`,
    `Latency  ${Math.max(1, Math.round(latencyMs))}ms`,
    `OS       ${outcome.os}`,
    `CPUs     ${outcome.num_cpu} ${outcome.arch}`,
    'Memory  ',
    `· Heap   ${goBytes(outcome.mem_heap_used)}`,
    `· Stack  ${goBytes(outcome.mem_stack_used)}`,
    ...(outcome.keystore_unreachable === true ? ['KeyStore unreachable'] : []),
  ]
  return `● ${name}\n${rows.map((row) => `  ${row}\n`).join('')}`
}

const routeJson = ({ method, path, max_body, timeout }: KesRouteInfo): object => ({
  method,
  path,
  ...(max_body === 0 ? {} : { max_body }),
  ...(timeout === 0 ? {} : { timeout }),
})

function formatRoutes(routes: readonly KesRouteInfo[]): string {
  const lines = routes.map(
    ({ method, path, timeout }) => `  ${method.padEnd(8)}${path.padEnd(28)} ${timeout === 0 ? 'Inf' : `${timeout}s`}\n`,
  )
  return `\n  Method  API                          Timeout\n${lines.join('')}`
}

export const addKesStatus: AddCommand = (parent, context) => {
  const command = withClientOptions(addKesCommand(parent, { word: 'status', summary: 'show whether servers work' }))
    .option('-s, --short', 'one line for each server')
    .option('--api', 'list the API of the server')
  act<StatusOptions>(command, context, (invocation) => showStatus(invocation, context))
}
