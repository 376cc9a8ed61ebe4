// Limits the open connections of the gateway. Above the limit it closes an idle one: first the oldest that never sent a
// request, then the one idle for longest. Many connections that send nothing therefore cannot lock out other
// clients, nor disconnect a client between two requests.
// Invariant: a connection whose request is being answered is never closed here.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export function capConnections(server: Server, maxConnections: number): void {
  const open = new Set<Socket>()
  /**
   * `silent`: never sent a request; `resting`: between two requests. The longest idle connection comes first.
   */
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
