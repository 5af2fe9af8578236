/**
 * The program of a worker of a key service (ADR 20): started by `KesPool` only, with a socket pair and an IPC channel.
 *
 * @module
 */
import { Socket } from 'node:net'
import { inheritedSocket } from './inherited-socket.ts'
import { KesWorkerServer } from './kes-worker.ts'
import { type HandOver, linkDescriptor } from './worker-start.ts'

// A terminal and a service manager send these to all processes of a server. Main decides what comes of them.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)

const server = new KesWorkerServer(inheritedSocket(linkDescriptor), (code) => process.exit(code))
process.on('message', (_: HandOver, socket: unknown) => {
  // It may have been closed on its way.
  if (socket instanceof Socket) server.adopt(socket)
})
