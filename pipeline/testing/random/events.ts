// Random events: timelines, usage, retractions, copies, conflicts and invalid events. Instants lie on a
// coarse grid, so that they often coincide. References between events are indices.

import { stringifyJson } from '../../../schemas/json/json-text.js'
import { ExactNumber } from '../../../schemas/money/exact-number.js'
import { formatInstant, later, nsOf } from '../../../schemas/time.js'
import { type CatalogChoice, unique } from './catalogs.js'
import { type Chosen, type ExtraChoice, slots, type UsageChoice } from './choices.js'
import { commitmentsOf } from './commitments.js'
import { dayMs, type Pace } from './paces.js'
import { at, defined } from './picks.js'

export type Wire = Readonly<Record<string, unknown>>

export interface Ranked {
  /** The position of the event in the order of arrival. */
  readonly rank: number
  readonly event: Wire
}

/** Converts slots to instants. */
export function clockOf({ startNs, pace }: { startNs: bigint; pace: Pace }) {
  return (slotNumber: number, jitter = 0n) => startNs + nsOf(Math.round(slotNumber * pace.stepMs)) + jitter
}

export type Clock = ReturnType<typeof clockOf>

export const text = (instantNs: bigint) => formatInstant(instantNs)

export function event(
  id: string,
  source: string,
  type: string,
  subject: string,
  timeNs: bigint | undefined,
  data: Wire,
) {
  const time = timeNs === undefined ? undefined : text(timeNs)
  return defined({ specversion: '1.0', id, source, type, subject, time, data })
}

export function timelineOf(one: Chosen, choice: CatalogChoice, clock: Clock): Ranked[] {
  const sequences = one.subscriptions.map(() => 1)
  const created = one.subscriptions.map((sub, n) => ({
    rank: sub.rank,
    event: changeEvent(`created${n}`, clock(0), `s${n}`, sub.customer, 'created', 1, clock(...sub.from), {
      ...termsOf(choice, ofOneLarge(sub, n), clock),
      ...planOf(choice, sub.plan, sub.isVersioned),
      contract_id: sub.contract,
      timezone: sub.timezone,
    }),
  }))
  const changes = one.changes.map((more, nth) => {
    const n = more.subscription % sequences.length
    const sub = at(one.subscriptions, n)
    const step = one.isOrderly ? Math.max(1, more.step) : more.step
    const sequence = sequences[n]! + step
    sequences[n] = sequence
    const customer = more.stranger && !one.isOrderly ? 'c9' : sub.customer
    const fromNs = clock(...more.from)
    const isCreated = more.kind === 'created'
    const amended = {
      ...termsOf(choice, ofOneLarge(more, n), clock),
      ...(isCreated || more.plan !== undefined
        ? planOf(choice, more.plan ?? 0, more.isVersioned)
        : { plan_version: more.version }),
    }
    const untilNs = later(clock(...(more.until ?? [slots, 0n])), fromNs + nsOf(dayMs))
    const renewed = { effective_until: more.until === null ? null : text(untilNs) }
    const data = more.kind === 'amended' || isCreated ? amended : more.kind === 'renewed' ? renewed : {}
    const id = `change${nth}`
    const sentNs = clock(...(more.sent ?? [0, 0n]))
    return {
      rank: more.rank,
      event: changeEvent(id, sentNs, `s${n}`, customer, more.kind, sequence, fromNs, data),
    }
  })
  return [...created, ...changes]
}

function planOf(choice: CatalogChoice, pick: number, isVersioned: boolean): Wire {
  const { plan, version } = at(choice.plans, pick)
  return { plan, plan_version: isVersioned ? version : undefined }
}

interface TermChoice {
  readonly seats?: unknown
  readonly overrides?: readonly number[] | undefined
  /** Null: the event has none. */
  readonly until?: readonly [number, bigint] | null | undefined
  readonly anchor?: string | undefined
  readonly trial?: readonly [number, bigint] | null | undefined
  readonly entity?: string | undefined
  readonly coupons?: readonly number[] | undefined
  readonly commitments?: Parameters<typeof commitmentsOf>[0] | undefined
  readonly careless: boolean
}

/**
 * If subscriptions exceed a limit together, their order decides which is refused; so only the first one is
 * large.
 */
