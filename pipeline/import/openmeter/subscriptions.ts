// Customers and subscriptions of OpenMeter. Usage names a subject: the customer that has it is the customer of ours.

import type { BillingPeriod } from '../../../schemas/catalog/billing-period.js'
import { canonicalJson } from '../../../schemas/json/canonical-json.js'
import { currencyCodes } from '../../../schemas/money/currency.js'
import { formatInstant, msOf } from '../../../schemas/time.js'
import {
  type ForeignObject,
  instantIn,
  listIn,
  objectIn,
  shown,
  textIn,
  textsIn,
  wholeIn,
} from '../fields.js'
import type { Findings } from '../findings.js'
import { type Takeover, takenFrom, tellLonger } from '../first-period.js'
import type { ImportedEvent, ImportedIdentity, ImportedPlan, ImportOptions } from '../imported.js'
import { customerEvent, subscriptionEvent } from '../lifecycle-events.js'
import { type OpenMeterPlans, phasePlan } from './plans.js'
import { periodOf } from './rate-cards.js'

export interface OpenMeterCustomers {
  /** Ours, by id and by key. */
  readonly ours: ReadonlyMap<string, string>
  /** Ours, by the subject of usage. */
  readonly ofSubject: ReadonlyMap<string, string>
  readonly events: readonly ImportedEvent[]
  readonly identities: readonly ImportedIdentity[]
}

export function customersOf(
  objects: readonly ForeignObject[],
  { system, period }: ImportOptions,
  findings: Findings,
): OpenMeterCustomers {
  const ours = new Map<string, string>()
  const ofSubject = new Map<string, string>()
  const events: ImportedEvent[] = []
  const identities: ImportedIdentity[] = []
  for (const customer of objects) {
    const id = textIn(customer['id'])
    const key = textIn(customer['key'])
    if (id === '') {
      findings.leftOut('customer', key, 'id', 'missing_value', 'It is missing.')
      continue
    }
    if (textIn(customer['deletedAt']) !== '') {
      findings.note('customer', id, 'deletedAt', 'deleted', 'It is deleted.')
      continue
    }
    const subjects = textsIn(objectIn(customer['usageAttribution'])['subjectKeys'])
    const named = subjects.length === 1 ? (subjects[0] ?? id) : key || id
    if (subjects.length > 1)
      findings.differs(
        'customer',
        named,
        'usageAttribution.subjectKeys',
        'several_subjects',
        `Its ${subjects.length} subjects are one customer here: later usage must name ${named}.`,
      )
    ours.set(id, named)
    for (const theirs of new Set([id, key, named]))
      if (theirs !== '') identities.push({ object: 'customer', system, theirs, ours: named })
    for (const subject of [...subjects, key, id])
      if (subject !== '' && !ofSubject.has(subject)) ofSubject.set(subject, named)
    const name = textIn(customer['name'])
    const currency = textIn(customer['currency'])
    const createdNs = instantIn(customer['createdAt']) ?? 0n
    events.push(
      customerEvent('openmeter', named, id, createdNs, period, {
        ...(name === '' ? {} : { name }),
        ...(currencyCodes.includes(currency) ? { currency } : {}),
        external_ids: { billing: id },
      }),
    )
  }
  return { ours, ofSubject, events, identities }
}

interface Phase {
  /** Of its prices, their own. */
  readonly periods: readonly BillingPeriod[]
  readonly plan: string
  readonly version: number
  readonly fromNs: bigint
  readonly untilNs: bigint | undefined
  readonly overrides: readonly unknown[]
}

