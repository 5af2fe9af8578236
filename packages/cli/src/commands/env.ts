/**
 * `strongroom env`: prints what a shell must evaluate so that clients find the server, trust it and sign for it.
 *
 * @module
 */
import { Option } from 'commander'
import type { Connection } from '../admin.ts'
import { type AddCommand, answer, type CommonOptions, withAdmin, withCommonOptions } from '../context.ts'

type Client = 'aws' | 'rclone' | 'restic' | 's3cmd' | 'mc'

/** In single quotes, as every POSIX shell reads it back unchanged. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

const exports = (variables: Readonly<Record<string, string | undefined>>): string =>
  Object.entries(variables)
    .flatMap(([name, value]) => (value === undefined ? [] : [`export ${name}=${quote(value)}\n`]))
    .join('')

const awsCredentials = ({ accessKeyId, secretAccessKey, region }: Connection) => ({
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  AWS_REGION: region,
  AWS_DEFAULT_REGION: region,
})

const forms: Readonly<Record<Client, (connection: Connection) => string>> = {
  aws: (connection) =>
    exports({
      AWS_ENDPOINT_URL: connection.endpoint,
      ...awsCredentials(connection),
      AWS_CA_BUNDLE: connection.caFile,
      NODE_EXTRA_CA_CERTS: connection.caFile,
    }),
  // The AWS library in rclone before 1.69 stops at AWS_CA_BUNDLE, which `env` for aws sets in the same shell.
  rclone: ({ endpoint, region, accessKeyId, secretAccessKey, caFile }) =>
    (caFile === undefined ? '' : 'unset AWS_CA_BUNDLE\n') +
    exports({
      RCLONE_CONFIG_STRONGROOM_TYPE: 's3',
      RCLONE_CONFIG_STRONGROOM_PROVIDER: 'Other',
      RCLONE_CONFIG_STRONGROOM_ENDPOINT: endpoint,
      RCLONE_CONFIG_STRONGROOM_REGION: region,
      RCLONE_CONFIG_STRONGROOM_ACCESS_KEY_ID: accessKeyId,
      RCLONE_CONFIG_STRONGROOM_SECRET_ACCESS_KEY: secretAccessKey,
      RCLONE_CONFIG_STRONGROOM_FORCE_PATH_STYLE: 'true',
      RCLONE_CA_CERT: caFile,
    }),
  // restic before 0.15 does not know RESTIC_CACERT; SSL_CERT_FILE is read by every program in Go.
  restic: (connection) =>
    exports({
      RESTIC_REPOSITORY: `s3:${connection.endpoint}/restic`,
      ...awsCredentials(connection),
      RESTIC_CACERT: connection.caFile,
      SSL_CERT_FILE: connection.caFile,
    }),
  // s3cmd reads no environment: this is its configuration file.
  s3cmd: ({ endpoint, region, accessKeyId, secretAccessKey, caFile }) => {
    const { host, protocol } = new URL(endpoint)
    const lines = {
      access_key: accessKeyId,
      secret_key: secretAccessKey,
      host_base: host,
      host_bucket: host,
      bucket_location: region,
      use_https: protocol === 'https:' ? 'True' : 'False',
      signature_v2: 'False',
      ...(caFile === undefined ? {} : { ca_certs_file: caFile }),
    }
    const body = Object.entries(lines).map(([name, value]) => `${name} = ${value}\n`)
    return `[default]\n${body.join('')}`
  },
  mc: ({ endpoint, accessKeyId, secretAccessKey, caFile }) => {
    const { host, protocol } = new URL(endpoint)
    return exports({
      MC_HOST_strongroom: `${protocol}//${accessKeyId}:${secretAccessKey}@${host}`,
      SSL_CERT_FILE: caFile,
    })
  },
}

export const addEnv: AddCommand = (parent, { ports }) => {
  const command = parent
    .command('env')
    .summary('print the settings of a client')
    .description(
      'Prints what a client must know. For a shell: eval "$(strongroom env)". For s3cmd: its configuration file.',
    )
    .addOption(new Option('--for <client>', 'whose settings').choices(Object.keys(forms)).default('aws'))
  withCommonOptions(command).action(async (options: CommonOptions & { readonly for: Client }) => {
    const connection = await withAdmin(ports, options, (admin) => admin.connection())
    answer(ports, options, connection, forms[options.for])
  })
}
