// Brings the rows of `customer_statuses` in LEDGER to the store.

import { tableFromIPC } from 'apache-arrow'
import type { Gate } from '../../schemas/lifecycle/gates.js'
import type { FeedRange, Sink, SinkOutcome } from '../../sinks/sink.js'
import { brokerUnavailable } from '../broker/broker-outcome.js'
import type { StatusStore } from './status-store.js'
import type { ToldStatus } from './statuses.js'

const atOnce = 64

export class StatusesSink implements Sink {
  readonly name = 'gates'
  readonly #store: Pick<StatusStore, 'keep'>

  constructor(store: Pick<StatusStore, 'keep'>) {
    this.#store = store
  }

  async apply({ messages }: FeedRange, signal: AbortSignal): Promise<SinkOutcome> {
    const byCustomer = new Map<string, ToldStatus[]>()
    let rows = 0
    for (const { bytes, natsSubject } of messages) {
      if (!natsSubject.endsWith('.customer_statuses')) continue
      for (const { customerId, ...status } of statusesIn(bytes)) {
        rows += 1
        byCustomer.set(customerId, [...(byCustomer.get(customerId) ?? []), status])
      }
    }
    const all = [...byCustomer]
    try {
      for (let from = 0; from < all.length; from += atOnce) {
        signal.throwIfAborted()
        await Promise.all(all.slice(from, from + atOnce).map(one => this.#store.keep(...one)))
      }
      return { kind: 'ok', rows }
    } catch (error) {
      return brokerUnavailable(error)
    }
  }
}

/** A message that no commit names comes without bytes. */
export function statusesIn(bytes: Uint8Array): (ToldStatus & { readonly customerId: string })[] {
  if (bytes.byteLength === 0) return []
  return tableFromIPC(bytes).batches.flatMap(batch => {
    const text = (name: string, row: number): string => String(batch.getChild(name)?.get(row) ?? '')
    // As the columns keep them: `get` makes milliseconds of them.
    const instants = (name: string) => batch.getChild(name)?.data[0]?.values as BigInt64Array | undefined
    const [times, ends] = [instants('event_time'), instants('until')]
    return Array.from({ length: batch.numRows }, (_, row) => ({
      customerId: text('customer_id', row),
      gate: text('gate', row) as Gate,
      status: text('status', row),
      at: String(times?.[row] ?? 0n),
      until: batch.getChild('until')?.get(row) == null ? null : String(ends?.[row] ?? 0n),
      source: text('event_source', row),
      id: text('event_id', row),
      reason: text('reason', row),
      reference: text('reference', row),
    }))
  })
}
