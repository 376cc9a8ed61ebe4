// For tests: a proxy between the broker and its client that cuts the connection at a chosen message to the
// broker, or at a chosen answer.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/**
 * The fate of a message. `cut_before` ends the connection without forwarding it; `cut_after` forwards it and
 * drops the answer.
 */
export type Fate = 'passes' | 'cut_before' | 'cut_after'

export interface Losses {
  /** Called with each message and its protocol line. */
  readonly sent?: (message: string) => Fate
  /** Called with what the broker answers. True: the answer is lost, and so is the connection. */
  readonly answered?: (wire: string) => boolean
  /** Called when the connection was cut and the broker has read everything that was sent before. */
  readonly onCut?: () => void
}

export interface LossyProxy {
  /** Where to connect. */
  readonly servers: string
  close(): Promise<void>
}

export async function lossyProxy(port: number, losses: Losses): Promise<LossyProxy> {
  const sockets = new Set<Socket>()
  const server = createServer(near => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
    relay(near, far, losses)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: own } = server.address() as { port: number }
  return {
    servers: `nats://127.0.0.1:${own}`,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function relay(near: Socket, far: Socket, { sent, answered, onCut }: Losses): void {
  let read = Buffer.alloc(0)
  let isCut = false
  near.on('data', (chunk: Buffer) => {
    read = Buffer.concat([read, chunk])
    for (let end = endOfFrame(read); end !== undefined && !isCut; end = endOfFrame(read)) {
      const frame = read.subarray(0, end)
      read = read.subarray(end)
      const isMessage = frame.subarray(0, 5).toString('latin1') === 'HPUB '
      const fate = isMessage ? (sent?.(frame.toString('latin1')) ?? 'passes') : 'passes'
      if (fate !== 'cut_before') far.write(frame)
      if (fate === 'passes') continue
      isCut = true
      far.write('PING\r\n') // answered when everything before it was read
    }
  })
  far.on('data', (chunk: Buffer) => {
    const wire = chunk.toString('latin1')
    if (!isCut && answered?.(wire) !== true) near.write(chunk)
    else if (!isCut || wire.includes('PONG')) {
      near.destroy()
      onCut?.()
    }
  })
}

/** Where the first line ends, or the message that the line announces; undefined while it is incomplete. */
function endOfFrame(read: Buffer): number | undefined {
  const lineEnd = read.indexOf('\r\n')
  if (lineEnd < 0) return undefined
  const line = read.toString('latin1', 0, lineEnd)
  const payload = /^H?PUB /.test(line) ? Number(line.split(' ').at(-1)) + 2 : 0
  const end = lineEnd + 2 + payload
  return end <= read.length ? end : undefined
}
