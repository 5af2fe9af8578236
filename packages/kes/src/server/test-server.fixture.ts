/**
 * A KES server for tests: on loopback, over a key store in memory, with three clients, and everything that it logs.
 *
 * @module
 */
import type { KeyStore } from '@strongroom/kms'
import { MemoryKeyStore } from '@strongroom/kms'
import { afterEach } from 'vitest'
import { identityOfSeed } from '../client/api-key.ts'
import { type KeyPairPem, makeCertificate } from '../client/make-certificate.ts'
import { exchange } from '../conformance/wire-client.ts'
import type { KesServer, KesServerDependencies, KesServerOptions } from '../contract.ts'
import { startKesServer } from './kes-server.ts'

const seeds = {
  admin: new Uint8Array(32).fill(1),
  user: new Uint8Array(32).fill(2),
  stranger: new Uint8Array(32).fill(3),
} as const

export type ClientName = keyof typeof seeds | 'none'

/** Identities of the clients. */
export const identities = {
  admin: identityOfSeed(seeds.admin),
  user: identityOfSeed(seeds.user),
  stranger: identityOfSeed(seeds.stranger),
} as const

let made: Promise<ReadonlyMap<string, KeyPairPem>> | undefined

async function makeAll(): Promise<ReadonlyMap<string, KeyPairPem>> {
  const pairs = new Map<string, KeyPairPem>()
  for (const [name, seed] of Object.entries(seeds)) pairs.set(name, await makeCertificate(seed))
  for (const [name, first] of [
    ['server', 8],
    ['other-server', 9],
  ] as const) {
    pairs.set(name, await makeCertificate(new Uint8Array(32).fill(first), { names: ['localhost', '127.0.0.1'] }))
  }
  return pairs
}

/** Certificates, made once per file: of the clients, `server` and `other-server`. */
export async function certificate(name: string): Promise<KeyPairPem> {
  made ??= makeAll()
  const pair = (await made).get(name)
  if (pair === undefined) throw new Error(`no certificate ${name}`)
  return pair
}

/** An answer as tests look at it. */
export interface TestAnswer {
  readonly status: number | null
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/** See the module. */
export interface TestServer {
  readonly server: KesServer
  readonly port: number
  readonly options: KesServerOptions
  readonly store: KeyStore
  /** Everything written so far. */
  audit(): string
  errors(): string
  send(method: string, path: string, body?: unknown, as?: ClientName): Promise<TestAnswer>
}

const running: KesServer[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close({ graceMs: 0 })))
})

/** Starts a server that is closed after the test. */
export async function startTestServer(
  changes: Partial<KesServerOptions> = {},
  dependencies: KesServerDependencies = {},
): Promise<TestServer> {
  const store = new MemoryKeyStore()
  const options: KesServerOptions = {
    endpoints: [{ host: '127.0.0.1', port: 0 }],
    tls: { load: () => certificate('server') },
    adminIdentity: identities.admin,
    policies: [{ name: 'app', allow: ['/v1/key/*'], deny: ['/v1/key/delete/*'], identities: [identities.user] }],
    openKeyStore: async () => store,
    ...changes,
  }
  let audit = ''
  let errors = ''
  const server = await startKesServer(options, {
    auditSink: (lines) => {
      audit += Buffer.from(lines).toString()
    },
    errorSink: (line) => {
      errors += line
    },
    ...dependencies,
  })
  running.push(server)
  const port = server.addresses[0]?.port ?? 0
  return {
    server,
    port,
    options,
    store,
    audit: () => audit,
    errors: () => errors,
    send: async (method, path, body, as = 'admin') => {
      const answer = await exchange(
        { host: '127.0.0.1', port, certificate: as === 'none' ? undefined : await certificate(as) },
        {
          method,
          path,
          headers: {},
          body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
          isChunked: false,
        },
      )
      return answer.status === null ? { status: null, body: answer.end, headers: {} } : answer
    },
  }
}

/** A member of a JSON answer. */
export function member(answer: TestAnswer, name: string): unknown {
  const value: unknown = JSON.parse(answer.body)
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined
}
