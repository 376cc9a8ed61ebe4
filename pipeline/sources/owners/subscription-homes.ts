// The customer under which sources told a subscription first. A subscription lives in one partition, with its customer: told
// under another one it would be there twice, and bill twice.
// Invariant: a home is on disk before the first change of its subscription is published, and never changes.

import type { KV } from '@nats-io/kv'
import { writeOver } from '../../broker/wrong-revision.js'
import { arrivalToken } from '../arrival-log.js'

const cacheMost = 10_000

export class SubscriptionHomes {
  readonly #kv: KV
  readonly #cache = new Map<string, string>()

  constructor(kv: KV) {
    this.#kv = kv
  }

  /** The home of a subscription; `customerId` where it had none. */
  async of(subscriptionId: string, customerId: string): Promise<string> {
    const cached = this.#cache.get(subscriptionId)
    if (cached !== undefined) return cached
    const key = `home.${arrivalToken(subscriptionId)}`
    for (;;) {
      const entry = await this.#kv.get(key)
      const isThere = entry !== null && entry.operation === 'PUT'
      const home = isThere ? entry.string() : customerId
      if (!isThere && !(await writeOver(this.#kv, key, home, entry?.revision ?? 0))) continue
      this.#cache.set(subscriptionId, home)
      const [oldest] = this.#cache.keys()
      if (this.#cache.size > cacheMost && oldest !== undefined) this.#cache.delete(oldest)
      return home
    }
  }
}
