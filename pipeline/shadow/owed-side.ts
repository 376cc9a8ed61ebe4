// One side of a comparison: what each customer owes for the service periods that begin in a stretch, computed from a
// state, or as another build told it.

import { type Charge, chargeFromWire, chargeToWire } from '../../schemas/billing/charge.js'
import { chargesOwed } from '../core/billing/owed.js'
import type { PartitionState } from '../core/state/partition-state.js'
import { PriceBook } from '../core/state/price-book.js'
import type { ChargesPage, Stretch } from './replay-protocol.js'

export interface OwedSide {
  customerIds(): Iterable<string>
  owed(customerId: string): readonly Charge[]
}

export class OwedByState implements OwedSide {
  readonly #state: PartitionState
  readonly #stretch: Stretch
  #book: PriceBook | undefined

  constructor(state: PartitionState, stretch: Stretch) {
    this.#state = state
    this.#stretch = stretch
  }

  customerIds(): Iterable<string> {
    return this.#state.maps.customers.keys()
  }

  owed(customerId: string): readonly Charge[] {
    this.#book ??= new PriceBook(this.#state)
    const { fromNs, untilNs } = this.#stretch
    return chargesOwed(this.#state, this.#book, customerId, untilNs).filter(charge => charge.fromNs >= fromNs)
  }
}

export class OwedAsTold implements OwedSide {
  readonly #charges = new Map<string, Charge[]>()

  /** Whole lines of JSON, each a charge. */
  take(lines: Uint8Array): void {
    for (const text of Buffer.from(lines).toString('utf8').split('\n')) {
      if (text === '') continue
      const parsed = chargeFromWire(JSON.parse(text))
      if (parsed.kind === 'rejected') throw new Error(`${text} is no charge: ${parsed.rejection.detail}`)
      const { customerId } = parsed.value
      const known = this.#charges.get(customerId)
      if (known === undefined) this.#charges.set(customerId, [parsed.value])
      else known.push(parsed.value)
    }
  }

  customerIds(): Iterable<string> {
    return this.#charges.keys()
  }

  owed(customerId: string): readonly Charge[] {
    return this.#charges.get(customerId) ?? []
  }
}

/** Tells what a state owes, page by page, as lines that `OwedAsTold` takes. */
export class OwedLines {
  readonly #side: OwedSide
  readonly #customers: Iterator<string>

  constructor(state: PartitionState, stretch: Stretch) {
    this.#side = new OwedByState(state, stretch)
    const { customerId } = stretch
    const ids = customerId === undefined ? [...this.#side.customerIds()].sort() : [customerId]
    this.#customers = ids.values()
  }

  page(linesEach: number): ChargesPage {
    const lines: string[] = []
    while (lines.length < linesEach) {
      const { value: customerId, done } = this.#customers.next()
      if (done === true) return { lines: bytesOf(lines), isLast: true }
      for (const charge of this.#side.owed(customerId)) lines.push(JSON.stringify(chargeToWire(charge)))
    }
    return { lines: bytesOf(lines), isLast: false }
  }
}

function bytesOf(lines: readonly string[]): Uint8Array {
  return Uint8Array.from(Buffer.from(lines.map(line => `${line}\n`).join('')))
}
