// What is owed here, rated from the files of an import by the core that the workers run, without a broker. It also rates one
// customer's usage as it would be if something about it were otherwise, which is how reasons are tried.

import type { Charge } from '../../../schemas/billing/charge.js'
import { longestDaysOf } from '../../../schemas/catalog/billing-period.js'
import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import { stringifyJson } from '../../../schemas/json/json-text.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import { msOf, nsOf } from '../../../schemas/time.js'
import { type SimulateResult, simulate } from '../../simulate/simulate.js'
import { groupedBy } from '../export-files.js'
import type { ImportedEvent, Period } from '../imported.js'

export interface OwedKey {
  readonly customer: string
  readonly subscription: string
  readonly price: string
  readonly currency: string
}

export function keyOf({ customer, subscription, price, currency }: OwedKey): string {
  return compositeKey(customer, subscription, price, currency)
}

export interface OwedTotal {
  readonly quantity: Scaled
  readonly exact: Scaled
  readonly rounded: Scaled
  readonly charges: readonly Charge[]
}

export class OurSide {
  readonly catalog: Catalog
  readonly period: Period
  /** Events that were not rated, with why. */
  readonly deadLetters: SimulateResult['deadLetters']
  readonly #lifecycle: ReadonlyMap<string, readonly ImportedEvent[]>
  readonly #usage: ReadonlyMap<string, readonly ImportedEvent[]>
  readonly #owed: ReadonlyMap<string, readonly Charge[]>
  readonly #asOfNs: bigint

  constructor(
    catalog: Catalog,
    lifecycle: readonly ImportedEvent[],
    usage: readonly ImportedEvent[],
    period: Period,
  ) {
    this.catalog = catalog
    this.period = period
    this.#lifecycle = groupedBy(lifecycle, ({ subject }) => subject)
    this.#usage = groupedBy(usage, ({ subject }) => subject)
    this.#asOfNs = period.untilNs + nsOf((longestDaysOf(catalog.plans) + 1) * 86_400_000)
    const all = this.#simulate([...lifecycle, ...usage])
    this.deadLetters = all.deadLetters
    this.#owed = this.#byKey(all.charges)
  }

  owed(): ReadonlyMap<string, readonly Charge[]> {
    return this.#owed
  }

  usageOf(customer: string): readonly ImportedEvent[] {
    return this.#usage.get(customer) ?? []
  }

  subscriptionsOf(customer: string): readonly ImportedEvent[] {
    return (this.#lifecycle.get(customer) ?? []).filter(({ type }) => type.startsWith('weir.subscription.'))
  }

  /** What a key would owe with this usage of its customer. */
  rated(key: OwedKey, usage: readonly ImportedEvent[]): OwedTotal {
    const { charges } = this.#simulate([...(this.#lifecycle.get(key.customer) ?? []), ...usage])
    return totalOf(this.#byKey(charges).get(keyOf(key)) ?? [])
  }

  #simulate(events: readonly ImportedEvent[]): SimulateResult {
    const body = Buffer.from(events.map(event => `${stringifyJson(event)}\n`).join(''))
    return simulate({
      catalog: this.catalog,
      bodies: [body],
      asOfNs: this.#asOfNs,
      nowMs: msOf(this.#asOfNs),
    })
  }

  #byKey(charges: readonly Charge[]): ReadonlyMap<string, readonly Charge[]> {
    const { fromNs, untilNs } = this.period
    return chargesByKey(charges.filter(charge => charge.fromNs >= fromNs && charge.fromNs < untilNs))
  }
}

export function chargesByKey(charges: readonly Charge[]): ReadonlyMap<string, readonly Charge[]> {
  return groupedBy(charges, charge => keyOf(keyOfCharge(charge)))
}

export function keyOfCharge({ customerId, subscriptionId, price, currency }: Charge): OwedKey {
  return { customer: customerId, subscription: subscriptionId, price, currency }
}

export function totalOf(charges: readonly Charge[]): OwedTotal {
  let [quantity, exact, rounded] = [0n, 0n, 0n]
  for (const charge of charges) {
    quantity += charge.quantity
    exact += charge.amount
    rounded += charge.amountRounded
  }
  return { quantity, exact, rounded, charges }
}
