/**
 * How the command line reaches a deployment: over the socket of the running server, else by opening the stopped data
 * directory in this process, under the instance lock.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Admin, AdminError } from '@strongroom/cli'
import { openDataDirectory } from '../data-directory.ts'
import { openDeployment } from '../deployment.ts'
import { endpointUrl } from '../endpoints.ts'
import { lockInstance } from '../instance-lock.ts'
import { createLog } from '../log.ts'
import type { Settings } from '../settings/setting-table.ts'
import { connectAdmin } from './admin-client.ts'
import { LocalAdmin } from './local-admin.ts'

export interface OpenAdminOptions {
  readonly version: string
  readonly credentialsDirectory: string | undefined
}

/** @throws AdminError, ServerError */
export async function openAdmin(settings: Settings, options: OpenAdminOptions): Promise<Admin> {
  const metadata = resolve(settings.metadata ?? join(settings.data, 'metadata'))
  const running = await connectAdmin(metadata)
  if (running !== undefined) return running
  if (!existsSync(metadata)) {
    throw new AdminError(
      'unavailable',
      `there is no deployment in ${resolve(settings.data)}: start the server, or name its directory with --data`,
    )
  }
  const directory = await openDataDirectory(settings.data, { metadata: settings.metadata, mustExist: true })
  const lock = await lockInstance(directory.metadata, () => 'a command of the command line')
  try {
    const log = createLog({ level: 'warn', format: 'text', write: (line) => process.stderr.write(line) })
    const deployment = await openDeployment(settings, directory, {
      log,
      credentialsDirectory: options.credentialsDirectory,
    })
    const caFile = join(directory.certs, 'ca.crt')
    return new LocalAdmin({
      deployment,
      status: { version: options.version },
      endpoint: endpointUrl(settings.address),
      ...(settings.certsDir === undefined && existsSync(caFile) ? { caFile } : {}),
      onClose: async () => {
        await deployment.close()
        await lock.release()
      },
    })
  } catch (error) {
    await lock.release()
    throw error
  }
}
