/**
 * `strongroom account …`: makes, lists and deletes accounts.
 *
 * @module
 */
import type { AccountReport } from '../admin.ts'
import { type AddCommand, answer, type CommonOptions, withAdmin, withCommonOptions } from '../context.ts'
import { formatTable, formatTime } from '../output.ts'

const row = ({ id, name, createdAtMs }: AccountReport) => [id, name, formatTime(createdAtMs)]

export const addAccount: AddCommand = (parent, { ports }) => {
  const group = parent.command('account').summary('manage accounts')
  withCommonOptions(
    group.command('create').summary('make an account and print its access key, once').argument('<name>'),
  ).action(async (name: string, options: CommonOptions) => {
    const made = await withAdmin(ports, options, (admin) => admin.createAccount(name))
    answer(
      ports,
      options,
      made,
      () => `account     ${made.accountId}\naccess key  ${made.accessKeyId}\nsecret key  ${made.secretAccessKey}\n`,
    )
  })
  withCommonOptions(
    group
      .command('delete')
      .summary('delete an account that owns no bucket and no key; its access keys stop working at once')
      .argument('<name>', 'its name or id'),
  ).action(async (name: string, options: CommonOptions) => {
    const account = await withAdmin(ports, options, (admin) => admin.deleteAccount(name))
    answer(ports, options, account, () => `deleted account ${account.name} (${account.id})\n`)
  })
  withCommonOptions(group.command('list').summary('list accounts')).action(async (options: CommonOptions) => {
    const accounts = await withAdmin(ports, options, (admin) => admin.listAccounts())
    answer(ports, options, accounts, (list) => formatTable(['ID', 'NAME', 'CREATED'], list.map(row)))
  })
}
