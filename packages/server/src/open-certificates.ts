/**
 * The certificates of a server, from their directory.
 *
 * @module
 */
import { CertificateDirectory, HttpError } from '@strongroom/http'
import type { Logger } from './log.ts'
import { ServerError } from './server-error.ts'

/** @throws ServerError `certificates` */
export async function openCertificates(directory: string, log: Logger): Promise<CertificateDirectory> {
  try {
    return await CertificateDirectory.open(directory, {
      onProblem: (error) => log.error({ error }, 'a certificate cannot be used; the one before it stays'),
      onReload: () => log.info('certificates reloaded'),
    })
  } catch (error) {
    if (error instanceof HttpError) throw new ServerError('certificates', error.message, { cause: error })
    throw new ServerError('certificates', `${directory} cannot be read`, { cause: error })
  }
}
