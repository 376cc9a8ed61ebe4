// How a task's result tells Piscina to transfer its buffers instead of copying them.

import { move, transferableSymbol, valueSymbol } from 'piscina'

type Movable = Parameters<typeof move>[0]

/** `value` as the result of a task; `buffers` are given up to the main thread. */
export function transfer(value: unknown, buffers: readonly ArrayBuffer[]): unknown {
  const unique = [...new Set(buffers)] // a buffer may be named only once
  const symbols = { transferable: transferableSymbol as symbol, value: valueSymbol as symbol }
  return move({ [symbols.transferable]: unique, [symbols.value]: value } as unknown as Movable)
}
