/**
 * What a person reads when the server has started. Secrets are shown on a terminal only.
 *
 * @module
 */
import type { RootCredentials } from '@strongroom/accounts'

export interface BannerFacts {
  readonly version: string
  /** `https://127.0.0.1:9000`, one for each listener. */
  readonly endpoints: readonly string[]
  readonly dataDirectory: string
  readonly caFile?: string
  /** The root key was made by us and lies beside the data. */
  readonly isTrialRootKey: boolean
  readonly credentials: RootCredentials
  /** The credentials are set, not derived. */
  readonly hasOwnCredentials: boolean
  readonly isTerminal: boolean
  /** How the command line is called here: `npx strongroom`, `strongroom`. */
  readonly command: string
  /** Flags with which it finds this deployment, such as `--data DIR`; empty for the usual one. */
  readonly target: string
}

/** Ends with a line break. */
export function banner(facts: BannerFacts): string {
  const { command, target } = facts
  const lines = [
    `Strongroom ${facts.version} is ready on ${facts.endpoints.join(' and ')}`,
    `  data         ${facts.dataDirectory}`,
    ...(facts.caFile === undefined
      ? []
      : [`  trust        ${facts.caFile}  (a CA for trying out, made for this directory)`]),
    ...credentialLines(facts),
    ...(facts.isTrialRootKey
      ? ['  root key     beside the data: good for trying out. For anything else: docs/operations/root-key.md']
      : []),
    '',
    'In another terminal:',
    `  eval "$(${command} env${target})"`,
    '  aws --endpoint-url $AWS_ENDPOINT_URL s3 mb s3://demo',
    '  aws --endpoint-url $AWS_ENDPOINT_URL s3 cp README.md s3://demo/ --sse aws:kms',
    '  aws --endpoint-url $AWS_ENDPOINT_URL s3 ls s3://demo',
  ]
  return `${lines.join('\n')}\n`
}

function credentialLines({ credentials, hasOwnCredentials, isTerminal, command, target }: BannerFacts): string[] {
  if (hasOwnCredentials) return ['  credentials  as set']
  if (!isTerminal) return [`  credentials  ${command} credentials${target}`]
  return [`  access key   ${credentials.accessKeyId}`, `  secret key   ${credentials.secretAccessKey}`]
}
