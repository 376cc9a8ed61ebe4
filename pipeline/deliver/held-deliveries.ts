// What the flow gate holds back of one connection: which records of a page may go, and which held ones are free
// again. It asks and answers; the loop of the connection writes the log.
// Invariants:
// 1. Every record is asked for right before it would be sent, also one that was free before.
// 2. All records that are free again become `waiting` before any record is sent, so that they leave in the order in
//    which they came.

import type { Delivery } from '../../schemas/billing/delivery.js'
import type { OpenDelivery } from './delivery-book.js'
import type { FlowGate, Hold } from './flow-gate.js'

export interface Sorted {
  readonly free: readonly OpenDelivery[]
  /** With the reason, for the log. */
  readonly held: readonly Delivery[]
}

export class HeldDeliveries {
  readonly #gate: FlowGate
  readonly #connection: string
  /** When the held ones are asked for again; `-Infinity`: at once. */
  #askAgainMs = Number.NEGATIVE_INFINITY

  constructor(gate: FlowGate, connection: string) {
    this.#gate = gate
    this.#connection = connection
  }

  /** After a change of the gate every held record is asked for again. Answers the function that ends the watch. */
  watch(onChange: () => void): () => void {
    this.#askAgainMs = Number.NEGATIVE_INFINITY
    return this.#gate.onChange(() => {
      this.#askAgainMs = Number.NEGATIVE_INFINITY
      onChange()
    })
  }

  /** When the next hold ends by itself; `Infinity`: none does. */
  get askAgainMs(): number {
    return this.#askAgainMs
  }

  /** Which of these may be sent now. */
  async sort(page: readonly OpenDelivery[], at: string): Promise<Sorted> {
    const free: OpenDelivery[] = []
    const held: Delivery[] = []
    for (const open of page) {
      const hold = await this.#gate.record(this.#connection, open.record)
      if (hold === undefined) free.push(open)
      else held.push(this.#heldBy(hold, open.delivery, at))
    }
    return { free, held }
  }

  /** The changes of what is held: free again, or held for another reason. None when it is not time to ask. */
  async changes(held: readonly OpenDelivery[], nowMs: number, at: string): Promise<readonly Delivery[]> {
    if (nowMs < this.#askAgainMs) return []
    this.#askAgainMs = Number.POSITIVE_INFINITY
    const changed: Delivery[] = []
    for (const { delivery, record } of held) {
      const hold = await this.#gate.record(this.#connection, record)
      if (hold === undefined) changed.push(freed(delivery, at))
      else if (isOther(hold, delivery)) changed.push(this.#heldBy(hold, delivery, at))
      else this.#note(hold)
    }
    return changed
  }

  #heldBy(hold: Hold, delivery: Delivery, at: string): Delivery {
    this.#note(hold)
    return { ...delivery, state: 'held', at, held: { code: hold.code, detail: hold.detail } }
  }

  #note({ untilMs }: Hold): void {
    if (untilMs !== undefined) this.#askAgainMs = Math.min(this.#askAgainMs, untilMs)
  }
}

function freed({ held: _, ...delivery }: Delivery, at: string): Delivery {
  return { ...delivery, state: 'waiting', at }
}

function isOther({ code, detail }: Hold, { held }: Delivery): boolean {
  return held?.code !== code || held.detail !== detail
}
