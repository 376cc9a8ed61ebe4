// The unsettled deliveries of a connection, built in memory from the steps of its log. No clock, no I/O.
// Invariants:
// 1. A delivery changes state only by `apply`, with a step that the log has stored, so the book is always
//    what a new process would read from the log.
// 2. A delivery that a process left in `sending` becomes `unclear`: the receiver may have taken the request.
// 3. The oldest message that an unsettled delivery needs is known, so that the next start reads from there.

import { type Delivery, isSettled } from '../../schemas/billing/delivery.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import type { SinkBacklog } from '../../sinks/sink.js'
import type { StepBody, StoredStep } from './delivery-log.js'
import { namesOf } from './record-order.js'
import { RecordSeries } from './record-series.js'

export interface OpenDelivery {
  readonly delivery: Delivery
  readonly record: ConnectorRecord
  readonly sourceSequence: number
  /** Sequence in DELIVERIES of the message that holds its document. */
  readonly documentSequence: number
  /** When it is to be sent or looked up next; epoch milliseconds. */
  readonly dueAtMs: number
  /** Look-ups without a result since it was sent. */
  readonly lookups: number
  /** It was sent while the connection was not in trouble; false where nobody knows that any more. */
  readonly isSentInPeace: boolean
}

type States = ReadonlySet<Delivery['state']>
type MayGo = (open: OpenDelivery) => boolean
const always: MayGo = () => true

export class DeliveryBook {
  readonly #open = new Map<string, OpenDelivery>()
  readonly #held = new Map<string, number>()
  /** The delivery of each name (record-order.ts). */
  readonly #named = new Map<string, string>()
  readonly #series = new RecordSeries()
  #takenUpTo = 0

  static of(steps: readonly StoredStep[]): DeliveryBook {
    const book = new DeliveryBook()
    for (const step of steps) book.apply(step)
    for (const [id, open] of book.#open) {
      if (open.delivery.state !== 'sending') continue
      book.#open.set(id, { ...open, delivery: { ...open.delivery, state: 'unclear' } }) // invariant 2
    }
    return book
  }

  get takenUpTo(): number {
    return this.#takenUpTo
  }

  get size(): number {
    return this.#open.size
  }

  backlog(): SinkBacklog {
    const byState: Record<string, number> = {}
    let oldestAtMs: number | undefined
    for (const { delivery, record } of this.#open.values()) {
      byState[delivery.state] = (byState[delivery.state] ?? 0) + 1
      if (delivery.state === 'held') continue // it waits on purpose
      const recordedAtMs = Date.parse(record.recordedAt)
      if (oldestAtMs === undefined || recordedAtMs < oldestAtMs) oldestAtMs = recordedAtMs
    }
    return { byState, heldBy: Object.fromEntries(this.#held), oldestAtMs }
  }

  get heldCount(): number {
    let count = 0
    for (const ofCode of this.#held.values()) count += ofCode
    return count
  }

  get(deliveryId: string): OpenDelivery | undefined {
    return this.#open.get(deliveryId)
  }

  /** What is not settled under this name. */
  named(name: string): OpenDelivery | undefined {
    const id = this.#named.get(name)
    return id === undefined ? undefined : this.#open.get(id)
  }

  apply(step: StoredStep): void {
    this.#takenUpTo = step.taken_up_to
    for (const { document, recorded_at, source_sequence, after, ...delivery } of step.changed) {
      const before = this.#open.get(delivery.delivery_id)
      this.#count(before?.delivery, -1)
      if (isSettled(delivery.state)) {
        this.#open.delete(delivery.delivery_id)
        if (before !== undefined) this.#series.remove(before.record, delivery.delivery_id)
        for (const name of before === undefined ? [] : namesOf(before.record))
          if (this.#named.get(name) === delivery.delivery_id) this.#named.delete(name)
      } else if (document !== undefined) {
        const { key } = delivery
        const recordedAt = recorded_at ?? delivery.at
        const record = {
          ...delivery.record,
          key,
          recordedAt,
          document,
          ...(after === undefined ? {} : { after }),
        }
        for (const name of namesOf(record)) this.#named.set(name, delivery.delivery_id)
        this.#series.add(record, delivery.delivery_id, source_sequence ?? 0)
        this.#open.set(delivery.delivery_id, {
          delivery,
          record,
          sourceSequence: source_sequence ?? 0,
          documentSequence: step.sequence,
          dueAtMs: 0,
          lookups: 0,
          isSentInPeace: false,
        })
      } else if (before !== undefined) {
        this.#open.set(delivery.delivery_id, { ...before, delivery, lookups: 0 })
      }
      this.#count(this.#open.get(delivery.delivery_id)?.delivery, 1)
    }
  }

  #count(delivery: Delivery | undefined, change: 1 | -1): void {
    if (delivery?.state !== 'held') return
    const code = delivery.held?.code ?? ''
    this.#held.set(code, (this.#held.get(code) ?? 0) + change)
  }

  /** Sets when the delivery is due next. */
  postpone(deliveryId: string, dueAtMs: number, lookups: number): void {
    const open = this.#open.get(deliveryId)
    if (open !== undefined) this.#open.set(deliveryId, { ...open, dueAtMs, lookups })
  }

  /** Says of a delivery that it was sent while the connection was in trouble, or not. */
  noteSending(deliveryId: string, isSentInPeace: boolean): void {
    const open = this.#open.get(deliveryId)
    if (open !== undefined) this.#open.set(deliveryId, { ...open, isSentInPeace })
  }

  /** Whether a newer record of its series was taken in. */
  isOutrun({ record, sourceSequence }: Pick<OpenDelivery, 'record' | 'sourceSequence'>): boolean {
    return this.#series.isOutrun(record, sourceSequence)
  }

  /** Whether an older record of its series is not settled. */
  hasOlder({ record, sourceSequence }: OpenDelivery): boolean {
    return this.#series.hasOlder(record, sourceSequence)
  }

  /** What is not to be sent any more, because a newer record of its series was taken in. */
  outrun(states: States): OpenDelivery[] {
    if (this.#series.isEmpty) return []
    return [...this.#open.values()].filter(open => states.has(open.delivery.state) && this.isOutrun(open))
  }

  /** The deliveries in one of these states that are due and may go, the oldest first. */
  due(states: States, nowMs: number, most: number, mayGo: MayGo = always): OpenDelivery[] {
    const found: OpenDelivery[] = []
    for (const open of this.#open.values()) {
      if (found.length === most) break
      if (states.has(open.delivery.state) && open.dueAtMs <= nowMs && mayGo(open)) found.push(open)
    }
    return found
  }

  /** When the next delivery in one of these states is due, of those that may go; undefined when there is none. */
  nextDueMs(states: States, mayGo: MayGo = always): number | undefined {
    let next: number | undefined
    for (const open of this.#open.values()) {
      const { delivery, dueAtMs } = open
      if (states.has(delivery.state) && (next === undefined || dueAtMs < next) && mayGo(open)) next = dueAtMs
    }
    return next
  }

  /** The step for these changes: how far the source is taken in, and from where the next start reads (invariant 3). */
  step(changed: StepBody['changed'], takenUpTo = this.#takenUpTo): StepBody {
    const settled = new Set(changed.filter(one => isSettled(one.state)).map(one => one.delivery_id))
    let replayFrom = 0
    for (const [id, { documentSequence }] of this.#open) {
      if (settled.has(id)) continue
      if (replayFrom === 0 || documentSequence < replayFrom) replayFrom = documentSequence
    }
    return { taken_up_to: takenUpTo, replay_from: replayFrom, changed }
  }
}
