/**
 * From settings to a key store in AWS Secrets Manager. The SDK is loaded here, and only here.
 *
 * @module
 */
import type { SecretsManagerClientConfig } from '@aws-sdk/client-secrets-manager'
import { KmsError } from '../../kms-error.ts'
import { ClientsByOrigin } from '../clients-by-origin.ts'
import type { AwsKeyStoreSettings } from '../key-store-settings.ts'
import { StoreClient } from '../store-client.ts'
import type { StoreDependencies } from '../store-dependencies.ts'
import { loadStoreTls } from '../store-tls.ts'
import { AwsKeyStore } from './aws-key-store.ts'
import { AwsTransport, isFinalAwsAnswer } from './aws-transport.ts'

/** What is used of the SDK. */
export type AwsSdk = typeof import('@aws-sdk/client-secrets-manager')

const shortestWindowDays = 7
const longestWindowDays = 30

/**
 * Opens without asking the service anything.
 *
 * @throws KmsError `unsupported` when the SDK is not installed, `unreachable` when the settings can never work
 */
export async function openAwsKeyStore(
  settings: AwsKeyStoreSettings,
  dependencies: StoreDependencies,
  load: () => Promise<AwsSdk> = () => import('@aws-sdk/client-secrets-manager'),
): Promise<AwsKeyStore> {
  const { region, credentials, recoveryWindowDays = longestWindowDays } = settings
  if (
    !Number.isInteger(recoveryWindowDays) ||
    recoveryWindowDays < shortestWindowDays ||
    recoveryWindowDays > longestWindowDays
  ) {
    throw new KmsError('unsupported', 'AWS Secrets Manager: the recovery window is 7 to 30 days')
  }
  if (!/^[\w-]{1,64}$/.test(region)) {
    throw new KmsError('unreachable', 'AWS Secrets Manager: the region is no name of one, as in eu-north-1')
  }
  const sdk = await loadSdk(load)
  const endpoint = endpointOf(settings.endpoint)
  const tls = await loadStoreTls('AWS Secrets Manager', settings.tls, true)
  const secrets = () => [credentials?.secretAccessKey ?? '', credentials?.sessionToken ?? '', transport.sessionToken]
  const clients = new ClientsByOrigin(
    {
      store: 'AWS Secrets Manager',
      settings,
      tls,
      secrets,
      // Throttling comes with 400.
      passingStatuses: [400],
      isFinal: isFinalAwsAnswer,
    },
    dependencies,
  )
  const transport = new AwsTransport(clients)
  // An address that is none is refused now.
  if (endpoint !== undefined) new StoreClient({ store: 'AWS Secrets Manager', endpoint }, dependencies).close()
  const config: SecretsManagerClientConfig = {
    region,
    maxAttempts: 1,
    requestHandler: transport,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
  }
  const clean = (text: string): string => clients.for(new URL(endpoint ?? 'https://localhost')).clean(text)
  return new AwsKeyStore(
    sdk,
    new sdk.SecretsManagerClient(config),
    { ...settings, recoveryWindowDays },
    clean,
    dependencies,
  )
}

async function loadSdk(load: () => Promise<AwsSdk>): Promise<AwsSdk> {
  try {
    return await load()
  } catch (error) {
    const message = 'AWS Secrets Manager needs the AWS SDK: npm install @aws-sdk/client-secrets-manager'
    throw new KmsError('unsupported', message, { cause: error })
  }
}

/** A host alone is taken for an https address (kes-protocol 8.5). */
function endpointOf(endpoint: string | undefined): string | undefined {
  if (endpoint === undefined || endpoint === '') return undefined
  return endpoint.includes('://') ? endpoint : `https://${endpoint}`
}
