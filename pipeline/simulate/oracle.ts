// The oracle that tests hold the core against: contract sections 2 to 4 done the slow and obvious way, with decimal.js,
// over the whole set of events at once. It shares no arithmetic, no timeline and no calendar with rating/.
// Owns a part of the contract: monthly plans in UTC, count and sum, per_unit and graduated, recurring prices by second.

import { Decimal } from 'decimal.js'
import type { OracleCatalog, OracleEvent, OraclePrice } from './oracle-events.js'

const Exact = Decimal.clone({ precision: 120, rounding: Decimal.ROUND_HALF_UP })

export interface OracleCharge {
  readonly subscription: string
  readonly price: string
  readonly from: number
  readonly until: number
  readonly quantity: string
  readonly amount: string
}

export interface OracleAnswer {
  /** Those that come to nothing among them. */
  readonly charges: readonly OracleCharge[]
  readonly counts: {
    rated: number
    parked: number
    dead_lettered: number
    duplicate: number
    applied: number
  }
  mrrAt(instantMs: number): string
}

interface Terms {
  status: string
  plan: string
  quantity: string
  until: number
  trialUntil: number
}

interface Line {
  readonly price: OraclePrice
  readonly from: number
  readonly until: number
  readonly quantity: string
  readonly trial: boolean
}

interface Subscription {
  readonly id: string
  readonly customer: string
  readonly anchor: number
  readonly changes: readonly OracleEvent[]
}

const ms = (value: unknown) => Date.parse(value as string)

export function oracle(
  catalog: OracleCatalog,
  received: readonly OracleEvent[],
  asOfMs: number,
): OracleAnswer {
  const events = [...new Map(received.map(event => [`${event.source} ${event.id}`, event])).values()]
  const counts = {
    rated: 0,
    parked: 0,
    dead_lettered: 0,
    duplicate: received.length - events.length,
    applied: 0,
  }
  const subscriptions = subscriptionsOf(events)
  const lines = new Map(subscriptions.map(one => [one.id, linesOf(one, catalog)]))
  const retracted = new Set(
    events
      .filter(event => event.type === 'weir.usage.retracted')
      .map(event => `${event.data['event_source']} ${event.data['event_id']}`),
  )
  const usage = new Map<string, Decimal[]>()
  for (const event of events) {
    if (event.type.startsWith('weir.')) {
      const isOrphan =
        event.type.startsWith('weir.subscription') &&
        !subscriptions.some(one => one.id === event.data['subscription_id'])
      if (isOrphan) counts.parked += 1
      else counts.applied += 1
    } else if (retracted.has(`${event.source} ${event.id}`)) counts.rated += 1
    else counts[attach(event, catalog, subscriptions, lines, usage)] += 1
  }
  const charges = subscriptions.flatMap(one => chargesOf(one, lines.get(one.id) ?? [], usage, asOfMs))
  return {
    charges,
    counts,
    mrrAt: instantMs =>
      subscriptions
        .flatMap(one => lines.get(one.id) ?? [])
        .filter(line => line.price.kind === 'recurring' && !line.trial)
        .filter(line => line.from <= instantMs && instantMs < line.until)
        .reduce((sum, line) => sum.plus(new Exact(line.price.amount ?? 0).times(line.quantity)), new Exact(0))
        .toFixed(),
  }
}

function subscriptionsOf(events: readonly OracleEvent[]): Subscription[] {
  return events
    .filter(event => event.type === 'weir.subscription.created')
    .map(created => ({
      id: created.data['subscription_id'] as string,
      customer: created.subject,
      anchor: ms(created.data['effective_from']),
      changes: events
        .filter(event => event.type.startsWith('weir.subscription.'))
        .filter(event => event.data['subscription_id'] === created.data['subscription_id'])
        .sort((a, b) => (a.data['sequence'] as number) - (b.data['sequence'] as number)),
    }))
}

function termsAt(subscription: Subscription, atMs: number): Terms | undefined {
  const known = subscription.changes.filter(change => ms(change.data['effective_from']) <= atMs)
  if (!known.some(change => change.type === 'weir.subscription.created')) return undefined
  const terms: Terms = {
    status: 'active',
    plan: '',
    quantity: '0',
    until: Number.POSITIVE_INFINITY,
    trialUntil: Number.NEGATIVE_INFINITY,
  }
  for (const { type, data } of known) {
    if (type.endsWith('.created') || type.endsWith('.resumed')) terms.status = 'active'
    if (type.endsWith('.suspended')) terms.status = 'suspended'
    if (type.endsWith('.cancelled')) terms.status = 'cancelled'
    if (data['plan'] !== undefined) terms.plan = data['plan'] as string
    const quantities = data['quantities'] as Record<string, string> | undefined
    if (quantities?.['seats'] !== undefined) terms.quantity = quantities['seats']
    if (data['effective_until'] !== undefined) terms.until = ms(data['effective_until'])
    if (data['trial_until'] !== undefined) terms.trialUntil = ms(data['trial_until'])
  }
  return terms.status === 'cancelled' || terms.until <= atMs ? undefined : terms
}

