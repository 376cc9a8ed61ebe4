// What the gate holds back of one connection: which records of a page may go, which held ones are free again, and which
// never leave. It asks and answers; the loop of the connection writes the log.
// Invariants:
// 1. Every record is asked for right before it would be sent, also one that was free before.
// 2. All records that are free again become `waiting` before any record is sent, so that they leave in the order in
//    which they came.

import type { Delivery } from '../../schemas/billing/delivery.js'
import type { OpenDelivery } from './delivery-book.js'
import type { Hold, RecordGate, Refusal } from './flow-gate.js'
import type { RecordOrder } from './record-order.js'
import { type RefusedDelivery, refusedDelivery } from './refused-deliveries.js'

/** What changes by the answers of the gate. */
export interface Answers {
  /** Held, free again, or refused, with the reason, for the log. */
  readonly changed: readonly Delivery[]
  /** Those of them that never leave: they are set aside before their change is in the log. */
  readonly refused: readonly RefusedDelivery[]
}

export class HeldDeliveries {
  readonly #gate: RecordGate
  readonly #order: RecordOrder
  readonly #connection: string
  /** When the held ones are asked for again; `-Infinity`: at once. */
  #askAgainMs = Number.NEGATIVE_INFINITY

  constructor(gate: RecordGate, order: RecordOrder, connection: string) {
    this.#gate = gate
    this.#order = order
    this.#connection = connection
  }

  /** After a change of the gate every held record is asked for again. Answers the function that ends the watch. */
  watch(onChange: () => void): () => void {
    this.askAgain()
    const changed = (): void => {
      this.askAgain()
      onChange()
    }
    const forget = [this.#gate.onChange(changed), this.#order.onChange(changed)]
    return () => {
      for (const end of forget) end()
    }
  }

  askAgain(): void {
    this.#askAgainMs = Number.NEGATIVE_INFINITY
  }

  /** When the next hold ends by itself; `Infinity`: none does. */
  get askAgainMs(): number {
    return this.#askAgainMs
  }

  /** What may not be sent of these; no change: all of them may. */
  async hold(page: readonly OpenDelivery[], at: string): Promise<Answers> {
    const changed: Delivery[] = []
    const refused: RefusedDelivery[] = []
    for (const open of page) {
      const answer = await this.#ask(open)
      if (answer === undefined) continue
      if ('isFinal' in answer) refuse(open, answer, at, { changed, refused })
      else changed.push(this.#heldBy(answer, open.delivery, at))
    }
    return { changed, refused }
  }

  /** The changes of what is held: free again, held for another reason, or refused. None when it is not time to ask. */
  async release(held: readonly OpenDelivery[], nowMs: number, at: string): Promise<Answers> {
    const changed: Delivery[] = []
    const refused: RefusedDelivery[] = []
    if (nowMs < this.#askAgainMs) return { changed, refused }
    this.#askAgainMs = Number.POSITIVE_INFINITY
    for (const open of held) {
      const { delivery } = open
      const answer = await this.#ask(open)
      if (answer === undefined) changed.push(freed(delivery, at))
      else if ('isFinal' in answer) refuse(open, answer, at, { changed, refused })
      else if (isOther(answer, delivery)) changed.push(this.#heldBy(answer, delivery, at))
      else this.#note(answer)
    }
    return { changed, refused }
  }

  async #ask(open: OpenDelivery): Promise<Hold | Refusal | undefined> {
    const { record, delivery } = open
    return this.#order.holdOf(open) ?? this.#gate.record(this.#connection, record, delivery.attempts)
  }

  #heldBy(hold: Hold, delivery: Delivery, at: string): Delivery {
    this.#note(hold)
    const { held } = delivery
    const would = held?.would === undefined || held.code !== hold.code ? {} : { would: held.would }
    return { ...delivery, state: 'held', at, held: { code: hold.code, detail: hold.detail, ...would } }
  }

  #note({ untilMs }: Hold): void {
    if (untilMs !== undefined) this.#askAgainMs = Math.min(this.#askAgainMs, untilMs)
  }
}

function refuse(
  open: OpenDelivery,
  { code, detail }: Refusal,
  at: string,
  answers: { readonly changed: Delivery[]; readonly refused: RefusedDelivery[] },
): void {
  answers.refused.push(refusedDelivery(open, { code, detail }))
  answers.changed.push({ ...open.delivery, state: 'refused', at, held: { code, detail } })
}

function freed({ held: _, ...delivery }: Delivery, at: string): Delivery {
  return { ...delivery, state: 'waiting', at }
}

function isOther({ code, detail }: Hold, { held }: Delivery): boolean {
  return held?.code !== code || held.detail !== detail
}
