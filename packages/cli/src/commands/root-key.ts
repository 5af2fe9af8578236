/**
 * `strongroom root-key rotate`: a new root key wraps the keyring; data, keys and root credentials stay.
 *
 * @module
 */
import { type AddCommand, answer, type CommonOptions, withAdmin, withCommonOptions } from '../context.ts'

interface RotateOptions extends CommonOptions {
  readonly newKeyFile?: string
  readonly newPassphraseFile?: string
}

export const addRootKey: AddCommand = (parent, { ports }) => {
  const group = parent.command('root-key').summary('change the root key')
  const command = group
    .command('rotate')
    .summary('wrap the keyring with a new root key')
    .option('--new-key-file <file>', 'a file with the new root key (32 bytes in base64)')
    .option('--new-passphrase-file <file>', 'a file with a new passphrase')
  withCommonOptions(command).action(async (options: RotateOptions) => {
    const { newKeyFile, newPassphraseFile } = options
    const report = await withAdmin(ports, options, (admin) =>
      admin.rotateRootKey({
        ...(newKeyFile === undefined ? {} : { newKeyFile }),
        ...(newPassphraseFile === undefined ? {} : { newPassphraseFile }),
      }),
    )
    answer(ports, options, report, ({ source }) => `the keyring is wrapped with a new root key: ${source}\n`)
  })
}
