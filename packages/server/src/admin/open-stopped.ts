/**
 * An `Admin` on a data directory that no server is using: the deployment is opened in this process, under the instance lock.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Admin } from '@strongroom/cli'
import { openDataDirectory } from '../data-directory.ts'
import { openDeployment } from '../deployment.ts'
import { endpointUrl } from '../endpoints.ts'
import { lockInstance } from '../instance-lock.ts'
import { createLog } from '../log.ts'
import type { Environment } from '../settings/read-environment.ts'
import type { Settings } from '../settings/setting-table.ts'
import { LocalAdmin } from './local-admin.ts'

export interface OpenAdminOptions {
  readonly version: string
  /** `$CREDENTIALS_DIRECTORY` of a service manager. */
  readonly credentialsDirectory: string | undefined
  /** What `${NAME}` stands for in the section `keystore`. */
  readonly environment: Environment
}

/** @throws ServerError */
export async function openStopped(settings: Settings, options: OpenAdminOptions): Promise<Admin> {
  const directory = await openDataDirectory(settings.data, { metadata: settings.metadata, mustExist: true })
  const lock = await lockInstance(directory.metadata, () => 'a command of the command line')
  try {
    const log = createLog({ level: 'warn', format: 'text', write: (line) => process.stderr.write(line) })
    const deployment = await openDeployment(settings, directory, {
      log,
      credentialsDirectory: options.credentialsDirectory,
      environment: options.environment,
    })
    const caFile = join(directory.certs, 'ca.crt')
    return new LocalAdmin({
      deployment,
      log,
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
