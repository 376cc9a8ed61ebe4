// Indexes of the amended events, made from their map: which history is awaited for, which were moved to another customer of
// this partition, and which this step must place anew.
// Invariant: an index holds a key at most under the place where the event is now.

import { claimKey } from './claim-key.js'
import type { AmendedEvent } from './records.js'

export class AmendmentIndex {
  /** By customer: the events that are sought in the customer's history. */
  readonly #soughtOf = new Map<string, Set<string>>()
  /** By customer and identity of the place: the key of an event that was sent for another customer. */
  readonly #movedTo = new Map<string, string>()
  readonly #places = new Map<string, string>()
  /** The events that some amendment waits for. */
  readonly #awaited = new Set<string>()
  /** What the step has to settle. */
  readonly #unsettled = new Set<string>()
  /** No amendment came before this. */
  oldestMs = Number.POSITIVE_INFINITY

  put(key: string, amended: AmendedEvent): void {
    this.#forgetPlace(key)
    const { customerId, eventKey, isSought, placement } = amended
    this.oldestMs = Math.min(this.oldestMs, amended.arrivedAtMs)
    if (placement?.kind === 'placed' && placement.customerId !== customerId) {
      const place = claimKey(placement.customerId, eventKey)
      this.#movedTo.set(place, key)
      this.#places.set(key, place)
    }
    if (amended.waiting.length > 0) this.#awaited.add(key)
    else this.#awaited.delete(key)
    if (isSought) this.#sought(customerId).add(key)
    else this.#soughtOf.get(customerId)?.delete(key)
  }

  remove(key: string, { customerId }: AmendedEvent): void {
    this.#forgetPlace(key)
    this.#soughtOf.get(customerId)?.delete(key)
    this.#unsettled.delete(key)
    this.#awaited.delete(key)
  }

  awaited(): Iterable<string> {
    return this.#awaited
  }

  recomputeOldest(all: Iterable<AmendedEvent>): void {
    this.oldestMs = Number.POSITIVE_INFINITY
    for (const { arrivedAtMs } of all) this.oldestMs = Math.min(this.oldestMs, arrivedAtMs)
  }

  /** The key of the event of another customer that counts as this customer's under an identity. */
  movedTo(customerId: string, eventKey: string): string | undefined {
    return this.#movedTo.size === 0 ? undefined : this.#movedTo.get(claimKey(customerId, eventKey))
  }

  soughtOf(customerId: string): readonly string[] {
    return [...(this.#soughtOf.get(customerId) ?? [])]
  }

  unsettle(key: string): void {
    this.#unsettled.add(key)
  }

  takeUnsettled(): readonly string[] {
    if (this.#unsettled.size === 0) return none
    const keys = [...this.#unsettled]
    this.#unsettled.clear()
    return keys
  }

  #sought(customerId: string): Set<string> {
    const known = this.#soughtOf.get(customerId)
    if (known !== undefined) return known
    const made = new Set<string>()
    this.#soughtOf.set(customerId, made)
    return made
  }

  #forgetPlace(key: string): void {
    const place = this.#places.get(key)
    if (place === undefined) return
    this.#places.delete(key)
    if (this.#movedTo.get(place) === key) this.#movedTo.delete(place)
  }
}

const none: readonly string[] = []
