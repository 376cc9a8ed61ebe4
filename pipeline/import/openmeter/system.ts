// OpenMeter: customers with their subjects, features, meters, plans with phases and rate cards, subscriptions, events, invoices.

import { formatInstant } from '../../../schemas/time.js'
import { type ForeignExport, lastOfEach } from '../export-files.js'
import { type ForeignObject, instantIn, listIn, objectIn, shown, textIn } from '../fields.js'
import type { Findings } from '../findings.js'
import type { ForeignSystem } from '../foreign-system.js'
import type { Imported, ImportedEvent, ImportOptions, SeenEvent } from '../imported.js'
import { openmeterDownload } from './download.js'
import { billedLines } from './invoices.js'
import { OpenMeterPlans } from './plans.js'
import { metersOf } from './rate-cards.js'
import { customersOf, eventsOf, type OpenMeterCustomers } from './subscriptions.js'

const kinds = ['customer', 'feature', 'meter', 'plan', 'subscription', 'event', 'invoice'] as const

export const openmeterSystem: ForeignSystem = {
  name: 'openmeter',
  usageSource: 'openmeter',
  kinds: {
    kindOf: object => {
      if (typeof object['specversion'] === 'string') return 'event'
      return typeof object['ingestedAt'] === 'string' && 'event' in object ? 'event' : undefined
    },
    names: new Map([
      ...kinds.flatMap(kind => [[kind, kind] as const, [`${kind}s`, kind] as const]),
      ['subscription_id', 'subscription_id'],
    ]),
  },
  download: openmeterDownload,
  map: mapOpenMeter,
}

const idOf = (one: ForeignObject) => textIn(one['id'])

function mapOpenMeter(objects: ForeignExport, options: ImportOptions, findings: Findings): Imported {
  const of = (kind: string, key: (one: ForeignObject) => string = idOf) => lastOfEach(objects.get(kind), key)
  const customers = customersOf(of('customer'), options, findings)
  const meters = metersOf(
    of('meter', one => textIn(one['slug'])),
    of('feature', one => textIn(one['key'])),
    findings,
  )
  const plans = new OpenMeterPlans(meters, findings)
  for (const plan of of('plan')) plans.add(plan)
  const subscriptions = of('subscription')
  const lifecycle = subscriptions.flatMap(one => eventsOf(one, customers, plans, options, findings))
  const itemOf = new Map(
    subscriptions
      .flatMap(one => listIn(one['phases']))
      .flatMap(phase => [
        ...listIn(phase['items']),
        ...Object.values(objectIn(phase['itemTimelines'])).flatMap(listIn),
      ])
      .map(item => [idOf(item), textIn(item['key'])] as const),
  )
  const { events, seen } = usageOf(objects.get('event') ?? [], customers, findings)
  const { system } = options
  return {
    meters: [...meters.meters.values()],
    plans: plans.all(),
    identities: [
      ...customers.identities,
      ...[...new Set(plans.all().map(({ plan }) => plan))].map(plan => ({
        object: 'plan' as const,
        system,
        theirs: plan,
        ours: plan,
      })),
    ],
    lifecycle: [...customers.events, ...lifecycle],
    usage: events,
    seen,
    billed: of('invoice').flatMap(invoice =>
      billedLines(invoice, { ours: customers.ours, itemOf, findings }),
    ),
    read: Object.fromEntries([...objects].map(([kind, all]) => [kind, all.length])),
  }
}

/** Events keep their own source and id, which are their identity there and here. */
function usageOf(
  objects: readonly ForeignObject[],
  { ofSubject }: OpenMeterCustomers,
  findings: Findings,
): { readonly events: readonly ImportedEvent[]; readonly seen: readonly SeenEvent[] } {
  const events: ImportedEvent[] = []
  const seen: SeenEvent[] = []
  for (const object of objects) {
    const isWrapped = typeof object['specversion'] !== 'string' && 'event' in object
    const event = isWrapped ? objectIn(object['event']) : object
    const [id, source, subject] = [textIn(event['id']), textIn(event['source']), textIn(event['subject'])]
    const leave = (field: string, code: string, detail: string) =>
      findings.leftOut('event', id, field, code, detail)
    const timeNs = instantIn(event['time']) ?? instantIn(object['ingestedAt'])
    const customer = ofSubject.get(subject)
    const refused = textIn(object['validationError'])
    if (id === '' || source === '') leave(id === '' ? 'id' : 'source', 'missing_value', 'It is missing.')
    else if (refused !== '') leave('validationError', 'refused_there', refused)
    else if (timeNs === undefined) leave('time', 'invalid_time', `${shown(event['time'])} is no time.`)
    else if (customer === undefined)
      leave('subject', 'customer_not_imported', `No customer has the subject ${shown(subject)}.`)
    else {
      const data = objectIn(event['data'])
      events.push({
        specversion: '1.0',
        id,
        source,
        type: textIn(event['type']),
        subject: customer,
        time: formatInstant(timeNs),
        data,
      })
      const seenNs = instantIn(object['ingestedAt'])
      if (seenNs !== undefined) seen.push({ source, id, seen_at: formatInstant(seenNs) })
    }
  }
  return { events, seen }
}
