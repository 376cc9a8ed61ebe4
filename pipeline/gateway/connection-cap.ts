// How many connections the gateway keeps open. When there are too many, one without a request makes room: first of those
// that never asked for anything, then of those that did, the longest idle. So a flood of connections that ask for
// nothing neither shuts anybody out nor cuts off who is between two requests.
// Invariant: a connection with a request at work is never ended here.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export function capConnections(server: Server, maxConnections: number): void {
  const open = new Set<Socket>()
  /** Those that never had a request, and those between two requests; the longest idle first. */
  const silent = new Set<Socket>()
  const resting = new Set<Socket>()
  const forget = (socket: Socket): void => {
    for (const set of [open, silent, resting]) set.delete(socket)
  }
  server.on('connection', (socket: Socket) => {
    if (open.size >= maxConnections) {
      const [idle] = silent.size > 0 ? silent : resting
      if (idle === undefined) {
        socket.destroy()
        return
      }
      idle.destroy()
      forget(idle)
    }
    open.add(socket)
    silent.add(socket)
    socket.once('close', () => forget(socket))
  })
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    silent.delete(socket)
    resting.delete(socket)
    response.once('close', () => {
      if (open.has(socket)) resting.add(socket)
    })
  })
}
