// Brings the rows of `customers` in LEDGER to the store of identities.

import { tableFromIPC } from 'apache-arrow'
import type { FeedRange, Sink, SinkOutcome } from '../../sinks/sink.js'
import { brokerUnavailable } from '../broker/broker-outcome.js'
import type { CustomerIdentity, IdentityStore } from './identity-store.js'

/** Entries that are written at the same time. */
const atOnce = 64

export class IdentitiesSink implements Sink {
  readonly name = 'identities'
  readonly #store: Pick<IdentityStore, 'keep'>

  constructor(store: Pick<IdentityStore, 'keep'>) {
    this.#store = store
  }

  async apply({ messages }: FeedRange, signal: AbortSignal): Promise<SinkOutcome> {
    const latest = new Map<string, CustomerIdentity>()
    let rows = 0
    for (const { bytes, natsSubject } of messages) {
      if (!natsSubject.endsWith('.customers')) continue
      for (const identity of identitiesIn(bytes)) {
        rows += 1
        const before = latest.get(identity.customerId)
        if (before === undefined || before.eventTimeNs <= identity.eventTimeNs)
          latest.set(identity.customerId, identity)
      }
    }
    const all = [...latest.values()]
    try {
      for (let from = 0; from < all.length; from += atOnce) {
        signal.throwIfAborted()
        await Promise.all(all.slice(from, from + atOnce).map(one => this.#store.keep(one)))
      }
      return { kind: 'ok', rows }
    } catch (error) {
      return brokerUnavailable(error)
    }
  }
}

/** A message that no commit names comes without bytes. */
function identitiesIn(bytes: Uint8Array): CustomerIdentity[] {
  if (bytes.byteLength === 0) return []
  return tableFromIPC(bytes).batches.flatMap(batch => {
    const text = (name: string, row: number): string => String(batch.getChild(name)?.get(row) ?? '')
    // As the column keeps it: `get` makes milliseconds of it.
    const times = batch.getChild('event_time')?.data[0]?.values as BigInt64Array | undefined
    return Array.from({ length: batch.numRows }, (_, row): CustomerIdentity => {
      const ids = { crm: text('crm_id', row), billing: text('billing_id', row), erp: text('erp_id', row) }
      return {
        customerId: text('customer_id', row),
        ids: Object.fromEntries(Object.entries(ids).filter(([, id]) => id !== '')),
        eventTimeNs: times?.[row] ?? 0n,
        ledgerSequence: Number(batch.getChild('ledger_sequence')?.get(row) ?? 0),
      }
    })
  })
}
