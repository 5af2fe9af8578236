/**
 * How the command line reaches a deployment: over the socket of the running server, else by opening the stopped data
 * directory in this process, under the instance lock.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Admin, AdminError } from '@strongroom/cli'
import type { Settings } from '../settings/setting-table.ts'
import { connectAdmin } from './admin-client.ts'
import type { OpenAdminOptions } from './open-stopped.ts'

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
  // Only here: a command to a running server needs none of what a deployment consists of.
  const { openStopped } = await import('./open-stopped.ts')
  return await openStopped(settings, options)
}
