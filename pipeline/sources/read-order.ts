// The order of documents that are read of one object: the second in which each was read, by the source's clock. Two that differ
// and have the same second are told apart by reading once more.

import { pauseFor } from '../broker/back-off.js'
import type { ArrivalDraft } from './source-kind.js'

export interface ReadDocument {
  /** Which object it is. */
  readonly key: string
  /** The source's time before it was read. */
  readonly atMs: number
  readonly draft: ArrivalDraft
}

const againMs = 1_000
const keptMost = 10_000

export class ReadOrder {
  readonly #last = new Map<string, { readonly second: number; readonly id: string }>()

  async read(
    documents: () => Promise<readonly ReadDocument[]>,
    signal: AbortSignal,
  ): Promise<readonly ArrivalDraft[]> {
    for (;;) {
      const found = await documents()
      const isUnsure = found.some(({ key, atMs, draft }) => {
        const last = this.#last.get(key)
        return last !== undefined && last.id !== draft.id && last.second >= secondOf(atMs)
      })
      if (isUnsure && !signal.aborted) {
        await pauseFor(againMs, signal)
        continue
      }
      for (const { key, atMs, draft } of found) this.#keep(key, secondOf(atMs), draft.id)
      return found.map(({ draft }) => draft)
    }
  }

  #keep(key: string, second: number, id: string): void {
    this.#last.delete(key)
    this.#last.set(key, { second, id })
    const [oldest] = this.#last.keys()
    if (this.#last.size > keptMost && oldest !== undefined) this.#last.delete(oldest)
  }
}

function secondOf(ms: number): number {
  return Math.floor(ms / 1000)
}
