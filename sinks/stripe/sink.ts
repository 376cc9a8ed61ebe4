// The connector to invoice items of Stripe: one item per line of a billing batch, with our key in its metadata.
// Invariants:
// 1. An item is found again by its metadata among those of its customer, however old it is. The Idempotency-Key is a second guard
//    for the minutes around an attempt, and not what delivery rests on.
// 2. Stripe answers a repeated Idempotency-Key for a day with what it answered first, errors too. So the key changes with the
//    parameters and every ten minutes, and what was stored is asked again at once with another: what refused may be
//    mended, and a record whose request failed there comes again only when a look-up did not find it.

import type { Stripe } from 'stripe'
import { stableId } from '../../schemas/identifiers.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import {
  type CheckOutcome,
  type Connector,
  type ConnectorRecord,
  type DocumentRange,
  type FindOutcome,
  type Placed,
  type PutOutcome,
  placeOf,
  type ReceiverDocument,
  type SentRecord,
} from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { pageMs } from '../http/limiter.js'
import { unknownYet } from '../http/outcome.js'
import { saysNothing } from '../http/sdk-fetch.js'
import { scaledOfStripe } from './amount.js'
import { requestMs, StripeClient } from './client.js'
import type { StripeSettings } from './config.js'
import { connectionName, dateName, invoiceItemOf, keyName } from './records.js'

const itemsOfPage = 100
const daySeconds = 86_400

export class StripeInvoiceItems implements Connector {
  readonly pageSize = 8
  /** How long an idempotency key counts before it is made anew: what a receiver stored under it is then asked again. */
  readonly keyLivesMs = 600_000
  readonly attemptMs: number
  readonly settlesWithinMs = 2 * 60_000
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
    return this.#client.check(signal, stripe => stripe.invoiceItems.list({ limit: 1 }))
  }

  put(records: readonly SentRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    return Promise.all(records.map(record => this.#putOne(record, signal)))
  }

  /** Items are listed by customer, which a mapping may change later. */
  async place(record: ConnectorRecord): Promise<Placed> {
    const mapping = await this.#parts.mapping.of(record)
    const customer = mapping.customer()
    return mapping.refusal() ?? { kind: 'placed', place: { customer } }
  }

  async find(record: SentRecord, signal: AbortSignal): Promise<FindOutcome> {
    const placed = await placeOf(this, record)
    if (placed.kind !== 'placed') return unknownYet(placed)
    const customer = placed.place['customer'] ?? ''
    // Ours was made after the batch was sealed; a day for clocks that differ.
    const since = Math.floor(Date.parse(record.recordedAt) / 1_000) - daySeconds
    const called = await this.#client.call(signal, async stripe => {
      for await (const item of stripe.invoiceItems.list({
        customer,
        created: { gte: since },
        limit: itemsOfPage,
      }))
        if (item.metadata?.[keyName] === record.key) return item
      return undefined
    })
    if (called.kind === 'failed') return unknownYet(called.outcome)
    if (called.value === undefined) return { kind: 'absent' }
    return { kind: 'there', externalId: called.value.id, state: 'posted' }
  }

  /** Items are listed by when they were made, which is not before their accounting date. */
  async *documents({ from, until }: DocumentRange, signal: AbortSignal): AsyncGenerator<ReceiverDocument> {
    const since = Date.parse(from) / 1_000 - daySeconds
    const called = await this.#client.call(signal, async stripe => {
      const ours: Stripe.InvoiceItem[] = []
      for await (const item of stripe.invoiceItems.list({ created: { gte: since }, limit: itemsOfPage }))
        if (item.metadata?.[connectionName] === this.#parts.connection) ours.push(item)
      return ours
    })
    if (called.kind === 'failed')
      throw new Error('detail' in called.outcome ? called.outcome.detail : called.outcome.kind)
    for (const { id, metadata, currency, amount } of called.value) {
      const date = metadata?.[dateName] ?? ''
      if (date < from || date > until) continue
      yield {
        key: metadata?.[keyName] ?? '',
        externalId: id,
        state: 'posted',
        date,
        currency: currency.toUpperCase(),
        debit: formatScaled(scaledOfStripe(amount, currency.toUpperCase())),
      }
    }
  }

  async #putOne(record: SentRecord, signal: AbortSignal): Promise<PutOutcome> {
    const { mapping, connection, nowMs } = this.#parts
    const { discountable } = this.#settings
    const placed = await placeOf(this, record)
    if (placed.kind !== 'placed') return placed
    const customer = placed.place['customer'] ?? ''
    const made = invoiceItemOf(record, await mapping.of(record), customer, { discountable, connection })
    if (made.kind !== 'ok') return made
    const { params } = made
    const create = (...parts: readonly number[]) => {
      const idempotencyKey = stableId('weir', JSON.stringify(params), ...parts)
      return this.#client.call(signal, stripe => stripe.invoiceItems.create(params, { idempotencyKey }))
    }
    const tenMinutes = Math.floor(nowMs() / this.keyLivesMs)
    let called = await create(tenMinutes)
    if (called.kind === 'failed' && called.isReplayed) called = await create(tenMinutes, nowMs()) // invariant 2
    if (called.kind === 'failed') return called.outcome
    const { id } = called.value
    return typeof id === 'string' ? { kind: 'accepted', externalId: id } : saysNothing(called.value)
  }
}
