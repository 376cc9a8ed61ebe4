// What an event without `data` reads as: its data is the empty object, so no path leads anywhere in it.
// Invariant: the columns and the hash are those of the same event with `data` written as `{}`.

import { hashNoData } from '../../../schemas/event/event-hash.js'
import { lanes } from '../../../schemas/word-hash.js'
import { layoutOfData, type ScanLayout } from './layout.js'
import { type Columns, valueKinds } from './scanned-events.js'

hashNoData()
const [hashFirst = 0, hashSecond = 0] = lanes

export class NoData {
  readonly #layout: ScanLayout
  readonly #columns: Columns

  constructor(layout: ScanLayout, columns: Columns) {
    this.#layout = layout
    this.#columns = columns
  }

  /** Notes it for the event under way, whose slots are empty. The hash of its data is then in `lanes`. */
  note(): void {
    const { nextSlot } = this.#layout
    const { count, slots, valueKind } = this.#columns
    for (let slot = this.#layout.slotAt(layoutOfData); slot !== -1; slot = nextSlot[slot]!) {
      valueKind[count * slots + slot] = valueKinds.other
    }
    lanes[0] = hashFirst
    lanes[1] = hashSecond
  }
}
