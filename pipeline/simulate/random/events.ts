// Random events: timelines, usage, and what comes beside them: retractions, copies, conflicts, and what is not valid.
// Instants lie on a coarse grid, so that they often coincide. What refers to something else does so by index.

import fc from 'fast-check'
import { ExactNumber } from '../../../schemas/exact-number.js'
import { formatInstant, later, nsOf } from '../../../schemas/time.js'
import { at, type CatalogChoice, dayMs, defined, type Pace, unique } from './catalogs.js'

export type Wire = Readonly<Record<string, unknown>>

/** Instants are so many steps of the pace from the start. */
export const slots = 60
const slot = fc.nat({ max: slots - 1 })
const index = fc.nat({ max: 59 })
export const rank = fc.nat({ max: 99 })
/** Some instants lie off the grid, in nanoseconds: by less than a millisecond, so that several share one, or by hours. */
const jitterNs = fc.oneof(
  { weight: 5, arbitrary: fc.constant(0n) },
  { weight: 2, arbitrary: fc.constantFrom(1n, -1n, 999_999n, 100_000n, 1_000_000n, -1_000_000n) },
  { weight: 1, arbitrary: fc.constantFrom(1_800_000_000_000n, 3_600_000_000_001n, 12_345_678_901_234n) },
)
const instant = fc.tuple(slot, jitterNs)
/** Usage is dense, so that a charge has some. */
const usageSlot = fc.integer({ min: 14, max: 40 })
const seldom = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
const sometimes = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

const zones = [
  'UTC',
  'America/New_York',
  'Europe/Berlin',
  'Australia/Lord_Howe',
  'America/Santiago',
  'Asia/Kolkata',
] as const
const anchors = [
  '2026-01-31T00:00:00Z',
  '2025-12-30T23:30:00+02:00',
  '2026-01-29T10:00:00.5Z',
  '2024-02-29T02:30:00Z',
]
const seats = fc.constantFrom<unknown>(
  '1',
  '5',
  '2.5',
  '0',
  new ExactNumber('9007199254740993'),
  `7${'0'.repeat(25)}`,
)

/** Numbers as JSON may write them, whether a double stands for them or not; so many digits before the point. */
const digitsOf = (before: number) =>
  fc
    .record({
      whole: fc.bigInt({ min: 0n, max: 10n ** BigInt(before) - 1n }),
      fraction: fc.oneof(fc.constant(''), fc.stringMatching(/^[0-9]{1,12}$/)),
      zeros: fc.constantFrom('', '', '0', '000000000000000'),
      exponent: fc.constantFrom('', '', 'e0', 'E+0'),
    })
    .map(({ whole, fraction, zeros, exponent }) => {
      const places = fraction === '' ? zeros : `${fraction}${zeros}`
      return `${whole}${places === '' ? '' : `.${places}`}${exponent}`
    })
/** Of up to 32 digits, so that the amounts of a few have room in 38. */
const manyDigits = digitsOf(20).chain(digits =>
  fc.constantFrom<unknown>(new ExactNumber(digits), new ExactNumber(digits), digits),
)
const tooManyDigits = fc
  .constantFrom(...['1e-13', '0.1000000000000000055', '1e999999999', '-1e-999999999', '9e38'])
  .map(text => new ExactNumber(text))
const longIds = fc.constantFrom<unknown>(
  ...['1234567890123456789', '1234567890123456788', '12345678901234567890123456789012345678'].flatMap(id => [
    new ExactNumber(id),
    new ExactNumber(`${id}.0`),
    id,
  ]),
)
/** Whether prices are named that no plan has. */
const careless = fc.constantFrom(...Array<boolean>(14).fill(false), true)

export const subscription = fc.record({
  rank,
  customer: fc.constantFrom('c1', 'c1', 'c2'),
  from: fc.tuple(fc.nat({ max: 15 }), jitterNs),
  plan: index,
  isVersioned: fc.boolean(),
  anchor: seldom(fc.constantFrom(...anchors)),
  timezone: sometimes(fc.constantFrom(...zones)),
  trial: seldom(instant),
  until: seldom(instant),
  seats: fc.oneof({ weight: 3, arbitrary: seats }, { weight: 1, arbitrary: fc.constant(undefined) }),
  overrides: seldom(fc.array(index, { maxLength: 2 })),
  entity: seldom(fc.constantFrom('de', 'us')),
  contract: seldom(fc.constant('k1')),
  careless,
})

export const change = fc.record({
  rank,
  subscription: index,
  kind: fc.constantFrom(
    ...(['amended', 'amended', 'amended', 'amended', 'suspended', 'suspended'] as const),
    ...(['resumed', 'resumed', 'cancelled', 'renewed', 'created'] as const),
  ),
  from: instant,
  /** Else before all that happens. */
  sent: seldom(instant),
  /** 0: the sequence of the change before. */
  step: fc.constantFrom(1, 1, 1, 2, 3, 1, 1, 1, 0),
  plan: sometimes(index),
  isVersioned: fc.boolean(),
  /** A version of whatever plan is in force, where no plan is named. */
  version: seldom(fc.constantFrom(1, 2)),
  seats: sometimes(seats),
  overrides: seldom(fc.array(index, { maxLength: 2 })),
  until: seldom(fc.oneof(instant, fc.constant(null))),
  anchor: seldom(fc.constantFrom(...anchors)),
  trial: seldom(fc.oneof(instant, fc.constant(null))),
  entity: seldom(fc.constantFrom('de', 'us')),
  careless,
  stranger: fc.constantFrom(...Array<boolean>(15).fill(false), true),
})

