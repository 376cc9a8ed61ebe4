// Usage of Stripe: meter events where the export has them, else the summaries by hour or day of a customer and meter, else
// usage records of an item. Events keep the identity that the producer of Stripe gives them.

import { formatInstant, nsOf } from '../../../schemas/time.js'
import {
  type ForeignObject,
  idIn,
  instantIn,
  objectIn,
  secondsIn,
  shown,
  textIn,
  wholeIn,
} from '../fields.js'
import type { Findings } from '../findings.js'
import type { ImportedEvent, ImportedMeter, ImportOptions } from '../imported.js'
import type { StripeSubscription } from './subscriptions.js'

const customerField = 'stripe_customer_id'
/** A counter's summary becomes as many events. */
const mostCounted = 10_000

export interface UsageContext {
  readonly customers: ReadonlyMap<string, string>
  readonly meters: ReadonlyMap<string, ImportedMeter>
  readonly options: ImportOptions
  readonly findings: Findings
}

export function meterEvents(objects: readonly ForeignObject[], context: UsageContext): ImportedEvent[] {
  const { customers, options, findings } = context
  const events: ImportedEvent[] = []
  for (const event of objects) {
    const id = textIn(event['identifier'])
    const payload = objectIn(event['payload'])
    const theirs = textIn(payload[customerField])
    const seconds = secondsIn(event['timestamp'])
    const atNs = seconds === undefined ? instantIn(event['timestamp']) : nsOf(seconds * 1000)
    const type = textIn(event['event_name'])
    const customer = customers.get(theirs)
    if (id === '')
      findings.leftOut(
        'meter_event',
        id,
        'identifier',
        'missing_value',
        'It is missing, so a repeated event could not be told.',
      )
    else if (atNs === undefined)
      findings.leftOut(
        'meter_event',
        id,
        'timestamp',
        'invalid_time',
        `${shown(event['timestamp'])} is no time.`,
      )
    else if (customer === undefined)
      findings.leftOut(
        'meter_event',
        id,
        `payload.${customerField}`,
        'customer_not_imported',
        `The customer ${theirs} is not there, or could not be taken.`,
      )
    else {
      const common = { specversion: '1.0', id, source: options.usageSource, type } as const
      events.push({ ...common, subject: customer, time: formatInstant(atNs), data: payload })
    }
  }
  return events
}

/** Of meters that have no events in the export. */
export function summaryEvents(
  objects: readonly ForeignObject[],
  withEvents: ReadonlySet<string>,
  context: UsageContext,
): ImportedEvent[] {
  const { customers, meters, options, findings } = context
  const events: ImportedEvent[] = []
  const untilBy = new Map<string, number>()
  for (const summary of objects.toSorted(byStart)) {
    const id = idIn(summary)
    const leave = (field: string, code: string, detail: string) =>
      findings.leftOut('meter_event_summary', id, field, code, detail)
    const meter = meters.get(textIn(summary['meter']))
    const theirs = textIn(summary['customer'])
    const customer = customers.get(theirs)
    const [start, end] = [secondsIn(summary['start_time']), secondsIn(summary['end_time'])]
    if (meter === undefined)
      leave(
        'meter',
        'meter_not_imported',
        `The meter ${shown(summary['meter'])} is not there, or could not be said.`,
      )
    else if (customer === undefined)
      leave(
        'customer',
        'customer_not_imported',
        'Name the customer beside the summary: the list of Stripe is of one customer and does not say whose.',
      )
    else if (start === undefined || end === undefined || end <= start)
      leave('start_time', 'invalid_time', 'It has no beginning and end.')
    else if (!withEvents.has(textIn(meter.wire['event_type']))) {
      const key = `${theirs} ${meter.wire.meter}`
      if (start < (untilBy.get(key) ?? 0)) {
        leave(
          'start_time',
          'overlapping_summary',
          'It covers time of another summary; list by hour or by day, not both.',
        )
        continue
      }
      untilBy.set(key, end)
      const value = summary['aggregated_value']
      const event = eventAt(`summary:${meter.wire.meter}:${theirs}:${start}`, meter, customer, start, options)
      if (meter.wire['aggregation'] === 'count') events.push(...counted(event, theirs, value, leave))
      else events.push({ ...event, data: { [customerField]: theirs, [textIn(meter.wire['value'])]: value } })
    }
  }
  return events
}

const byStart = (a: ForeignObject, b: ForeignObject) =>
  (secondsIn(a['start_time']) ?? 0) - (secondsIn(b['start_time']) ?? 0) ||
  (secondsIn(a['end_time']) ?? 0) - (secondsIn(b['end_time']) ?? 0)

type Leave = (field: string, code: string, detail: string) => undefined

function eventAt(
  id: string,
  meter: ImportedMeter,
  customer: string,
  seconds: number,
  { usageSource }: ImportOptions,
): Omit<ImportedEvent, 'data'> {
  return {
    specversion: '1.0',
    id,
    source: `weir:import:${usageSource}`,
    type: textIn(meter.wire['event_type']),
    subject: customer,
    time: formatInstant(nsOf(seconds * 1000)),
  }
}

function counted(
  event: Omit<ImportedEvent, 'data'>,
  theirs: string,
  value: unknown,
  leave: Leave,
): ImportedEvent[] {
  const count = Number(wholeIn(value) ?? Number.NaN)
  if (!(count <= mostCounted)) {
    leave(
      'aggregated_value',
      'too_many_counted',
      `${shown(value)} events of a counter are no more than ${mostCounted} in one summary; list by hour, or bring the events.`,
    )
    return []
  }
  return Array.from({ length: count }, (_, at) => ({
    ...event,
    id: `${event.id}:${at + 1}`,
    data: { [customerField]: theirs },
  }))
}

/** Usage that was reported for an item, as the sum of its period. */
export function recordEvents(
  objects: readonly ForeignObject[],
  subscriptions: readonly StripeSubscription[],
  { meters, options, findings }: UsageContext,
): ImportedEvent[] {
  const items = new Map(
    subscriptions.flatMap(taken =>
      [...taken.items].map(([item, price]) => [item, { taken, price }] as const),
    ),
  )
  const events: ImportedEvent[] = []
  for (const summary of objects) {
    const id = idIn(summary)
    const item = textIn(summary['subscription_item'])
    const found = items.get(item)
    const meter = found === undefined ? undefined : meters.get(found.price.meter)
    const period = objectIn(summary['period'])
    const start =
      secondsIn(period['start']) ??
      (found === undefined ? undefined : secondsIn(found.taken.object['start_date']))
    if (found === undefined || meter === undefined)
      findings.leftOut(
        'usage_record_summary',
        id,
        'subscription_item',
        'item_not_imported',
        `The item ${item} is not there, or could not be said.`,
      )
    else if (start === undefined)
      findings.leftOut('usage_record_summary', id, 'period.start', 'missing_value', 'It is missing.')
    else {
      const { taken } = found
      const fromNs = nsOf(start * 1000)
      // A first period begins when the subscription does.
      const seconds =
        fromNs < taken.takenFromNs && fromNs > options.period.fromNs
          ? Number(taken.takenFromNs / 1_000_000_000n)
          : start
      const event = eventAt(`usage_record:${item}:${start}`, meter, taken.customer, seconds, options)
      events.push({ ...event, subscriptionid: taken.id, data: { quantity: summary['total_usage'] } })
    }
  }
  return events
}
