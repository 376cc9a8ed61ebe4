// Holds what was read against what Weir takes: the catalog as `weir validate` does, each event as the gateway and the core do.
// Invariant: what comes out is taken as it stands; what is not is a finding with the object it came from.

import { billingPeriodToWire } from '../../schemas/catalog/billing-period.js'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { type CatalogProblem, parseCatalogValue } from '../../schemas/catalog/catalog-parser.js'
import { validateEvent } from '../../schemas/event/cloud-event.js'
import { parseLifecycleEvent } from '../../schemas/lifecycle/lifecycle-event.js'
import { formatInstant, parseInstant } from '../../schemas/time.js'
import { objectIn, textIn } from './fields.js'
import type { Findings } from './findings.js'
import type { Imported, ImportedEvent, ImportedMeter, ImportedPlan, Wire } from './imported.js'

export interface CheckedImport extends Imported {
  readonly catalog: Catalog
}

export function checkImport(imported: Imported, findings: Findings): CheckedImport {
  const meters = imported.meters.filter(meter => isMeterTaken(meter, findings))
  const wires = meters.map(({ wire }) => wire)
  const plans = imported.plans
    .map(plan => takenPlan(plan, wires, findings))
    .filter(plan => plan !== undefined)
  const parsed = parseCatalogValue({ meters: wires, plans: plans.map(planToWire) })
  if (parsed.kind !== 'ok') throw new Error(`The catalog is not valid: ${parsed.problems[0]?.message}`)
  const lifecycle = takenLifecycle(imported.lifecycle, plans, findings)
  const usage = takenUsage(imported.usage, lifecycle, findings)
  return { ...imported, catalog: parsed.catalog, meters, plans, lifecycle, usage }
}

export function planToWire({
  plan,
  version,
  currency,
  billingPeriod,
  proration,
  prices,
}: ImportedPlan): Wire {
  return {
    ...{ plan, version, currency, billing_period: billingPeriodToWire(billingPeriod), proration },
    prices: prices.map(({ wire }) => wire),
  }
}

function isMeterTaken({ wire }: ImportedMeter, findings: Findings): boolean {
  const parsed = parseCatalogValue({ meters: [wire], plans: [] })
  if (parsed.kind === 'ok') return true
  findings.leftOut(
    'meter',
    wire.meter,
    parsed.problems[0]?.path ?? '',
    'refused_by_catalog',
    messageOf(parsed.problems),
  )
  return false
}

/** Without the prices that the catalog refuses; undefined when the plan itself is refused. */
function takenPlan(
  plan: ImportedPlan,
  meters: readonly Wire[],
  findings: Findings,
): ImportedPlan | undefined {
  let prices = plan.prices
  for (;;) {
    const taken = { ...plan, prices }
    const parsed = parseCatalogValue({ meters, plans: [planToWire(taken)] })
    if (parsed.kind === 'ok') return taken
    const [problem] = parsed.problems
    const at = Number(/^\/?plans\/0\/prices\/(\d+)/.exec(problem?.path ?? '')?.[1] ?? Number.NaN)
    const price = prices[at]
    const code = problem?.code === 'unknown_meter' ? 'meter_not_imported' : 'refused_by_catalog'
    if (price === undefined)
      return findings.leftOut('plan', plan.plan, problem?.path ?? '', code, messageOf(parsed.problems))
    findings.leftOut(
      'price',
      textIn(price.wire['price']),
      problem?.path ?? '',
      code,
      messageOf(parsed.problems),
    )
    prices = prices.filter((_, index) => index !== at)
  }
}

function messageOf(problems: readonly CatalogProblem[]): string {
  return problems[0]?.message ?? 'The catalog refuses it.'
}