/** Maximal stretches of equal terms, price by price. */
function linesOf(subscription: Subscription, catalog: OracleCatalog): Line[] {
  const fields = ['effective_from', 'effective_until', 'trial_until']
  const instants = subscription.changes
    .flatMap(change => fields.map(field => change.data[field]))
    .filter(value => value !== undefined)
    .map(ms)
  const breakpoints = [...new Set(instants)].sort((a, b) => a - b)
  const open = new Map<string, Line>()
  const done: Line[] = []
  for (const [index, from] of breakpoints.entries()) {
    const until = breakpoints[index + 1] ?? Number.POSITIVE_INFINITY
    const terms = termsAt(subscription, from)
    const plan = catalog.plans.find(one => one.plan === terms?.plan)
    const now = new Map<string, Line>()
    for (const price of terms === undefined ? [] : (plan?.prices ?? [])) {
      if (price.kind === 'recurring' && terms?.status === 'suspended') continue
      const quantity = price.kind === 'recurring' && price.per === 'unit' ? terms!.quantity : '1'
      now.set(price.price, { price, from, until, quantity, trial: from < terms!.trialUntil })
    }
    for (const [id, line] of open) {
      const next = now.get(id)
      const same = (one: Line) => JSON.stringify([one.price, one.quantity, one.trial])
      if (next !== undefined && same(next) === same(line)) now.set(id, { ...next, from: line.from })
      else done.push({ ...line, until: from })
    }
    open.clear()
    for (const [id, line] of now) open.set(id, line)
  }
  return [...done, ...open.values()]
}

function attach(
  event: OracleEvent,
  catalog: OracleCatalog,
  subscriptions: readonly Subscription[],
  lines: ReadonlyMap<string, readonly Line[]>,
  usage: Map<string, Decimal[]>,
): 'rated' | 'parked' | 'dead_lettered' {
  const at = ms(event.time)
  const found: { key: string; quantity: Decimal }[] = []
  for (const meter of catalog.meters.filter(one => one.event_type === event.type)) {
    const quantity = meter.aggregation === 'count' ? 1 : (event.data[meter.value ?? ''] as string)
    const candidates = subscriptions
      .filter(one => one.customer === event.subject)
      .filter(one => event.subscriptionid === undefined || event.subscriptionid === one.id)
      .map(one => ({
        one,
        priced: (lines.get(one.id) ?? []).filter(
          line => line.price.meter === meter.meter && line.from <= at && at < line.until,
        ),
      }))
      .filter(candidate => candidate.priced.length > 0)
    if (candidates.length > 1) return 'dead_lettered'
    for (const { one, priced } of candidates) {
      if (termsAt(one, at)?.status === 'suspended') return 'dead_lettered'
      for (const line of priced) {
        const period = periodAt(one.anchor, at)
        const from = Math.max(line.from, period.from)
        found.push({ key: `${one.id} ${line.price.price} ${from}`, quantity: new Exact(quantity) })
      }
    }
  }
  for (const { key, quantity } of found) usage.set(key, [...(usage.get(key) ?? []), quantity])
  return found.length === 0 ? 'parked' : 'rated'
}

function chargesOf(
  subscription: Subscription,
  lines: readonly Line[],
  usage: ReadonlyMap<string, readonly Decimal[]>,
  asOfMs: number,
): OracleCharge[] {
  const charges: OracleCharge[] = []
  for (const line of lines) {
    for (let from = line.from; from < Math.min(line.until, asOfMs); ) {
      const period = periodAt(subscription.anchor, from)
      const until = Math.min(line.until, period.until)
      const share = new Exact(until - from).div(period.until - period.from)
      const events = usage.get(`${subscription.id} ${line.price.price} ${from}`) ?? []
      const quantity =
        line.price.kind === 'recurring'
          ? new Exact(line.quantity)
          : events.reduce((sum, one) => sum.plus(one), new Exact(0))
      const amount = line.trial
        ? new Exact(0)
        : line.price.kind === 'recurring'
          ? new Exact(line.price.amount ?? 0)
              .times(line.quantity)
              .times(until - from)
              .div(period.until - period.from)
          : usageAmount(line.price, quantity, line.price.prorate === true ? share : new Exact(1))
      charges.push({
        subscription: subscription.id,
        price: line.price.price,
        from,
        until,
        quantity: quantity.toFixed(),
        amount: amount.toDecimalPlaces(12).toFixed(),
      })
      from = until
    }
  }
  return charges
}

function usageAmount(price: OraclePrice, quantity: Decimal, share: Decimal): Decimal {
  const units = Decimal.max(0, quantity.minus(new Exact(price.included ?? 0).times(share)))
  if (price.model === 'per_unit') return new Exact(units).times(price.unit_amount ?? 0)
  let amount = new Exact(0)
  let below = new Exact(0)
  for (const [index, tier] of (price.tiers ?? []).entries()) {
    if (index > 0 && units.lte(below)) break
    const top = tier.up_to === null ? units : Decimal.min(units, tier.up_to)
    amount = amount
      .plus(new Exact(top).minus(below).times(tier.unit_amount))
      .plus(new Exact(tier.flat_amount ?? 0).times(share))
    below = new Exact(tier.up_to ?? units)
  }
  return amount
}

/** The month that holds an instant, counted from the anchor; a day that a month lacks becomes its last. */
function periodAt(anchor: number, at: number): { from: number; until: number } {
  const start = new Date(anchor)
  const month = (n: number) => {
    const first = new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + n, 1))
    const last = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0)).getUTCDate()
    const day = Math.min(start.getUTCDate(), last)
    return first.getTime() + (day - 1) * 86_400_000 + (anchor % 86_400_000)
  }
  let n = 0
  while (month(n + 1) <= at) n += 1
  while (month(n) > at) n -= 1
  return { from: month(n), until: month(n + 1) }
}