function ofOneLarge<T extends TermChoice>(choice: T, n: number): T {
  return n === 0 || String(choice.seats).length < 26 ? choice : { ...choice, seats: '5' }
}

function termsOf(
  choice: CatalogChoice,
  {
    seats: quantity,
    overrides,
    until,
    anchor,
    trial,
    entity,
    coupons,
    commitments,
    careless: names,
  }: TermChoice,
  clock: Clock,
): Wire {
  const picked = overrides === undefined ? undefined : unique(overrides.map(pick => at(choice.prices, pick)))
  const hasSeats = names || choice.sold.has('seats')
  const instantOf = (of: readonly [number, bigint] | null | undefined) => of && text(clock(...of))
  return {
    quantities: quantity === undefined || !hasSeats ? undefined : { seats: quantity },
    price_overrides: picked?.filter(price => names || choice.sold.has(price['price'])),
    effective_until: instantOf(until),
    billing_anchor: anchor,
    trial_until: instantOf(trial),
    entity_id: entity,
    coupons: coupons?.map(n => `C${n}`).filter(code => names || choice.coupons.includes(code)),
    commitments:
      commitments &&
      commitmentsOf(
        commitments,
        until != null || names,
        price => names || choice.sold.has(price),
        choice.periods,
      ),
  }
}

function changeEvent(
  id: string,
  sentNs: bigint,
  subscriptionId: string,
  customer: string,
  kind: string,
  sequence: number,
  fromNs: bigint,
  data: Wire,
): Wire {
  const own = event(id, 'crm', `weir.subscription.${kind}`, customer, sentNs, {
    subscription_id: subscriptionId,
    customer_id: customer,
    sequence,
    effective_from: text(fromNs),
    ...defined(data),
  })
  // Some changes carry a correlation id; charges under the others take that of `created`.
  return Number(id.slice(-1)) % 2 === 0 ? { ...own, correlationid: `corr-${id}` } : own
}

export function usageEvent(one: Chosen, usageOf: UsageChoice, n: number, clock: Clock): Wire {
  const { of, stranger, at: when, type, source, pin, tag, ...data } = usageOf
  const customer = stranger ? 'c3' : at(one.subscriptions, of).customer
  const { length } = one.subscriptions
  const pinned = pin === 'own' ? of % length : pin === undefined ? undefined : pin % (length + 1)
  const { rank: _, ...readable } = data
  const more = tag === undefined ? undefined : { tag }
  // Two sources may use the same id; these are two events.
  const id = `u${source === 'app' ? n + 1 : n}`
  const timeNs = when === undefined ? undefined : clock(...when)
  return defined({
    ...event(id, source, type, customer, timeNs, defined({ ...readable, more })),
    subscriptionid: pinned === undefined ? undefined : `s${pinned}`,
    // With a stamped time, a conflict that has another time is a duplicate.
    weirstampedtime: n % 4 === 3 ? true : undefined,
  })
}

export function extraEvent(
  own: readonly Ranked[],
  used: readonly Ranked[],
  more: ExtraChoice,
  n: number,
  clock: Clock,
): Wire {
  const of = at(own, more.of).event
  switch (more.kind) {
    case 'retraction': {
      const target = used.length === 0 ? of : at(used, more.of).event
      const subject = more.stranger ? 'c2' : (target['subject'] as string)
      // Now and then the retracted event is one that nobody sent.
      const id = more.which % 8 === 7 ? 'never' : target['id']
      const data = { event_source: target['source'], event_id: id }
      return event(`r${n}`, 'ops', 'weir.usage.retracted', subject, clock(0), data)
    }
    case 'amendment':
      return amendmentOf(used.length === 0 ? of : at(used, more.of).event, more, n, clock)
    case 'copy': {
      // Keys in another order, numbers in another spelling and data in base64 are the same content.
      const { data, ...rest } = { ...of, data: respelled(of['data']) }
      const text = Buffer.from(stringifyJson(data)).toString('base64')
      const again = more.which % 2 === 0 ? { ...rest, data } : { ...rest, data_base64: text }
      return Object.fromEntries(Object.entries(again).reverse())
    }
    case 'conflict':
      return at(conflictsOf(of, clock), more.which)
    case 'other':
      return at(otherEvents(clock), more.which)(`o${n}`)
    case 'invalid':
      return at(invalidEvents, more.which)(of)
    default:
      return more.kind satisfies never
  }
}

