// Which customers were merged into which: few, kept in memory and current by a watch on the bucket `weir_identities`.

import type { WatchedKeys } from '../broker/watched-keys.js'
import { type Formers, keyOf, type Mapping, type MappingKey, wasKey } from './mapping-table.js'

/** A merge into a customer that was merged, and so on; the routes allow no circle. */
export const longestChain = 32

export class MergedCustomers {
  readonly #merges: WatchedKeys<Mapping>
  readonly #formers: WatchedKeys<Formers>
  #into: ReadonlyMap<string, string> | undefined
  #were: ReadonlyMap<string, readonly string[]> | undefined

  constructor(merges: WatchedKeys<Mapping>, formers: WatchedKeys<Formers>) {
    this.#merges = merges
    this.#formers = formers
    merges.onChange(() => {
      this.#into = undefined
    })
    formers.onChange(() => {
      this.#were = undefined
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

  /** Those that ever stood for one of these, themselves among them. */
  async everStandingFor(customers: readonly string[]): Promise<readonly string[]> {
    const [into] = await Promise.all([this.all(), this.#formers.ready])
    this.#were ??= new Map([...this.#formers.values()].map(one => [one.theirs, one.customers]))
    const were = this.#were
    const found = new Set(customers)
    for (const one of found) {
      const now = into.get(one)
      for (const next of [...(now === undefined ? [] : [now]), ...(were.get(one) ?? [])]) found.add(next)
    }
    return [...found]
  }

  /** Reads one again, so that what this process wrote counts at once. */
  async refresh(key: MappingKey): Promise<void> {
    await this.#formers.refresh(wasKey(key)) // first, so that no customer is missing from those that ever were
    await this.#merges.refresh(keyOf(key))
  }
}
