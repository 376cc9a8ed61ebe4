// Customers and subscriptions of Stripe. Ids stay theirs, so that the source and the producer of Stripe mean the same ones.

import { type BillingPeriod, longestDays } from '../../../schemas/catalog/billing-period.js'
import { currencyCodes } from '../../../schemas/money/currency.js'
import { nsOf } from '../../../schemas/time.js'
import {
  type ForeignObject,
  idIn,
  instantOfSeconds,
  listIn,
  objectIn,
  secondsIn,
  textIn,
  wholeIn,
} from '../fields.js'
import type { Findings } from '../findings.js'
import { type Takeover, takenFrom, tellLonger } from '../first-period.js'
import type { ImportedEvent, ImportedIdentity, ImportedMeter, ImportOptions } from '../imported.js'
import { customerEvent, subscriptionEvent } from '../lifecycle-events.js'
import type { SoldTogether, StripePlans } from './plans.js'
import { priceOf, type StripePrice } from './prices.js'

export interface StripeCustomers {
  /** Ours for an id of theirs. */
  readonly ours: ReadonlyMap<string, string>
  readonly events: readonly ImportedEvent[]
  readonly identities: readonly ImportedIdentity[]
}

export function customersOf(
  objects: readonly ForeignObject[],
  { customerKey, system, period }: ImportOptions,
  findings: Findings,
): StripeCustomers {
  const ours = new Map<string, string>()
  const events: ImportedEvent[] = []
  const identities: ImportedIdentity[] = []
  for (const customer of objects) {
    const id = idIn(customer)
    const created = secondsIn(customer['created'])
    if (id === '' || created === undefined) {
      findings.leftOut('customer', id, id === '' ? 'id' : 'created', 'missing_value', 'It is missing.')
      continue
    }
    if (customer['deleted'] === true) {
      findings.note('customer', id, 'deleted', 'deleted', 'It is deleted.')
      continue
    }
    const named = customerKey === undefined ? id : textIn(objectIn(customer['metadata'])[customerKey])
    if (named === '') {
      findings.leftOut(
        'customer',
        id,
        `metadata.${customerKey}`,
        'customer_not_named',
        'Its metadata does not say which of ours it is.',
      )
      continue
    }
    ours.set(id, named)
    identities.push({ object: 'customer', system, theirs: id, ours: named })
    const name = textIn(customer['name'])
    const currency = textIn(customer['currency']).toUpperCase()
    events.push(
      customerEvent('stripe', named, id, nsOf(created * 1000), period, {
        ...(name === '' ? {} : { name }),
        ...(currencyCodes.includes(currency) ? { currency } : {}),
        external_ids: { billing: id },
      }),
    )
    if (customer['discount'])
      findings.leftOut(
        'customer',
        id,
        'discount',
        'coupon',
        'Coupons are not taken over: write them into the catalog.',
      )
  }
  return { ours, events, identities }
}

export interface StripeSubscription {
  readonly id: string
  readonly customer: string
  readonly takenFromNs: bigint
  readonly items: ReadonlyMap<string, StripePrice>
  /** Of its prices in the export, those that could not be said too. */
  readonly object: ForeignObject
  readonly sold: SoldTogether
  readonly quantities: Readonly<Record<string, string>>
}

export interface Catalogue {
  readonly prices: ReadonlyMap<string, ForeignObject>
  readonly meters: Map<string, ImportedMeter>
  readonly plans: StripePlans
}

/** Undefined when there is nothing of it to take; the findings tell why. */
export function subscriptionOf(
  object: ForeignObject,
  customers: ReadonlyMap<string, string>,
  catalogue: Catalogue,
  options: ImportOptions,
  findings: Findings,
): StripeSubscription | undefined {
  const id = idIn(object)
  const leave = (field: string, code: string, detail: string) =>
    findings.leftOut('subscription', id, field, code, detail)
  const status = textIn(object['status'])
  if (status === 'incomplete' || status === 'incomplete_expired')
    return void findings.note('subscription', id, 'status', 'not_begun', 'It never began.')
  const customer = customers.get(idIn(object['customer']))
  if (customer === undefined)
    return leave(
      'customer',
      'customer_not_imported',
      `The customer ${idIn(object['customer'])} is not there, or could not be taken.`,
    )
  const start = secondsIn(object['start_date']) ?? secondsIn(object['created'])
  const anchor = secondsIn(object['billing_cycle_anchor']) ?? start
  if (id === '' || start === undefined || anchor === undefined)
    return leave(id === '' ? 'id' : 'start_date', 'missing_value', 'It is missing.')
  const items = itemsOf(object, id, catalogue, findings)
  if (items === undefined) return undefined
  const takeover: Takeover = {
    startNs: nsOf(start * 1000),
    anchorNs: nsOf(anchor * 1000),
    timezone: 'UTC',
    periods: items.sold.prices.map(one => one.billingPeriod),
    importedFromNs: options.period.fromNs,
  }
  const fromNs = takenFrom(takeover)
  tellLonger(id, takeover, fromNs, findings)
  const ended = endOf(object) ?? untilOf(object)
  if (ended !== undefined && nsOf(ended * 1000) <= fromNs)
    return void findings.note(
      'subscription',
      id,
      'ended_at',
      'over_before_period',
      'It has no service period that begins in the period.',
    )
  tellUnsaid(object, id, findings)
  return { id, customer, object, takenFromNs: fromNs, ...items }
}

