/**
 * What a KES client shows its server: a client certificate from files, which may be replaced while it runs, or the
 * certificate of an API key, made anew before it ends (kes-protocol 1.3, 14).
 *
 * @module
 */
import { createPublicKey, X509Certificate } from 'node:crypto'
import { readCertificates, readPrivateKey } from '../config/read-tls.ts'
import { KesError } from '../kes-error.ts'
import { identityOfPublicKey, parseApiKey } from './api-key.ts'
import { type KeyPairPem, makeCertificate } from './make-certificate.ts'

/** Who a client is. The API key is a secret. */
export type KesCredentials =
  | { readonly apiKey: string }
  | {
      readonly certFile: string
      readonly keyFile: string
      /** Decrypts an RFC 1423 private key. */
      readonly password?: string
    }

export interface ClientIdentity extends KeyPairPem {
  /** 64 hex digits. */
  readonly identity: string
}

/** Gives the certificate to show now. */
export interface CredentialsSource {
  /** @throws KesError `invalid-credentials` */
  load(): Promise<ClientIdentity>
}

/** Before this age the certificate of an API key, valid for 90 days, is made anew; in milliseconds. */
const renewAfterMs = 60 * 86_400_000

/** @throws KesError `invalid-credentials` when the API key is none */
export function credentialsSource(credentials: KesCredentials, now: () => number): CredentialsSource {
  if ('apiKey' in credentials) return apiKeySource(credentials.apiKey, now)
  const { certFile, keyFile, password = '' } = credentials
  return {
    load: async () => {
      const cert = await readCertificates(certFile)
      const key = await readPrivateKey(keyFile, password)
      const leaf = new X509Certificate(cert)
      if (!leaf.checkPrivateKey(key)) {
        throw new KesError('invalid-credentials', `${keyFile}: the private key does not belong to ${certFile}`)
      }
      const pem = key.export({ format: 'pem', type: 'pkcs8' }).toString()
      return { cert, key: pem, identity: identityOfPublicKey(createPublicKey(key)) }
    },
  }
}

function apiKeySource(apiKey: string, now: () => number): CredentialsSource {
  parseApiKey(apiKey).fill(0)
  let made: { readonly identity: ClientIdentity; readonly atMs: number } | undefined
  return {
    load: async () => {
      if (made !== undefined && now() - made.atMs < renewAfterMs) return made.identity
      const seed = parseApiKey(apiKey)
      try {
        const pair = await makeCertificate(seed, { now })
        const identity = identityOfPublicKey(new X509Certificate(pair.cert).publicKey)
        made = { identity: { ...pair, identity }, atMs: now() }
        return made.identity
      } finally {
        seed.fill(0)
      }
    },
  }
}
