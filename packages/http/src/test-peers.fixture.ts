/**
 * Test peers: fresh certificates, and a raw client that writes what it is told and records what comes back.
 *
 * @module
 */

import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { connect as connectPlain, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import * as x509 from '@peculiar/x509'

/** A self-signed certificate and its key in PEM. */
export interface TestCertificate {
  readonly cert: string
  readonly key: string
}

const ALGORITHMS = {
  ecdsa: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  rsa: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
  },
}

/** Makes a certificate for DNS names and IP addresses. */
export async function makeCertificate(
  names: readonly string[],
  algorithm: 'ecdsa' | 'rsa' = 'ecdsa',
): Promise<TestCertificate> {
  const signing = ALGORITHMS[algorithm]
  const keys = await webcrypto.subtle.generateKey(signing, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${names[0] ?? 'test'}`,
      keys,
      signingAlgorithm: signing,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 86_400_000),
      extensions: [
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? ('ip' as const) : ('dns' as const), value })),
        ),
      ],
    },
    webcrypto,
  )
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { cert: certificate.toString('pem'), key: x509.PemConverter.encode(der, 'PRIVATE KEY') }
}

/** A client that speaks bytes. */
export interface RawClient {
  readonly socket: Socket
  write(data: string | Uint8Array): void
  /** Everything received so far, as Latin-1. */
  received(): string
  /** Resolves when `test` holds for what was received; rejects when the connection ends before. */
  until(test: (received: string) => boolean): Promise<string>
  /** Resolves when the connection is closed, with everything received. */
  closed(): Promise<string>
  destroy(): void
}

/** Connects in the clear. */
export function plainClient(port: number, host = '127.0.0.1'): Promise<RawClient> {
  const socket = connectPlain({ port, host })
  return ready(socket, 'connect')
}

/** Connects with TLS; certificates are not verified unless `ca` is given. */
export function tlsClient(port: number, options: ConnectionOptions = {}): Promise<RawClient> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: options.ca !== undefined, ...options })
  return ready(socket, 'secureConnect')
}

/** The common name of the certificate that a server presents for a name. */
export async function presentedName(port: number, servername?: string): Promise<string> {
  const client = await tlsClient(port, servername === undefined ? {} : { servername })
  const name = (client.socket as TLSSocket).getPeerCertificate().subject.CN
  client.destroy()
  return String(name)
}

function ready<T extends Socket>(socket: T, event: string): Promise<RawClient> {
  let received = ''
  let isClosed = false
  const waiters = new Set<() => void>()
  const wake = (): void => {
    for (const waiter of [...waiters]) waiter()
  }
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
    wake()
  })
  socket.on('close', () => {
    isClosed = true
    wake()
  })
  const waitFor = (test: () => boolean): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (test()) resolve(received)
        else if (isClosed) reject(new Error(`closed after ${JSON.stringify(received.slice(0, 500))}`))
        else return
        waiters.delete(look)
      }
      waiters.add(look)
      look()
    })
  const client: RawClient = {
    socket,
    write: (data) => void socket.write(data),
    received: () => received,
    until: (test) => waitFor(() => test(received)),
    closed: () => waitFor(() => isClosed),
    destroy: () => void socket.destroy(),
  }
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve(client))
    socket.on('error', reject)
  })
}
