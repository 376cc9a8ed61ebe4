// The customer under which sources told something first: a subscription, and each event that counts again when it is told under
// another customer. Who is meant by an id changes (a merge, a split, a moved id, another mapping file, other metadata at the
// source), and each customer lives in a partition that knows nothing of what the others took.
// Invariants:
// 1. A home is on disk before what has it is published, and is the same for ever after; that of an event for as long as a
//    partition takes the event: what is older than the dedupe horizon is refused.
// 2. Of an event that was refused the home is given up, so that it can be mended and told under another customer.

import type { KV } from '@nats-io/kv'
import { isWrongRevision } from '../../broker/wrong-revision.js'
import { arrivalToken } from '../arrival-log.js'

export interface Homes {
  /** The home of a subscription; `customerId` where it had none. */
  ofSubscription(id: string, customerId: string): Promise<string>
  ofEvent(source: string, id: string, customerId: string): Promise<string>
}

const cacheMost = 10_000
const daySeconds = 86_400
const markerTtl = '60s'

export class CustomerHomes implements Homes {
  readonly #kv: KV
  readonly #eventTtl: string
  readonly #subscriptions = new Map<string, string>()

  constructor(kv: KV, dedupeHorizonDays: number) {
    this.#kv = kv
    // An event may be a little ahead of its arrival.
    this.#eventTtl = `${(dedupeHorizonDays + 1) * daySeconds}s`
  }

  async ofSubscription(id: string, customerId: string): Promise<string> {
    const cached = this.#subscriptions.get(id)
    if (cached !== undefined) return cached
    const home = await this.#first(subscriptionKey(id), customerId)
    this.#subscriptions.set(id, home)
    const [oldest] = this.#subscriptions.keys()
    if (this.#subscriptions.size > cacheMost && oldest !== undefined) this.#subscriptions.delete(oldest)
    return home
  }

  ofEvent(source: string, id: string, customerId: string): Promise<string> {
    return this.#first(eventKey(source, id), customerId, this.#eventTtl)
  }

  async giveUpEvent(source: string, id: string): Promise<void> {
    const key = eventKey(source, id)
    if ((await this.#read(key)) !== undefined) await this.#kv.purge(key, { ttl: markerTtl }) // invariant 2
  }

  /** The homes as they are, for whoever only looks: nothing gets one. */
  readOnly(): Homes {
    return {
      ofSubscription: async (id, customerId) => (await this.#read(subscriptionKey(id))) ?? customerId,
      ofEvent: async (source, id, customerId) => (await this.#read(eventKey(source, id))) ?? customerId,
    }
  }

  async #first(key: string, customerId: string, ttl?: string): Promise<string> {
    for (;;) {
      try {
        await this.#kv.create(key, customerId, ttl) // one way to the broker, for what is new most of the time
        return customerId
      } catch (error) {
        if (!isWrongRevision(error)) throw error
      }
      const home = await this.#read(key)
      if (home !== undefined) return home
    }
  }

  async #read(key: string): Promise<string | undefined> {
    const entry = await this.#kv.get(key)
    return entry !== null && entry.operation === 'PUT' ? entry.string() : undefined
  }
}

function subscriptionKey(id: string): string {
  return `home.${arrivalToken(id)}`
}

function eventKey(source: string, id: string): string {
  return `told.${arrivalToken(JSON.stringify([source, id]))}`
}
