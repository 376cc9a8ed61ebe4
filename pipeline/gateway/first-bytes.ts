// Looks at the first bytes of a request's body and puts them back, so that whoever reads the body has all of it.
// Invariant: no byte is lost or moved; whoever sends none for a while is left to the deadlines of the body's reader.

import type { Readable } from 'node:stream'

const waitMs = 5_000

/** The bytes that have come first, as the network cut them; empty when there is no body, or when it is compressed. */
export function firstBytes(body: Readable): Promise<Buffer> {
  return new Promise(resolve => {
    const settle = (bytes: Buffer) => {
      clearTimeout(timer)
      body.off('readable', look).off('end', none).off('close', none).off('error', none)
      resolve(bytes)
    }
    const none = () => settle(Buffer.alloc(0))
    const look = () => {
      const bytes: unknown = body.read()
      if (!Buffer.isBuffer(bytes)) return
      body.unshift(bytes)
      settle(bytes)
    }
    const timer = setTimeout(none, waitMs)
    body.on('readable', look).on('end', none).on('close', none).on('error', none)
  })
}