function itemsOf(
  object: ForeignObject,
  id: string,
  { prices, meters, plans }: Catalogue,
  findings: Findings,
): Pick<StripeSubscription, 'items' | 'sold' | 'quantities'> | undefined {
  const currency = textIn(object['currency']).toUpperCase()
  if (!currencyCodes.includes(currency))
    return findings.leftOut('subscription', id, 'currency', 'unknown_currency', `No currency is ${currency}.`)
  const items = new Map<string, StripePrice>()
  const quantities: Record<string, string> = {}
  for (const item of listIn(object['items'])) {
    const named = idIn(item['price'] ?? item['plan'])
    const full = prices.get(named) ?? objectIn(item['price'])
    const price = priceOf(full, currency, meters, findings)
    if (price === undefined) continue
    const isTwice = [...items.values()].some(one => one.id === price.id)
    if (isTwice) {
      findings.leftOut(
        'subscription',
        id,
        'items',
        'several_items',
        `Two items are of the price ${price.id}.`,
      )
      continue
    }
    items.set(idIn(item), price)
    const quantity = wholeIn(item['quantity'])
    if (!price.isMetered) quantities[price.id] = quantity ?? '1'
  }
  const shortest = [...items.values()].map(one => one.billingPeriod).sort(byLength)[0]
  if (shortest === undefined)
    return findings.leftOut('subscription', id, 'items', 'no_items', 'None of its items could be said.')
  const sold: SoldTogether = { currency, billingPeriod: shortest, prices: [...items.values()] }
  plans.add(sold)
  return { items, sold, quantities }
}

const byLength = (a: BillingPeriod, b: BillingPeriod) => longestDays(a) - longestDays(b)

function endOf(object: ForeignObject): number | undefined {
  return textIn(object['status']) === 'canceled'
    ? (secondsIn(object['ended_at']) ?? secondsIn(object['canceled_at']))
    : undefined
}

function tellUnsaid(object: ForeignObject, id: string, findings: Findings): void {
  const tell = (field: string, code: string, detail: string) =>
    findings.leftOut('subscription', id, field, code, detail)
  const isThere = (value: unknown) =>
    Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null
  if (isThere(object['discount']) || isThere(object['discounts']))
    tell('discounts', 'coupon', 'Coupons are not taken over: write them into the catalog.')
  if (isThere(object['schedule']))
    tell('schedule', 'schedule', 'Changes to come are told by the source of Stripe.')
  if (isThere(object['billing_thresholds']))
    tell('billing_thresholds', 'billing_threshold', 'What is invoiced before its period ends.')
  if (isThere(object['default_tax_rates']) || objectIn(object['automatic_tax'])['enabled'] === true)
    findings.note('subscription', id, 'automatic_tax', 'tax', 'Tax is not rated here.')
}

/** The events of a subscription. */
export function eventsOf(taken: StripeSubscription, plans: StripePlans): ImportedEvent[] {
  const { id, customer, object, takenFromNs, sold, quantities } = taken
  const createdMs = (secondsIn(object['created']) ?? 0) * 1000
  const of = { system: 'stripe', customer, subscription: id, createdMs }
  const anchor = secondsIn(object['billing_cycle_anchor'])
  const trial = secondsIn(object['trial_end'])
  const until = untilOf(object)
  const { plan, version } = plans.of(sold)
  const events = [
    subscriptionEvent(of, 'created', 0, takenFromNs, {
      ...{ plan, plan_version: version },
      ...(anchor === undefined ? {} : { billing_anchor: instantOfSeconds(anchor) }),
      ...(until === undefined ? {} : { effective_until: instantOfSeconds(until) }),
      ...(trial === undefined || nsOf(trial * 1000) <= takenFromNs
        ? {}
        : { trial_until: instantOfSeconds(trial) }),
      ...(Object.keys(quantities).length === 0 ? {} : { quantities }),
    }),
  ]
  const ended = endOf(object)
  const status = textIn(object['status'])
  const isVoided = textIn(objectIn(object['pause_collection'])['behavior']) === 'void'
  if (ended !== undefined) events.push(subscriptionEvent(of, 'cancelled', 1, nsOf(ended * 1000), {}))
  else if (status === 'paused' || status === 'unpaid' || isVoided)
    events.push(
      subscriptionEvent(of, 'suspended', 1, takenFromNs, { reason: isVoided ? 'collection_paused' : status }),
    )
  return events
}

function untilOf(object: ForeignObject): number | undefined {
  if (endOf(object) !== undefined) return undefined
  const set = secondsIn(object['cancel_at'])
  if (set !== undefined || object['cancel_at_period_end'] !== true) return set
  const ends = listIn(object['items']).map(item => secondsIn(item['current_period_end']))
  return Math.max(...ends.map(end => end ?? 0)) || secondsIn(object['current_period_end'])
}
