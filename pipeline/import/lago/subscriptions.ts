// Customers and subscriptions of Lago. A subscription keeps its external id over changes of plan, each of which Lago has as an
// object of its own: the first is told as created, the others as amended.

import { Temporal } from 'temporal-polyfill'
import { currencyCodes } from '../../../schemas/money/currency.js'
import { formatInstant, msOf, nsOf } from '../../../schemas/time.js'
import { type ForeignObject, instantIn, isTimezone, listIn, shown, textIn, wholeIn } from '../fields.js'
import type { Findings } from '../findings.js'
import { takenFrom } from '../first-period.js'
import type { ImportedEvent, ImportedIdentity, ImportOptions } from '../imported.js'
import { customerEvent, type SubscriptionOf, subscriptionEvent } from '../lifecycle-events.js'
import type { LagoPlan } from './plans.js'

export interface LagoCustomers {
  /** Their time zone, by external id. */
  readonly zones: ReadonlyMap<string, string>
  readonly events: readonly ImportedEvent[]
  readonly identities: readonly ImportedIdentity[]
}

export function customersOf(
  objects: readonly ForeignObject[],
  { system, period }: ImportOptions,
  findings: Findings,
): LagoCustomers {
  const zones = new Map<string, string>()
  const events: ImportedEvent[] = []
  const identities: ImportedIdentity[] = []
  for (const customer of objects) {
    const id = textIn(customer['external_id'])
    const created = instantIn(customer['created_at'])
    if (id === '') {
      findings.leftOut(
        'customer',
        textIn(customer['lago_id']),
        'external_id',
        'missing_value',
        'It is missing.',
      )
      continue
    }
    const zone = textIn(customer['applicable_timezone']) || textIn(customer['timezone']) || 'UTC'
    if (!isTimezone(zone)) {
      findings.leftOut(
        'customer',
        id,
        'applicable_timezone',
        'unknown_timezone',
        `No time zone is ${shown(zone)}.`,
      )
      continue
    }
    zones.set(id, zone)
    const currency = textIn(customer['currency'])
    const name = textIn(customer['name'])
    identities.push({ object: 'customer', system, theirs: id, ours: id })
    events.push(
      customerEvent('lago', id, id, created ?? 0n, period, {
        ...(name === '' ? {} : { name }),
        ...(currencyCodes.includes(currency) ? { currency } : {}),
        external_ids: { billing: id },
      }),
    )
  }
  return { zones, events, identities }
}

/** The events of all objects of one external id. */
export function eventsOf(
  id: string,
  objects: readonly ForeignObject[],
  { zones }: LagoCustomers,
  plans: ReadonlyMap<string, LagoPlan>,
  { period }: ImportOptions,
  findings: Findings,
): ImportedEvent[] {
  const leave = (field: string, code: string, detail: string): ImportedEvent[] => {
    findings.leftOut('subscription', id, field, code, detail)
    return []
  }
  const begun = objects.filter(one => instantIn(one['started_at']) !== undefined).sort(byStart)
  const [head] = begun
  if (id === '' || head === undefined) {
    const status = textIn(objects[0]?.['status'])
    findings.note('subscription', id, 'started_at', 'not_begun', `It has not begun: ${shown(status)}.`)
    return []
  }
  const customer = textIn(head['external_customer_id'])
  const zone = zones.get(customer)
  if (zone === undefined)
    return leave(
      'external_customer_id',
      'customer_not_imported',
      `The customer ${customer} is not there, or could not be taken.`,
    )
  const missing = begun.map(one => textIn(one['plan_code'])).find(code => !plans.has(code))
  if (missing !== undefined)
    return leave('plan_code', 'plan_not_imported', `The plan ${missing} is not there, or could not be said.`)
  const of = {
    system: 'lago',
    customer,
    subscription: id,
    createdMs: msOf(instantIn(head['created_at']) ?? 0n),
  }
  const events: ImportedEvent[] = []
  for (const one of begun) {
    const event = partOf(
      one,
      of,
      events.length,
      plans.get(textIn(one['plan_code']))!,
      zone,
      period.fromNs,
      findings,
    )
    if (event !== undefined) events.push(event)
  }
  const last = begun.at(-1)
  const endNs = instantIn(last?.['terminated_at'])
  if (events.length === 0)
    findings.note(
      'subscription',
      id,
      'terminated_at',
      'over_before_period',
      'It has no service period that begins in the period.',
    )
  else if (endNs !== undefined && textIn(last?.['status']) === 'terminated')
    events.push(subscriptionEvent(of, 'cancelled', events.length, endNs, {}))
  return events
}

