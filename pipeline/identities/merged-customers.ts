// Which customers were merged into which: few, kept in memory and current by a watch on the bucket `weir_identities`.

import type { WatchedKeys } from '../broker/watched-keys.js'
import type { Mapping } from './mapping-table.js'

/** A merge into a customer that was merged, and so on; the routes allow no circle. */
const longestChain = 32

export class MergedCustomers {
  readonly #merges: WatchedKeys<Mapping>
  #into: ReadonlyMap<string, string> | undefined

  constructor(merges: WatchedKeys<Mapping>) {
    this.#merges = merges
    merges.onChange(() => {
      this.#into = undefined
    })
  }

  /** The customer that stands for this one; itself where it was not merged. */
  async standingFor(customerId: string): Promise<string> {
    const into = await this.all()
    let at = customerId
    for (let step = 0; step < longestChain; step += 1) {
      const next = into.get(at)
      if (next === undefined) return at
      at = next
    }
    return at
  }

  /** Into which customer each was merged. */
  async all(): Promise<ReadonlyMap<string, string>> {
    await this.#merges.ready
    this.#into ??= new Map([...this.#merges.values()].map(({ theirs, ours }) => [theirs, ours]))
    return this.#into
  }

  /** Reads one again, so that what this process wrote counts at once. */
  async refresh(key: string): Promise<void> {
    await this.#merges.refresh(key)
  }
}
