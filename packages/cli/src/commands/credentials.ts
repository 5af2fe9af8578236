/**
 * `strongroom credentials`: prints the root credentials.
 *
 * @module
 */
import { type AddCommand, answer, type CommonOptions, withAdmin, withCommonOptions } from '../context.ts'

export const addCredentials: AddCommand = (parent, { ports }) => {
  withCommonOptions(parent.command('credentials').summary('print the root credentials')).action(
    async (options: CommonOptions) => {
      const { accessKeyId, secretAccessKey } = await withAdmin(ports, options, (admin) => admin.connection())
      answer(
        ports,
        options,
        { accessKeyId, secretAccessKey },
        () => `access key  ${accessKeyId}\nsecret key  ${secretAccessKey}\n`,
      )
    },
  )
}