function takenLifecycle(
  events: readonly ImportedEvent[],
  plans: readonly ImportedPlan[],
  findings: Findings,
): ImportedEvent[] {
  const pricesOf = new Map<string, Set<string>>()
  for (const { plan, prices } of plans) {
    const names = pricesOf.get(plan) ?? new Set<string>()
    for (const { wire } of prices) names.add(textIn(wire['price']))
    pricesOf.set(plan, names)
  }
  const refused = new Set<string>()
  return events.flatMap(event => {
    const subscription = textIn(event.data['subscription_id'])
    if (subscription !== '' && refused.has(subscription)) return []
    const plan = textIn(event.data['plan'])
    if (plan !== '' && !pricesOf.has(plan)) {
      refused.add(subscription)
      findings.leftOut(
        'subscription',
        subscription,
        'plan',
        'plan_not_imported',
        `The plan ${plan} is not there, or could not be said.`,
      )
      return []
    }
    const taken = withKnownPrices(event, pricesOf.get(plan))
    const valid = validateEvent(taken, 0)
    const parsed = valid.kind === 'ok' ? parseLifecycleEvent(valid.value) : valid
    if (parsed.kind === 'ok') return [taken]
    refused.add(subscription)
    const object = subscription === '' ? 'customer' : 'subscription'
    const { code, detail, pointer = '' } = parsed.rejection
    findings.leftOut(object, subscription || event.subject, pointer, code, detail)
    return []
  })
}

/** Quantities and overrides of prices that were left out go with them. */
function withKnownPrices(event: ImportedEvent, prices: ReadonlySet<string> | undefined): ImportedEvent {
  if (prices === undefined) return event
  const { quantities, price_overrides: overrides, ...rest } = event.data
  const kept = Object.entries(objectIn(quantities)).filter(([price]) => prices.has(price))
  const own = Array.isArray(overrides)
    ? overrides.filter(one => prices.has(textIn(objectIn(one)['price'])))
    : []
  return {
    ...event,
    data: {
      ...rest,
      ...(kept.length === 0 ? {} : { quantities: Object.fromEntries(kept) }),
      ...(own.length === 0 ? {} : { price_overrides: own }),
    },
  }
}

/** Usage from when a subscription of its customer is taken over. What came before is billed by the other system. */
function takenUsage(
  usage: readonly ImportedEvent[],
  lifecycle: readonly ImportedEvent[],
  findings: Findings,
): ImportedEvent[] {
  const since = new Map<string, bigint>()
  for (const { type, subject, data } of lifecycle) {
    if (type !== 'weir.subscription.created') continue
    const fromNs = parseInstant(textIn(data['effective_from'])) ?? 0n
    for (const key of [subject, `${subject} ${textIn(data['subscription_id'])}`]) {
      const known = since.get(key)
      if (known === undefined || fromNs < known) since.set(key, fromNs)
    }
  }
  const early = new Map<string, number>()
  const homeless = new Map<string, number>()
  const count = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1)
  const taken = usage.filter(event => {
    const { subject, subscriptionid, id, type } = event
    const valid = validateEvent(event, 0)
    if (valid.kind === 'rejected' || type.startsWith('weir.')) {
      const {
        code,
        detail,
        pointer = '',
      } = valid.kind === 'rejected'
        ? valid.rejection
        : { code: 'invalid_attribute', detail: 'Types that begin with weir. are never usage.' }
      findings.leftOut('event', id, pointer, code, detail)
      return false
    }
    const from = since.get(subscriptionid === undefined ? subject : `${subject} ${subscriptionid}`)
    if (from === undefined) count(homeless, subject)
    else if (valid.value.timeNs < from) count(early, `${subject} from ${formatInstant(from)}`)
    else return true
    return false
  })
  for (const [customer, events] of homeless)
    findings.leftOut(
      'customer',
      customer,
      'events',
      'no_subscription',
      `${events} events of no subscription that was taken.`,
    )
  for (const [customer, events] of early)
    findings.note(
      'customer',
      customer,
      'events',
      'before_first_period',
      `${events} events lie before the first service period that is taken.`,
    )
  return taken
}
