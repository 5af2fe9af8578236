/**
 * `strongroom kes …`: the key service and everything that MinIO's `kes` program does. kes-protocol 13.
 *
 * @module
 */
import type { AddCommand } from '../../context.ts'
import { addKesCheck } from './kes-check.ts'
import { addKesGroup } from './kes-command.ts'
import { addKesIdentity } from './kes-identity.ts'
import { addKesKey } from './kes-key.ts'
import { addKesLs } from './kes-list.ts'
import { addKesLog } from './kes-log.ts'
import { addKesMetric } from './kes-metric.ts'
import { addKesMigrate } from './kes-migrate.ts'
import { addKesPolicy } from './kes-policy.ts'
import { addKesServer } from './kes-server.ts'
import { addKesStatus } from './kes-status.ts'

const commands: readonly AddCommand[] = [
  addKesServer,
  addKesCheck,
  addKesKey,
  addKesPolicy,
  addKesIdentity,
  addKesLs,
  addKesStatus,
  addKesLog,
  addKesMetric,
  addKesMigrate,
]

const environmentHelp = `
Environment:
  KES_SERVER       servers, comma separated (default 127.0.0.1:7373)
  KES_API_KEY      API key
  KES_CLIENT_CERT  certificate file, instead of an API key
  KES_CLIENT_KEY   its private key
  KES_CAPATH       certificates to trust: a PEM file or a directory
`

export const addKes: AddCommand = (parent, context) => {
  const group = addKesGroup(parent, context, { word: 'kes', summary: 'run and use a key service' })
  group.addHelpText('after', environmentHelp)
  for (const add of commands) add(group, context)
}
