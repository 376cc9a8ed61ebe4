// Which record must wait for which: a correction and a release go after the record that they correct or release. Knows what
// a connection has not settled, by the names that others may use for it, and what it has refused.
// Invariants:
// 1. A record is sent when what it comes after is posted or written, or was never a record of this connection.
// 2. What comes after a refused record is held, until that one is mended or somebody lets it go out of order.
// 3. What comes after a discarded one is an exception of its own: nothing is sent, and nothing waits for ever, because of somebody's
//    word about another record.

import type { Delivery } from '../../schemas/billing/delivery.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import type { RefusedRecord } from '../../sinks/sink.js'
import { type Hold, originalDiscarded, type Refusal } from './flow-gate.js'
import { reopenedDelivery } from './refused-deliveries.js'

/** As the book of the connection keeps it (delivery-book.ts). */
interface Ordered {
  readonly delivery: Delivery
  readonly record: ConnectorRecord
}

interface Book {
  named(name: string): Ordered | undefined
}

type Named = Pick<ConnectorRecord, 'kind' | 'id' | 'document'>

/** Its id; of what posts or bills a charge also the charge. A release is not what posts it. */
export function namesOf({ kind, id, document }: Named): readonly string[] {
  const { charge_id: charge } = document
  return kind !== 'release' && typeof charge === 'string' && charge !== '' ? [id, charge] : [id]
}

export class RecordOrder {
  /** By each of its names. */
  readonly #refused = new Map<string, RefusedRecord>()
  readonly #listeners = new Set<() => void>()

  /** Forgets what it knew of refused records, and learns these. */
  learn(refused: readonly RefusedRecord[]): void {
    this.#refused.clear()
    for (const record of refused) this.refused(record)
  }

  refused(record: RefusedRecord): void {
    for (const name of namesOfRefused(record)) this.#refused.set(name, record)
  }

  /** It is refused no longer: what was held for it is asked for again. */
  mended(record: RefusedRecord): void {
    for (const name of namesOfRefused(record)) this.#refused.delete(name)
    for (const listener of this.#listeners) listener()
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Whether it waits for a record that is on its way. */
  waits({ delivery, record: { after } }: Ordered, book: Book): boolean {
    if (after === undefined || delivery.out_of_order === true) return false
    const first = book.named(after)
    if (first === undefined || first.delivery.delivery_id === delivery.delivery_id) return false
    return first.delivery.state !== 'written'
  }

  /** What was held is asked for again: some that were refused were discarded. */
  relearn(refused: readonly RefusedRecord[]): void {
    this.learn(refused)
    for (const listener of this.#listeners) listener()
  }

  holdOf({ delivery, record: { after } }: Ordered): Hold | Refusal | undefined {
    if (after === undefined || delivery.out_of_order === true) return undefined
    const refused = this.#refused.get(after)
    if (refused === undefined || refused.name === delivery.delivery_id) return undefined
    if (refused.discarded === true) {
      const detail = `it comes after ${after}, which was refused and discarded (delivery ${refused.name}): retry sends it all the same`
      return { isFinal: true, code: originalDiscarded, detail } // invariant 3
    }
    const detail = `it comes after ${after}, which was refused: ${refused.code} (delivery ${refused.name})`
    return { code: 'waits_for_record', detail }
  }
}

function namesOfRefused(record: RefusedRecord): readonly string[] {
  const delivery = reopenedDelivery(record)
  if (delivery === undefined) return []
  return namesOf({ ...delivery.record, document: delivery.document ?? {} })
}
