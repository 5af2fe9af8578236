// Listens on the socket that its first argument names, and says so, until it is killed.
import { createServer } from 'node:net'

createServer().listen(process.argv[2], () => process.send('listening'))
