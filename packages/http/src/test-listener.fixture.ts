/**
 * Listeners for tests: one certificate for the whole file, everything closed at the end.
 *
 * @module
 */

import { afterAll } from 'vitest'
import { parseCertificatePair } from './certificate-pair.ts'
import { CertificateIndex, type CertificateSource } from './certificates.ts'
import { type Listener, type ListenerOptions, listen } from './listener.ts'
import type { Handler } from './request-pipeline.ts'
import { makeCertificate } from './test-peers.fixture.ts'

let certificates: Promise<CertificateSource> | undefined

async function makeSource(): Promise<CertificateSource> {
  const { cert, key } = await makeCertificate(['localhost', '127.0.0.1'])
  return new CertificateIndex([parseCertificatePair(cert, key)])
}

/** A listener and the port of its first endpoint. */
export interface TestListener {
  readonly listener: Listener
  readonly port: number
}

const open: Listener[] = []

afterAll(async () => {
  await Promise.all(open.splice(0).map((listener) => listener.close({ graceMs: 0 })))
})

/** Starts a TLS listener on loopback that is closed after the test file. */
export async function startListener(handler: Handler, options: Partial<ListenerOptions> = {}): Promise<TestListener> {
  certificates ??= makeSource()
  const listener = await listen({
    endpoints: [{ host: '127.0.0.1', port: 0 }],
    certificates: await certificates,
    handler,
    ...options,
  })
  open.push(listener)
  return { listener, port: listener.addresses[0]?.port ?? 0 }
}
