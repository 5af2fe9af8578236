/**
 * `npm run kes-conformance`: the recorded conversation with real KES, replayed against any KES server.
 *
 * @module
 */

import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { readCertificate } from '../protocol/certificate-identity.ts'
import { type ClientCertificate, makeClientCertificates } from './client-certificates.ts'
import { RecordedServers } from './recorded-servers.ts'
import { formatReport } from './report.ts'
import { type RowResult, replay } from './run.ts'
import { readWireData, type WireData } from './wire-data.ts'

const usage = `Usage: npm run kes-conformance -- [options]

Replays what real MinIO KES was asked and compares the answers. Without an address it starts servers of
its own with the recorded configurations, and all 354 rows are replayed.

  --address URL       a KES server, https://host:port; it must run with the configuration printed by --config
                      over an empty key store
  --server NAME       which of the recorded configurations it runs with (default: main)
  --client-cert FILE  certificate of its admin, where that is not the recorded one
  --client-key FILE   and its private key
  --config NAME       print a recorded configuration: main, skip, auth-on, auth-on-skip, no-admin, proxy, down
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
      address: { type: 'string' },
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
  const results =
    values.address === undefined
      ? await replayAll(data)
      : await replayOne(data, new URL(values.address), values.server, values.strict, await readAdmin(values))
  write(formatReport(results))
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

async function replayOne(
  data: WireData,
  address: URL,
  server: string,
  isStrict: boolean,
  admin: ClientCertificate | undefined,
): Promise<readonly RowResult[]> {
  const made = await makeClientCertificates()
  const certificates = new Map(made.byName)
  if (admin !== undefined) certificates.set('admin', admin)
  return replay(admin === undefined ? data : withAdmin(data, admin), {
    host: address.hostname,
    port: Number(address.port || 7373),
    server,
    certificates,
    hasDeviations: !isStrict,
  })
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
