// Compares what is owed by two sides, charge by charge, and writes the differences as lines of JSON: by charge, by customer
// and by price.
// Invariants: amounts are exact; a line of a customer or a price adds up all of its charges in the stretch, those that do
// not differ too.

import type { Charge } from '../../schemas/billing/charge.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { formatScaled, type Scaled } from '../../schemas/money/decimal.js'
import { formatInstant } from '../../schemas/time.js'

interface Sums {
  charges: number
  changed: number
  before: Scaled
  after: Scaled
  roundedBefore: Scaled
  roundedAfter: Scaled
}

interface PriceSums extends Sums {
  readonly plan: string
  readonly price: string
  readonly currency: string
}

export class ChargeDifferences {
  readonly #prices = new Map<string, PriceSums>()
  #lines: string[] = []

  get lines(): number {
    return this.#lines.length
  }

  /** The charges of one customer on both sides. */
  compare(before: readonly Charge[], after: readonly Charge[]): void {
    const mine = new Map<string, Sums>()
    const later = new Map(after.map(charge => [keyOf(charge), charge]))
    for (const charge of before) {
      const key = keyOf(charge)
      this.#compareCharge(charge, later.get(key), mine)
      later.delete(key)
    }
    for (const charge of later.values()) this.#compareCharge(undefined, charge, mine)
    const customerId = before[0]?.customerId ?? after[0]?.customerId ?? ''
    for (const [currency, sums] of mine) {
      if (sums.changed === 0) continue
      this.#write({ by: 'customer', customer_id: customerId, currency, ...wireOf(sums) })
    }
  }

  takeLines(): Uint8Array {
    const bytes = Buffer.from(this.#lines.length === 0 ? '' : `${this.#lines.join('\n')}\n`)
    this.#lines = []
    return Uint8Array.from(bytes)
  }

  /** The last lines: the sums of every price. */
  takePrices(): Uint8Array {
    for (const { plan, price, currency, ...sums } of this.#prices.values()) {
      this.#write({ by: 'price', plan, price, currency, ...wireOf(sums) })
    }
    return this.takeLines()
  }

  #compareCharge(before: Charge | undefined, after: Charge | undefined, mine: Map<string, Sums>): void {
    const charge = (after ?? before)!
    const { plan, price, currency } = charge
    const key = compositeKey(plan, price, currency)
    const ofPrice = this.#prices.get(key) ?? { plan, price, currency, ...noSums() }
    const ofCustomer = mine.get(currency) ?? noSums()
    this.#prices.set(key, ofPrice)
    mine.set(currency, ofCustomer)
    const change = changeOf(before, after)
    for (const sums of [ofPrice, ofCustomer]) {
      sums.charges += 1
      if (change !== undefined) sums.changed += 1
      sums.before += before?.amount ?? 0n
      sums.after += after?.amount ?? 0n
      sums.roundedBefore += before?.amountRounded ?? 0n
      sums.roundedAfter += after?.amountRounded ?? 0n
    }
    if (change !== undefined) this.#write(lineOf(change, charge, before, after))
  }

  #write(line: object): void {
    this.#lines.push(JSON.stringify(line))
  }
}

type Change = 'added' | 'removed' | 'changed'

/** Undefined: both sides owe the same for the same. */
function changeOf(before: Charge | undefined, after: Charge | undefined): Change | undefined {
  if (before === undefined) return 'added'
  if (after === undefined) return 'removed'
  const isSame =
    before.amount === after.amount &&
    before.amountRounded === after.amountRounded &&
    before.quantity === after.quantity &&
    before.untilNs === after.untilNs
  return isSame ? undefined : 'changed'
}

/** A charge in another currency is another charge. */
function keyOf({ chargeId, currency }: Charge): string {
  return compositeKey(chargeId, currency)
}

function lineOf(
  change: Change,
  charge: Charge,
  before: Charge | undefined,
  after: Charge | undefined,
): object {
  const text = (value: Scaled | undefined) => formatScaled(value ?? 0n)
  return {
    by: 'charge',
    change,
    charge_id: charge.chargeId,
    customer_id: charge.customerId,
    subscription_id: charge.subscriptionId,
    entity_id: charge.entityId,
    plan: charge.plan,
    plan_version: charge.planVersion,
    price: charge.price,
    meter: charge.meter,
    kind: charge.kind,
    currency: charge.currency,
    service_period: { from: formatInstant(charge.fromNs), until: formatInstant(charge.untilNs) },
    quantity_before: text(before?.quantity),
    quantity_after: text(after?.quantity),
    amount_before: text(before?.amount),
    amount_after: text(after?.amount),
    amount_change: text((after?.amount ?? 0n) - (before?.amount ?? 0n)),
    amount_rounded_before: text(before?.amountRounded),
    amount_rounded_after: text(after?.amountRounded),
    amount_rounded_change: text((after?.amountRounded ?? 0n) - (before?.amountRounded ?? 0n)),
  }
}

function noSums(): Sums {
  return { charges: 0, changed: 0, before: 0n, after: 0n, roundedBefore: 0n, roundedAfter: 0n }
}

function wireOf({ charges, changed, before, after, roundedBefore, roundedAfter }: Sums): object {
  return {
    charges,
    changed,
    amount_before: formatScaled(before),
    amount_after: formatScaled(after),
    amount_change: formatScaled(after - before),
    amount_rounded_before: formatScaled(roundedBefore),
    amount_rounded_after: formatScaled(roundedAfter),
    amount_rounded_change: formatScaled(roundedAfter - roundedBefore),
  }
}
