// Passes memory between threads by transfer instead of copying, and frees memory without the garbage collector.

import { MessageChannel } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'

type Movable = Parameters<typeof move>[0]

/** `value` as the result of a task; `buffers` are given up to the main thread. */
export function transfer(value: unknown, buffers: readonly ArrayBuffer[]): unknown {
  const unique = [...new Set(buffers)] // a buffer may be named only once
  const symbols = { transferable: transferableSymbol as symbol, value: valueSymbol as symbol }
  return move({ [symbols.transferable]: unique, [symbols.value]: value } as unknown as Movable)
}

/** A port whose other end is closed: what is transferred to it is gone. */
const nowhere = new MessageChannel()
nowhere.port2.close()

/**
 * Frees the memory of these bytes now; they are empty afterwards. Bytes that share their memory are left alone. Megabytes
 * that wait for the collector make it come early, and mark a heap in which nothing else has changed.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (!(buffer instanceof ArrayBuffer) || bytes.byteLength !== buffer.byteLength || buffer.byteLength === 0)
    return
  nowhere.port1.postMessage(undefined, [buffer])
}
