/**
 * A worker's end of the socket pair that it was started with.
 *
 * @module
 */
import { connect, Socket } from 'node:net'

/**
 * Node.js makes a connected socket of a descriptor by `new Socket`, and Bun, which ignores it there, by `connect`, which Node.js
 * refuses.
 */
export function inheritedSocket(fd: number): Socket {
  const socket = new Socket({ fd, readable: true, writable: true })
  if (!socket.pending) return socket
  const connected: unknown = Reflect.apply(connect, undefined, [{ fd }])
  if (connected instanceof Socket) return connected
  throw new Error('this runtime cannot use an inherited socket')
}
