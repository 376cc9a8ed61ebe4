// The money at stake of a page of exceptions: what each event would owe under the nearest terms, or why that is not
// known; a record that a receiver refused is worth its own amount.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamManager } from '@nats-io/jetstream'
import { newAccumulator } from '../../../rating/charges/accumulator.js'
import type { ChargeBasis } from '../../../rating/periods/charge-basis.js'
import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { validateEvent } from '../../../schemas/event/cloud-event.js'
import type { ValidEvent } from '../../../schemas/event/usage-event.js'
import { parseDecimal, type Scaled } from '../../../schemas/money/decimal.js'
import { basisOf } from '../../core/rate/basis.js'
import type { KnownCatalog } from '../known-catalog.js'
import { originalsOf } from '../originals.js'
import type { Exception } from '../read-exceptions.js'
import { type ChargeToRead, type ChargeUsage, isSummed, readChargeUsage } from './charge-usage.js'
import { type CustomerTerms, TermsReader } from './customer-terms.js'
import { lenientReadings } from './lenient-readings.js'
import { nearestTerms, type PricedReading } from './nearest-terms.js'
import { stakeOf } from './stake-of-event.js'

export type AtStake =
  | { readonly kind: 'known'; readonly amount: Scaled; readonly currency: string }
  | { readonly kind: 'not_known'; readonly why: string }

/** An event with the prices that want it. */
interface Priced {
  readonly event: ValidEvent
  readonly priced: readonly (PricedReading & { readonly basis: ChargeBasis })[]
}

export class MoneyAtStake {
  readonly #clickhouse: ClickHouseClient
  readonly #jsm: JetStreamManager
  readonly #catalog: KnownCatalog
  readonly #terms: TermsReader

  constructor(clickhouse: ClickHouseClient, jsm: JetStreamManager, catalog: KnownCatalog) {
    this.#clickhouse = clickhouse
    this.#jsm = jsm
    this.#catalog = catalog
    this.#terms = new TermsReader(clickhouse, jsm)
  }

  /** By place in the list; the exceptions were read with their payload. */
  async of(exceptions: readonly Exception[]): Promise<readonly AtStake[]> {
    const catalog = await this.#catalog.index()
    const events = await this.#events(exceptions)
    const customers = new Set(events.flatMap(event => ('subject' in event ? [event.subject] : [])))
    const terms = await this.#terms.read([...customers], catalog)
    const priced = events.map(event => ('subject' in event ? pricedEvent(event, terms, catalog) : event))
    const usage = await readChargeUsage(this.#clickhouse, chargesOf(priced))
    return priced.map((one, index) => recordStake(exceptions[index]!) ?? eventStake(one, usage))
  }

  async #events(exceptions: readonly Exception[]): Promise<readonly (ValidEvent | AtStake)[]> {
    const originals = await originalsOf(this.#jsm, exceptions)
    return originals.map((original, index) => {
      const { code, eventType, firstAtMs } = exceptions[index]!
      if (eventType.startsWith('weir.')) return notKnown('it is no usage')
      if (code === 'conflicting_duplicate') return notKnown('another content of the event counts')
      if (original.kind !== 'event') return notKnown('the event cannot be read')
      const valid = validateEvent(original.value, firstAtMs)
      return valid.kind === 'ok'
        ? valid.value
        : notKnown(`its envelope is refused: ${valid.rejection.detail}`)
    })
  }
}

function pricedEvent(event: ValidEvent, terms: CustomerTerms, catalog: CatalogIndex): Priced | AtStake {
  const meters = catalog.metersOfType(event.type)
  if (meters.length === 0) return notKnown('no meter wants its type')
  const subscriptions = terms.get(event.subject)
  if (subscriptions === undefined) return notKnown('the terms of the customer cannot be read')
  const read = lenientReadings(event.data, meters)
  if (read.kind === 'not_known') return read
  if (read.readings.length === 0) return notKnown('no meter takes it')
  const { subscriptionId = '', timeNs } = event
  const nearest = nearestTerms({ timeNs, subscriptionId, readings: read.readings }, subscriptions)
  if (nearest.kind === 'not_known') return nearest
  return {
    event,
    priced: nearest.priced.map(one => ({ ...one, basis: basisOf(one.segment, catalog) })),
  }
}

/** Each charge once. */
function chargesOf(events: readonly (Priced | AtStake)[]): readonly ChargeToRead[] {
  const charges = new Map<string, ChargeToRead>()
  for (const event of events) {
    if (!('priced' in event)) continue
    for (const { segment, basis } of event.priced) {
      const { chargeId, line } = segment
      charges.set(chargeId, { chargeId, customerId: line.customerId, basis })
    }
  }
  return [...charges.values()]
}

function eventStake(event: Priced | AtStake, usage: ReadonlyMap<string, ChargeUsage>): AtStake {
  if (!('priced' in event)) return event
  let amount = 0n
  const currencies = new Set<string>()
  for (const one of event.priced) {
    const { segment, basis } = one
    const stake = stakeOf(event.event, one, basis, usage.get(segment.chargeId) ?? unused(basis))
    if (stake === undefined) return notKnown('its charge has more events than are read')
    amount += stake
    currencies.add(segment.line.currency)
  }
  const [currency = ''] = currencies
  return currencies.size > 1
    ? notKnown('it is priced in several currencies')
    : { kind: 'known', amount, currency }
}

function unused(basis: ChargeBasis): ChargeUsage {
  return isSummed(basis)
    ? { kind: 'total', total: 0n }
    : { kind: 'events', accumulator: newAccumulator(basis) }
}

/** Undefined for an event. */
function recordStake({ recordId, amount, currency }: Exception): AtStake | undefined {
  if (recordId === '') return undefined
  const parsed = parseDecimal(amount ?? '')
  return parsed.kind === 'ok' && currency !== ''
    ? { kind: 'known', amount: parsed.value, currency }
    : notKnown('the record has no amount')
}

function notKnown(why: string): Extract<AtStake, { kind: 'not_known' }> {
  return { kind: 'not_known', why }
}
