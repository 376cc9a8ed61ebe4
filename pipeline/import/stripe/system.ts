// Stripe: customers, products, prices, meters, subscriptions, meter events or their summaries, invoices with their lines.

import { type ForeignExport, groupedBy, lastOfEach } from '../export-files.js'
import { type ForeignObject, idIn, objectIn, textIn } from '../fields.js'
import type { Findings } from '../findings.js'
import type { ForeignSystem } from '../foreign-system.js'
import type { Imported, ImportOptions } from '../imported.js'
import { stripeDownload } from './download.js'
import { billedLines } from './invoices.js'
import { StripePlans } from './plans.js'
import { metersOf, priceOf } from './prices.js'
import { customersOf, eventsOf, type StripeSubscription, subscriptionOf } from './subscriptions.js'
import { meterEvents, recordEvents, summaryEvents } from './usage.js'

/** By the member `object` of each. */
const kinds: Readonly<Record<string, string>> = {
  customer: 'customer',
  product: 'product',
  price: 'price',
  plan: 'price',
  subscription: 'subscription',
  invoice: 'invoice',
  line_item: 'line_item',
  'billing.meter': 'meter',
  'billing.meter_event': 'meter_event',
  'v2.billing.meter_event': 'meter_event',
  'billing.meter_event_summary': 'meter_event_summary',
  usage_record_summary: 'usage_record_summary',
}
const known = [...new Set(Object.values(kinds))]

export const stripeSystem: ForeignSystem = {
  name: 'stripe',
  usageSource: 'stripe',
  kinds: {
    kindOf: object => {
      const told = textIn(object['object'])
      if (told === '')
        return typeof object['event_name'] === 'string' && 'payload' in object ? 'meter_event' : undefined
      if (told === 'list' || told === 'search_result') return undefined
      return Object.hasOwn(kinds, told) ? kinds[told] : told
    },
    names: new Map(known.flatMap(kind => [[kind, kind] as const, [`${kind}s`, kind] as const])),
  },
  download: stripeDownload,
  map: mapStripe,
}

function mapStripe(objects: ForeignExport, options: ImportOptions, findings: Findings): Imported {
  const of = (kind: string) => lastOfEach(objects.get(kind), idIn)
  for (const [kind, found] of objects)
    if (!known.includes(kind))
      findings.note(kind, '', '', 'not_imported', `${found.length} objects of this kind are not needed.`)
  const products = new Map(of('product').map(product => [idIn(product), product]))
  const prices = new Map(
    [
      ...pricesIn(of('subscription'), of('invoice')),
      ...of('price').map(price => [idIn(price), price] as const),
    ].map(([id, price]) => [id, withProduct(price, products)] as const),
  )
  const customers = customersOf(of('customer'), options, findings)
  const meters = metersOf(of('meter'), findings)
  const plans = new StripePlans()
  const taken: StripeSubscription[] = []
  for (const object of of('subscription')) {
    const one = subscriptionOf(object, customers.ours, { prices, meters, plans }, options, findings)
    if (one !== undefined) taken.push(one)
  }
  tellUnused(prices, taken, meters, findings)
  const context = { customers: customers.ours, meters, options, findings }
  const events = meterEvents(objects.get('meter_event') ?? [], context)
  const withEvents = new Set(events.map(({ type }) => type))
  const usage = [
    ...events,
    ...summaryEvents(of('meter_event_summary'), withEvents, context),
    ...recordEvents(of('usage_record_summary'), taken, context),
  ]
  const lines = groupedBy(of('line_item'), line => idIn(line['invoice']))
  return {
    meters: [...meters.values()],
    plans: plans.plans(),
    identities: [...customers.identities, ...plans.identities(options.system, findings)],
    lifecycle: [...customers.events, ...taken.flatMap(one => eventsOf(one, plans))],
    usage,
    seen: [],
    billed: billedLines(of('invoice'), { customers: customers.ours, prices, lines, findings }),
    read: Object.fromEntries([...objects].map(([kind, all]) => [kind, all.length])),
  }
}

/** Prices stand whole in items and in the lines of older invoices. */
function pricesIn(
  subscriptions: readonly ForeignObject[],
  invoices: readonly ForeignObject[],
): (readonly [string, ForeignObject])[] {
  const holders = [...subscriptions.map(one => one['items']), ...invoices.map(one => one['lines'])]
  return holders
    .flatMap(holder => {
      const data = objectIn(holder)['data']
      return Array.isArray(data) ? data.map(one => objectIn(objectIn(one)['price'])) : []
    })
    .filter(price => idIn(price) !== '')
    .map(price => [idIn(price), price] as const)
}

function withProduct(price: ForeignObject, products: ReadonlyMap<string, ForeignObject>): ForeignObject {
  const product = products.get(idIn(price['product']))
  return product === undefined ? price : { ...price, product }
}

/** Prices that no subscription has are looked at all the same, so that the report names what could not be sold anew. */
function tellUnused(
  prices: ReadonlyMap<string, ForeignObject>,
  taken: readonly StripeSubscription[],
  meters: ReadonlyMap<string, Imported['meters'][number]>,
  findings: Findings,
): void {
  const used = new Set(taken.flatMap(one => [...one.items.values()].map(price => price.id)))
  for (const [id, price] of prices) {
    if (used.has(id)) continue
    const said = priceOf(price, textIn(price['currency']).toUpperCase(), new Map(meters), findings)
    if (said !== undefined)
      findings.note('price', id, '', 'not_subscribed', 'No subscription has it, so it is in no plan.')
  }
}