export function eventsOf(
  object: ForeignObject,
  customers: OpenMeterCustomers,
  plans: OpenMeterPlans,
  { period }: ImportOptions,
  findings: Findings,
): ImportedEvent[] {
  const id = textIn(object['id'])
  const leave = (field: string, code: string, detail: string): ImportedEvent[] => {
    findings.leftOut('subscription', id, field, code, detail)
    return []
  }
  const customer = customers.ours.get(textIn(object['customerId']))
  const startNs = instantIn(object['activeFrom'])
  const endNs = instantIn(object['activeTo'])
  const anchorNs = instantIn(object['billingAnchor']) ?? startNs
  const billingPeriod = periodOf(object['billingCadence'])
  if (customer === undefined)
    return leave(
      'customerId',
      'customer_not_imported',
      `The customer ${shown(object['customerId'])} is not there, or could not be taken.`,
    )
  if (id === '' || startNs === undefined || anchorNs === undefined)
    return leave(id === '' ? 'id' : 'activeFrom', 'missing_value', 'It is missing.')
  if (billingPeriod === undefined)
    return leave(
      'billingCadence',
      'unsupported_interval',
      `No billing period is ${shown(object['billingCadence'])}.`,
    )
  const phases = phasesOf(object, id, billingPeriod, startNs, plans, findings)
  if (phases === undefined) return []
  const takeover: Takeover = {
    ...{ startNs, anchorNs, timezone: 'UTC', importedFromNs: period.fromNs },
    periods: [billingPeriod, ...phases.flatMap(phase => phase.periods)],
  }
  const fromNs = takenFrom(takeover)
  tellLonger(id, takeover, fromNs, findings)
  const kept = phases.filter(phase => phase.untilNs === undefined || phase.untilNs > fromNs)
  if (kept.length === 0 || (endNs !== undefined && endNs <= fromNs)) {
    findings.note(
      'subscription',
      id,
      'activeTo',
      'over_before_period',
      'It has no service period that begins in the period.',
    )
    return []
  }
  const of = {
    system: 'openmeter',
    customer,
    subscription: id,
    createdMs: msOf(instantIn(object['createdAt']) ?? startNs),
  }
  const anchor = { billing_anchor: formatInstant(anchorNs) }
  const until = endNs === undefined ? {} : { effective_until: formatInstant(endNs) }
  return kept.map(({ plan, version, overrides, fromNs: phaseNs }, at) => {
    const terms = {
      plan,
      plan_version: version,
      ...(overrides.length === 0 ? {} : { price_overrides: overrides }),
    }
    return at === 0
      ? subscriptionEvent(of, 'created', 0, fromNs, { ...terms, ...anchor, ...until })
      : subscriptionEvent(of, 'amended', at, phaseNs, { ...terms, change: 'phase' })
  })
}

/** Its phases with the plan of each, as the subscription has them, else as its plan. */
function phasesOf(
  object: ForeignObject,
  id: string,
  billingPeriod: ImportedPlan['billingPeriod'],
  startNs: bigint,
  plans: OpenMeterPlans,
  findings: Findings,
): Phase[] | undefined {
  const named = objectIn(object['plan'])
  const key = textIn(named['key'])
  const version = Number(wholeIn(named['version']) ?? '1')
  const count = key === '' ? undefined : plans.phasesOf(key, version)
  const own = listIn(object['phases'])
  if (own.length === 0) {
    if (count === 1) {
      const periods = plans.periodsOf(plans.of(key, version)?.prices ?? [])
      return [{ plan: key, version, fromNs: startNs, untilNs: undefined, overrides: [], periods }]
    }
    return findings.leftOut(
      'subscription',
      id,
      'phases',
      'phases_missing',
      'Its phases are not in the export: read each subscription by its id.',
    )
  }
  return own
    .map(phase => {
      const name = textIn(phase['key'])
      const planned = count === undefined ? undefined : plans.of(phasePlan(key, name, count), version)
      const prices = plans.pricesOf(listIn(phase['items']), billingPeriod, `subscription ${id}`)
      const span = {
        periods: plans.periodsOf(prices),
        fromNs: instantIn(phase['activeFrom']) ?? startNs,
        untilNs: instantIn(phase['activeTo']),
      }
      if (planned !== undefined && isCovered(planned, prices)) {
        const overrides = prices.filter(price => !isPlanned(planned, price)).map(price => price.wire)
        return { plan: planned.plan, version, ...span, overrides }
      }
      const plan = `subscription:${id}${own.length === 1 ? '' : `:${name}`}`
      plans.addOwn({
        plan,
        version: 1,
        currency: textIn(object['currency']),
        billingPeriod,
        prices,
        note: 'Of one subscription alone',
      })
      return { plan, version: 1, ...span, overrides: [] }
    })
    .sort((a, b) => (a.fromNs < b.fromNs ? -1 : Number(a.fromNs > b.fromNs)))
}

/** The plan has the same prices by name; their terms may be overridden. */
function isCovered({ prices }: ImportedPlan, own: readonly { wire: ForeignObject }[]): boolean {
  const names = new Set(own.map(one => textIn(one.wire['price'])))
  return names.size === prices.length && prices.every(one => names.has(textIn(one.wire['price'])))
}

function isPlanned({ prices }: ImportedPlan, { wire }: { readonly wire: ForeignObject }): boolean {
  return prices.some(one => canonicalJson(one.wire) === canonicalJson(wire))
}
