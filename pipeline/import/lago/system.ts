// Lago: customers, billable metrics, plans with their charges, subscriptions, events, invoices and fees.

import { type ForeignExport, groupedBy, lastOfEach } from '../export-files.js'
import { type ForeignObject, listIn, textIn } from '../fields.js'
import type { Findings } from '../findings.js'
import type { ForeignSystem } from '../foreign-system.js'
import type { Imported, ImportedIdentity, ImportOptions } from '../imported.js'
import { metersOf } from './charges.js'
import { lagoDownload } from './download.js'
import { billedLines } from './fees.js'
import { type LagoPlan, plansOf } from './plans.js'
import { customersOf, eventsOf } from './subscriptions.js'
import { usageOf } from './usage.js'

const kinds = ['customer', 'billable_metric', 'plan', 'subscription', 'event', 'invoice', 'fee'] as const

export const lagoSystem: ForeignSystem = {
  name: 'lago',
  usageSource: 'lago',
  kinds: {
    kindOf: () => undefined,
    names: new Map(kinds.flatMap(kind => [[kind, kind] as const, [`${kind}s`, kind] as const])),
  },
  download: lagoDownload,
  map: mapLago,
}

const codeOf = (one: ForeignObject) => textIn(one['code'])
const lagoId = (one: ForeignObject) => textIn(one['lago_id'])

function mapLago(objects: ForeignExport, options: ImportOptions, findings: Findings): Imported {
  const customers = customersOf(
    lastOfEach(objects.get('customer'), one => textIn(one['external_id'])),
    options,
    findings,
  )
  const metrics = new Map(lastOfEach(objects.get('billable_metric'), codeOf).map(one => [codeOf(one), one]))
  const meters = metersOf([...metrics.values()], findings)
  const plans = plansOf(lastOfEach(objects.get('plan'), codeOf), metrics, meters, findings)
  const subscriptions = groupedBy(lastOfEach(objects.get('subscription'), lagoId), one =>
    textIn(one['external_id']),
  )
  const lifecycle = [...subscriptions].flatMap(([id, all]) =>
    eventsOf(id, all, customers, plans, options, findings),
  )
  const owners = new Map(lifecycle.map(({ subject, data }) => [textIn(data['subscription_id']), subject]))
  const { events, seen } = usageOf(objects.get('event') ?? [], owners, options, findings)
  return {
    meters: [...meters.values()],
    plans: [...plans.values()].map(({ plan }) => plan),
    identities: [...customers.identities, ...identitiesOf(plans, options.system)],
    lifecycle: [...customers.events, ...lifecycle],
    usage: events,
    seen,
    billed: billedOf(objects, subscriptions, plans, findings),
    read: Object.fromEntries([...objects].map(([kind, all]) => [kind, all.length])),
  }
}

function identitiesOf(plans: ReadonlyMap<string, LagoPlan>, system: string): ImportedIdentity[] {
  return [...plans].flatMap(([code, { priceOf }]) => [
    { object: 'plan' as const, system, theirs: code, ours: code },
    ...[...priceOf].map(([theirs, ours]) => ({ object: 'price' as const, system, theirs, ours })),
  ])
}

/** Fees stand in invoices, or in a list of their own. */
function billedOf(
  objects: ForeignExport,
  subscriptions: ReadonlyMap<string, readonly ForeignObject[]>,
  plans: ReadonlyMap<string, LagoPlan>,
  findings: Findings,
): Imported['billed'] {
  const invoices = new Map(lastOfEach(objects.get('invoice'), lagoId).map(one => [lagoId(one), one]))
  const fees = new Map<string, ForeignObject>()
  for (const [id, invoice] of invoices)
    for (const fee of listIn(invoice['fees'])) fees.set(lagoId(fee), { ...fee, lago_invoice_id: id })
  for (const fee of objects.get('fee') ?? []) if (!fees.has(lagoId(fee))) fees.set(lagoId(fee), fee)
  const plansOf = (subscription: string) =>
    (subscriptions.get(subscription) ?? [])
      .map(one => plans.get(textIn(one['plan_code'])))
      .filter(plan => plan !== undefined)
  return [...fees.values()].flatMap(fee => {
    const invoice = invoices.get(textIn(fee['lago_invoice_id'])) ?? {}
    const status = textIn(invoice['status'])
    if (status === '' || status === 'finalized') return billedLines(fee, invoice, { plansOf, findings })
    findings.note('invoice', lagoId(invoice), 'status', `invoice_${status}`, 'It is not billed.')
    return []
  })
}
