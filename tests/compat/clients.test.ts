/**
 * Real clients, set up by `strongroom env`, keep and read objects under every encryption that they can ask for. A client that
 * is not installed has no test here; `npm test` names those it left out. It does the first thing of each client, as their
 * programs take longer to start than the server to answer; `npm test -- --clients` does everything, and `.ci/run` does that.
 *
 * @module
 */

import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ClientServer, type Scenarios } from '../support/client-server.ts'
import { type ClientName, installedClients } from '../support/clients.ts'
import { caOf } from '../support/program.ts'
import { awsCli } from './clients/aws-cli.ts'
import { boto3 } from './clients/boto3.ts'
import { rcloneScenarios } from './clients/rclone.ts'
import { resticScenarios } from './clients/restic.ts'
import { s3cmdScenarios } from './clients/s3cmd.ts'

let server: ClientServer

beforeAll(async () => {
  server = await ClientServer.start()
})

afterAll(async () => {
  await server?.stop()
})

const scenarios: Readonly<Record<ClientName, Scenarios>> = {
  aws: awsCli,
  boto3,
  s3cmd: s3cmdScenarios,
  rclone: rcloneScenarios,
  restic: resticScenarios,
}

const mostScenarios = process.env.STRONGROOM_TEST_CLIENTS === 'all' ? undefined : 1

it('clients are given a CA that signed the certificate', async () => {
  expect(await caOf(server.data)).toContain('BEGIN CERTIFICATE')
  expect((await server.variablesFor('aws')).AWS_CA_BUNDLE).toBe(join(server.data, 'certs/ca.crt'))
})

for (const client of installedClients) {
  describe(client, () => {
    const chosen = Object.entries(scenarios[client]).slice(0, mostScenarios)
    it.each(chosen)('%s', async (_title, scenario) => await scenario(server), 300_000)
  })
}