export const usage = fc.record({
  rank,
  /** Of which subscription it is the customer's; or of nobody's. */
  of: index,
  stranger: fc.constantFrom(...Array<boolean>(14).fill(false), true),
  at: fc.oneof(
    { weight: 15, arbitrary: fc.tuple(usageSlot, jitterNs) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  ),
  type: fc.constantFrom(...Array<string>(14).fill('use'), 'other', 'unknown'),
  source: fc.constantFrom('api', 'api', 'app'),
  pin: fc.oneof(
    { weight: 5, arbitrary: fc.constant(undefined) },
    { weight: 5, arbitrary: fc.constant('own' as const) },
    { weight: 1, arbitrary: index },
  ),
  n: fc.oneof(
    { weight: 16, arbitrary: fc.constantFrom<unknown>('1', '2.5', 3, '0', '12.000000000001', '7', 0.25) },
    { weight: 3, arbitrary: fc.constantFrom<unknown>('-1', -2.5) },
    { weight: 4, arbitrary: manyDigits },
    { weight: 1, arbitrary: tooManyDigits },
    { weight: 1, arbitrary: fc.constantFrom<unknown>('much', '1e30', undefined, null) },
  ),
  user: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom<unknown>('ann', 'bob', 7, '7', new ExactNumber('70e-1')) },
    { weight: 6, arbitrary: longIds },
    { weight: 1, arbitrary: tooManyDigits },
  ),
  model: fc.constantFrom<unknown>('small', 'small', 'large', undefined),
  region: fc.oneof(
    { weight: 16, arbitrary: fc.constantFrom<unknown>('eu', 'eu', 'us', 7, undefined) },
    {
      weight: 6,
      arbitrary: fc.constantFrom<unknown>(
        ...['9007199254740993', '900719925474099.30e1', '9007199254740992', '7.0'].map(
          text => new ExactNumber(text),
        ),
      ),
    },
    { weight: 1, arbitrary: tooManyDigits },
  ),
  tag: fc.constantFrom<unknown>(true, undefined),
})

export const extra = fc.record({
  rank,
  kind: fc.constantFrom('retraction', 'retraction', 'copy', 'copy', 'copy', 'conflict', 'other', 'invalid'),
  of: index,
  stranger: fc.constantFrom(false, false, false, true),
  which: index,
})

type Value<T> = T extends fc.Arbitrary<infer V> ? V : never
type UsageChoice = Value<typeof usage>
type ExtraChoice = Value<typeof extra>

export interface Chosen {
  readonly subscriptions: readonly Value<typeof subscription>[]
  readonly changes: readonly Value<typeof change>[]
  /** Nothing comes late or in two versions. */
  readonly isOrderly: boolean
}

export interface Ranked {
  /** Its place in the order of arrival. */
  readonly rank: number
  readonly event: Wire
}

/** From slots to instants. */
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
  /** Null: there is none. */
  readonly until?: readonly [number, bigint] | null | undefined
  readonly anchor?: string | undefined
  readonly trial?: readonly [number, bigint] | null | undefined
  readonly entity?: string | undefined
  readonly careless: boolean
}

/** Of subscriptions that together come to too much, which one is refused depends on their order: only the first is large. */
function ofOneLarge<T extends TermChoice>(choice: T, n: number): T {
  return n === 0 || String(choice.seats).length < 26 ? choice : { ...choice, seats: '5' }
}

function termsOf(
  choice: CatalogChoice,
  { seats: quantity, overrides, until, anchor, trial, entity, careless: names }: TermChoice,
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
  // Some carry one, so that what others owe falls back to that of the created.
  return Number(id.slice(-1)) % 2 === 0 ? { ...own, correlationid: `corr-${id}` } : own
}

export function usageEvent(one: Chosen, usageOf: UsageChoice, n: number, clock: Clock): Wire {
  const { of, stranger, at: when, type, source, pin, tag, ...data } = usageOf
  const customer = stranger ? 'c3' : at(one.subscriptions, of).customer
  const { length } = one.subscriptions
  const pinned = pin === 'own' ? of % length : pin === undefined ? undefined : pin % (length + 1)
  const { rank: _, ...readable } = data
  const more = tag === undefined ? undefined : { tag }
  // Two sources may use one id, and are two events.
  const id = `u${source === 'app' ? n + 1 : n}`
  const timeNs = when === undefined ? undefined : clock(...when)
  return defined({
    ...event(id, source, type, customer, timeNs, defined({ ...readable, more })),
    subscriptionid: pinned === undefined ? undefined : `s${pinned}`,
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
      // Now and then of an event that nobody sent.
      const id = more.which % 8 === 7 ? 'never' : target['id']
      const data = { event_source: target['source'], event_id: id }
      return event(`r${n}`, 'ops', 'weir.usage.retracted', subject, clock(0), data)
    }
    case 'copy':
      // The keys in another order and the numbers in another spelling are the same content.
      return Object.fromEntries(Object.entries({ ...of, data: respelled(of['data']) }).reverse())
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

/** The same values, each number written in another way; but what the oracle reads as a whole number of JavaScript. */
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

/** Another value, another instant, another extension: each is other content. */
const conflictsOf = (of: Wire, clock: Clock) => [
  { ...of, data: { ...(of['data'] as Wire), n: '5', effective_from: text(clock(3)) } },
  // Two numbers that one double stands for.
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
