/**
 * The AWS SDK for JavaScript, set up for a test server.
 *
 * @module
 */

import { Agent } from 'node:https'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import type { Endpoint, RawCredentials } from './raw-client.ts'

/** Path style, since the server is reached by its address. Close it with `destroy()`. */
export function sdkClient(
  endpoint: Endpoint,
  credentials: RawCredentials,
  region: string,
  config: S3ClientConfig = {},
): S3Client {
  return new S3Client({
    endpoint: `https://${endpoint.host}:${endpoint.port}`,
    region,
    credentials,
    forcePathStyle: true,
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({ httpsAgent: new Agent({ keepAlive: true, ca: endpoint.ca }) }),
    ...config,
  })
}
