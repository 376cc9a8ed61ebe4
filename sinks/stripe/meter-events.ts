// The connector to meter events of Stripe: one event per line of usage, with our key as its identifier. Stripe prices the quantities.
// Invariants:
// 1. Stripe cannot be asked for an event; of two with one identifier it keeps one, for at least a day. So a record is repeated
//    only while it is less than a day old, to the same customer and meter, and a person decides about an older one.
// 2. Accepted means taken in: Stripe judges events later and reports those that it cannot use by its own events.

import {
  type CheckOutcome,
  type Connector,
  type ConnectorRecord,
  type FindOutcome,
  type Placed,
  type PutOutcome,
  placeOf,
  type SentRecord,
} from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { pageMs } from '../http/limiter.js'
import { saysNothing } from '../http/sdk-fetch.js'
import { requestMs, StripeClient } from './client.js'
import type { StripeSettings } from './config.js'
import { meterEventOf, meterPlace } from './records.js'

/** An hour less than Stripe's day, for clocks that differ. */
const identifierLivesMs = 23 * 3_600_000

export class StripeMeterEvents implements Connector {
  readonly pageSize = 8
  readonly attemptMs: number
  readonly settlesWithinMs = 0
  readonly #settings: StripeSettings
  readonly #parts: ConnectorParts
  readonly #client: StripeClient

  constructor(settings: StripeSettings, parts: ConnectorParts) {
    this.#settings = settings
    this.#parts = parts
    this.#client = new StripeClient(settings, parts)
    this.attemptMs = pageMs(requestMs, this.pageSize, parts.rate)
  }

  check(signal: AbortSignal): Promise<CheckOutcome> {
    return this.#client.check(signal, stripe => stripe.billing.meters.list({ limit: 1 }))
  }

  put(records: readonly SentRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    return Promise.all(records.map(record => this.#putOne(record, signal)))
  }

  async place(record: ConnectorRecord): Promise<Placed> {
    return meterPlace(record, await this.#parts.mapping.of(record))
  }

  async find({ recordedAt, key }: ConnectorRecord): Promise<FindOutcome> {
    if (this.#parts.nowMs() - Date.parse(recordedAt) < identifierLivesMs) return { kind: 'repeatable' } // invariant 1
    const detail = `Stripe may have forgotten the identifier ${key}: look at the usage of the meter there`
    return { kind: 'unknown_yet', code: 'no_answer', detail }
  }

  async #putOne(record: SentRecord, signal: AbortSignal): Promise<PutOutcome> {
    const placed = await placeOf(this, record)
    if (placed.kind !== 'placed') return placed
    const made = meterEventOf(record, placed.place, this.#settings)
    if (made.kind !== 'ok') return made
    const called = await this.#client.call(signal, stripe => stripe.billing.meterEvents.create(made.params))
    if (called.kind === 'ok')
      return called.value.identifier === record.key
        ? { kind: 'accepted', externalId: record.key }
        : saysNothing(called.value)
    const { outcome } = called
    // The identifier is ours alone, so an event that has it is this one.
    const isThere = outcome.kind === 'refused' && /already exists|duplicate/i.test(outcome.detail)
    return isThere ? { kind: 'accepted', externalId: record.key } : outcome
  }
}