/** One object: the first that is taken is told as created. Undefined: it was over before. */
function partOf(
  one: ForeignObject,
  of: SubscriptionOf,
  step: number,
  plan: LagoPlan,
  zone: string,
  periodFromNs: bigint,
  findings: Findings,
): ImportedEvent | undefined {
  const startNs = instantIn(one['started_at']) ?? 0n
  const anchorNs = anchorOf(one, startNs, zone, plan)
  const periods = [plan.plan.billingPeriod]
  const fromNs = takenFrom({ startNs, anchorNs, timezone: zone, periods, importedFromNs: periodFromNs })
  const endNs = instantIn(one['terminated_at'])
  if (endNs !== undefined && endNs <= fromNs) return undefined
  tellOverride(of.subscription, one, plan, findings)
  const terms = { plan: plan.plan.plan, plan_version: 1, billing_anchor: formatInstant(anchorNs) }
  if (step > 0) return subscriptionEvent(of, 'amended', step, startNs, { ...terms, change: 'plan' })
  const trial = trialOf(of.subscription, one, plan, startNs, fromNs, findings)
  return subscriptionEvent(of, 'created', 0, fromNs, { ...terms, timezone: zone, ...trial, ...endingOf(one) })
}

function byStart(a: ForeignObject, b: ForeignObject): number {
  const [first, second] = [instantIn(a['started_at']) ?? 0n, instantIn(b['started_at']) ?? 0n]
  return first < second ? -1 : Number(first > second)
}

/** Periods of Lago begin at midnight of the customer's days: of the calendar, or of the day on which it began. */
function anchorOf(one: ForeignObject, startNs: bigint, zone: string, { plan }: LagoPlan): bigint {
  const own = instantIn(one['subscription_at']) ?? startNs
  const day = Temporal.Instant.fromEpochNanoseconds(own).toZonedDateTimeISO(zone).toPlainDate()
  const isCalendar = textIn(one['billing_time']) !== 'anniversary'
  const first = isCalendar ? firstDay(day, plan.billingPeriod) : day
  return first.toZonedDateTime(zone).epochNanoseconds
}

function firstDay(
  day: Temporal.PlainDate,
  billingPeriod: LagoPlan['plan']['billingPeriod'],
): Temporal.PlainDate {
  switch (billingPeriod) {
    case 'day':
      return day
    case 'week':
      return day.subtract({ days: day.dayOfWeek - 1 })
    case 'month':
      return day.with({ day: 1 })
    case 'quarter':
      return day.with({ day: 1, month: day.month - ((day.month - 1) % 3) })
    case '6 month':
      return day.with({ day: 1, month: day.month - ((day.month - 1) % 6) })
    case 'year':
      return day.with({ day: 1, month: 1 })
    default:
      throw new Error(`Lago has no interval of ${billingPeriod}.`)
  }
}

function endingOf(one: ForeignObject): { effective_until?: string } {
  const endNs = instantIn(one['ending_at'])
  return endNs === undefined || instantIn(one['terminated_at']) !== undefined
    ? {}
    : { effective_until: formatInstant(endNs) }
}

/** A trial of Lago frees the base fee alone, ours everything. */
function trialOf(
  id: string,
  one: ForeignObject,
  { object }: LagoPlan,
  startNs: bigint,
  fromNs: bigint,
  findings: Findings,
): { trial_until?: string } {
  const days = Number(wholeIn(object['trial_period']) ?? '0')
  if (days === 0 || days > 10_000) return {}
  const untilNs = instantIn(one['trial_ended_at']) ?? startNs + nsOf(days * 86_400_000)
  if (untilNs <= fromNs) return {}
  if (listIn(object['charges']).length === 0) return { trial_until: formatInstant(untilNs) }
  findings.leftOut(
    'subscription',
    id,
    'trial_ended_at',
    'trial_of_base_fee',
    'A trial would free its usage too, so it is not taken.',
  )
  return {}
}

function tellOverride(id: string, one: ForeignObject, { object }: LagoPlan, findings: Findings): void {
  const [own, planned] = [wholeIn(one['plan_amount_cents']), wholeIn(object['amount_cents'])]
  if (own !== undefined && planned !== undefined && own !== planned)
    findings.leftOut(
      'subscription',
      id,
      'plan_amount_cents',
      'plan_override',
      `It owes ${own} for the base fee and its plan says ${planned}: its plan was changed for it alone, and the export does not hold how.`,
    )
}
