// Indexes of added charges and their cancellations, made from their maps: whose they are, and which wait.

import type { AddedCharge, CancelledCharge } from './records.js'

export class AddedChargeIndex {
  readonly #ofCustomer = new Map<string, Set<string>>()
  /** Keys of charges whose subscription is not known yet. */
  readonly parked = new Set<string>()
  /** Keys of cancellations whose charge has not come yet. */
  readonly awaited = new Set<string>()

  of(customerId: string): Iterable<string> {
    return this.#ofCustomer.get(customerId) ?? []
  }

  put(key: string, { charge, state }: AddedCharge): void {
    const keys = this.#ofCustomer.get(charge.customerId)
    if (keys === undefined) this.#ofCustomer.set(charge.customerId, new Set([key]))
    else keys.add(key)
    if (state.kind === 'parked') this.parked.add(key)
    else this.parked.delete(key)
  }

  remove(key: string, { charge }: AddedCharge): void {
    this.#ofCustomer.get(charge.customerId)?.delete(key)
    this.parked.delete(key)
  }

  putCancelled(key: string, { waiting }: CancelledCharge): void {
    if (waiting.length > 0) this.awaited.add(key)
    else this.awaited.delete(key)
  }
}