function amendmentOf(target: Wire, more: ExtraChoice, n: number, clock: Clock): Wire {
  const { at: when, brings, n: value, customer, sent } = more.amended
  const time = text(clock(...when))
  const data = defined({ ...(target['data'] as Wire), n: value })
  const type = target['type']
  // Now and then of an event that nobody sent, or by another customer: neither is moved, since one customer would have two
  // events of one identity.
  const id = more.which % 8 === 7 ? 'never' : target['id']
  const isOwn = id !== 'never' && !more.stranger
  const amended = {
    data: { data },
    time: { time },
    subject: { subject: customer },
    all: { type, time, data },
    all_elsewhere: { type, time, data, ...(isOwn ? { subject: customer } : {}) },
    other_type: { type: type === 'use' ? 'other' : 'use', data },
    pin: { subscriptionid: `s${more.which % 3}` },
    none: { withdrawn: true },
  }[brings]
  const subject = more.stranger ? 'c4' : (target['subject'] as string)
  const ours = { event_source: target['source'], event_id: id, ...amended }
  return event(`a${n}`, 'ops', 'weir.usage.amended', subject, clock(sent), ours)
}

/**
 * The same values, with each number written another way, except numbers that the oracle reads as JavaScript
 * integers.
 */
function respelled(value: unknown): unknown {
  if (typeof value === 'number') return new ExactNumber(`${value}e0`)
  if (value instanceof ExactNumber) {
    return new ExactNumber(/[.eE]/.test(value.text) ? value.text : `${value.text}.00`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const isKept = (name: string) => name === 'sequence' || name === 'plan_version'
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, isKept(name) ? member : respelled(member)]),
  )
}

/** Another value, instant or extension: each makes other content. */
const conflictsOf = (of: Wire, clock: Clock) => [
  { ...of, data: { ...(of['data'] as Wire), n: '5', effective_from: text(clock(3)) } },
  // Two numbers that round to the same double.
  { ...of, data: { ...(of['data'] as Wire), n: nextNumber((of['data'] as Wire)['n']) } },
  { ...of, time: text(clock(21, 77n)) },
  { ...of, correlationid: 'other' },
]

function nextNumber(value: unknown): ExactNumber {
  const whole = value instanceof ExactNumber ? /^[0-9]+/.exec(value.text)?.[0] : undefined
  return new ExactNumber(String(BigInt(whole ?? '9007199254740992') + 1n))
}

const otherEvents = (clock: Clock) => [
  (id: string) =>
    event(id, 'crm', 'weir.customer.upserted', 'c1', clock(1), { customer_id: 'c1', name: 'One' }),
  ...[['c1', 'EUR', 2], ['c1', 'USD', 3], ['c2', 'EUR', 1], ['c1', 'GBP', 1] as const].map(
    ([customer, currency, slot]) =>
      (id: string) =>
        event(id, 'crm', 'weir.customer.upserted', String(customer), clock(Number(slot)), {
          customer_id: customer,
          currency,
        }),
  ),
  (id: string) =>
    event(id, 'erp', 'weir.payment.failed', 'c1', clock(1), {
      payment_id: id,
      customer_id: 'c1',
      currency: 'EUR',
      amount: '1',
    }),
  (id: string) =>
    event(id, 'ecb', 'weir.fx_rate.published', 'all', clock(1), {
      base: 'EUR',
      quote: 'USD',
      rate: '1.1',
      effective_from: text(clock(1)),
    }),
  (id: string) => event(id, 'crm', 'weir.subscription.paused', 'c1', clock(1), {}),
  (id: string) => event(id, 'crm', 'weir.subscription.amended', 'c1', clock(1), { subscription_id: 's0' }),
]

const invalidEvents: readonly ((of: Wire) => Wire)[] = [
  of => ({ ...of, subject: '' }),
  of => ({ ...of, time: 'yesterday' }),
  of => ({ ...of, data: [1] }),
  of => ({ ...of, specversion: '0.3' }),
  ({ id: _, ...of }) => of,
]
