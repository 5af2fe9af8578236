/**
 * `npm run kes-conformance`: the recorded conversation with real KES, replayed against any KES server.
 *
 * @module
 */
import { X509Certificate } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { KesError } from '../kes-error.ts'
import { readCertificate } from '../protocol/certificate-identity.ts'
import { type ClientCertificate, makeClientCertificates } from './client-certificates.ts'
import { prepareServers, RecordedServers, readClients, takesStoreAway } from './recorded-servers.ts'
import { formatCoverage, formatReport } from './report.ts'
import { type ConformanceTarget, leftOut, type RowResult, replay } from './run.ts'
import { readWireData, type WireData } from './wire-data.ts'

const usage = `Usage: npm run kes-conformance -- [options]

Replays what real MinIO KES was asked and compares the answers. Without an address it starts servers of
its own with the recorded configurations, and all 354 rows are replayed.

  --prepare DIR       write the recorded configurations, main.yml and its like, with all certificates into a new
                      directory, for a server that you start: strongroom kes server --config DIR/main.yml
  --port PORT         where that server is to listen, on 127.0.0.1 (default: 7373)
  --address URL       replay against a server that runs, https://host:port; its key store must be empty
  --directory DIR     what was prepared for it; without it the rows are left out, and named, that need a certificate
                      which the server verifies (auth-on), or its key store taken away (down)
  --server NAME       which of the recorded configurations it runs with (default: main)
  --client-cert FILE  certificate of its admin, where that is not the recorded one
  --client-key FILE   and its private key
  --config NAME       print a recorded configuration, to fill in: main, skip, auth-on, auth-on-skip, no-admin, proxy, down
  --strict            compare with the recording alone: our deviations count as wrong (for a real KES)
`

const recordedAdmin = 'a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5'

/** Runs the command; the exit code. `dataDirectory` holds `wire.json` and its like. */
export async function runConformance(
  args: readonly string[],
  dataDirectory: string,
  write: (text: string) => void,
): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      prepare: { type: 'string' },
      port: { type: 'string', default: '7373' },
      address: { type: 'string' },
      directory: { type: 'string' },
      server: { type: 'string', default: 'main' },
      'client-cert': { type: 'string' },
      'client-key': { type: 'string' },
      config: { type: 'string' },
      strict: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    write(usage)
    return 0
  }
  const data = await readWireData(dataDirectory)
  if (values.config !== undefined) {
    write(data.servers[values.config] ?? '')
    return values.config in data.servers ? 0 : 1
  }
  if (values.prepare !== undefined) {
    const directory = resolve(values.prepare)
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await prepareServers(directory, data, Number(values.port))
    write(prepared(directory, values.port))
    return 0
  }
  if (!(values.server in data.servers)) throw new KesError('invalid-config', `no recorded server '${values.server}'`)
  const { results, coverage } =
    values.address === undefined
      ? { results: await replayAll(data), coverage: '' }
      : await replayOne(data, new URL(values.address), values)
  write(formatReport(results) + coverage)
  return results.length > 0 && results.every(({ kind }) => kind !== 'wrong') ? 0 : 1
}

async function replayAll(data: WireData): Promise<readonly RowResult[]> {
  const servers = await RecordedServers.open(data)
  try {
    const results: RowResult[] = []
    for (const name of Object.keys(data.servers)) results.push(...(await servers.replay(name)))
    return results
  } finally {
    await servers.close()
  }
}

interface Aim {
  readonly server: string
  readonly strict: boolean
  readonly directory?: string | undefined
  readonly 'client-cert'?: string | undefined
  readonly 'client-key'?: string | undefined
}

/** Their issuer is known to servers of the same directory only. */
const issuedCertificates = ['root', 'issued', 'issued_exp', 'issued_srv']

async function replayOne(
  data: WireData,
  address: URL,
  aim: Aim,
): Promise<{ readonly results: readonly RowResult[]; readonly coverage: string }> {
  const { server, strict, directory } = aim
  const admin = await readAdmin(aim)
  const certificates = new Map(
    directory === undefined ? (await makeClientCertificates()).byName : await readClients(resolve(directory)),
  )
  if (directory === undefined) for (const name of issuedCertificates) certificates.delete(name)
  if (admin !== undefined) certificates.set('admin', admin)
  const target: ConformanceTarget = {
    host: address.hostname.replace(/^\[|\]$/g, ''),
    port: Number(address.port || 7373),
    server,
    certificates,
    hasDeviations: !strict,
    ...(directory === undefined ? {} : { before: takesStoreAway(resolve(directory), server) }),
  }
  await checkReachable(target)
  const recorded = admin === undefined ? data : withAdmin(data, admin)
  const results = await replay(recorded, target)
  return { results, coverage: formatCoverage(data, server, leftOut(data, target)) }
}

/** Else every row would be wrong, each for the same reason. */
async function checkReachable({ host, port }: ConformanceTarget): Promise<void> {
  const failure = await new Promise<Error | undefined>((done) => {
    const socket = connect({ host, port }, () => {
      socket.destroy()
      done(undefined)
    })
    socket.on('error', done)
  })
  if (failure !== undefined) throw new KesError('unreachable', `${host}:${port}: ${failure.message}`)
}

function prepared(directory: string, port: string): string {
  return `In ${directory} are the recorded configurations. Start a server with one of them, and replay its rows:

  strongroom kes server --config ${join(directory, 'main.yml')}
  npm run kes-conformance -- --address https://127.0.0.1:${port} --server main --directory ${directory}
`
}

async function readAdmin(values: {
  readonly 'client-cert'?: string | undefined
  readonly 'client-key'?: string | undefined
}): Promise<ClientCertificate | undefined> {
  const { 'client-cert': certFile, 'client-key': keyFile } = values
  if (certFile === undefined || keyFile === undefined) return undefined
  const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')])
  return { cert, key }
}

/** The recording as if that admin had been there. */
function withAdmin(data: WireData, { cert }: ClientCertificate): WireData {
  const identity = readCertificate(new X509Certificate(cert).raw)?.identity ?? recordedAdmin
  const renamed: unknown = JSON.parse(JSON.stringify(data.rows).replaceAll(recordedAdmin, identity))
  return { ...data, rows: renamed as WireData['rows'] }
}
