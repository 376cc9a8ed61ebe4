// Random catalogs as they are sent: every aggregation, price model, option and billing period. They are
// always valid and use a small set of prices, so that plans, versions and overrides often share one and an
// amendment often leaves it unchanged.
// Nothing is chained and every choice is an index, so fast-check shrinks each choice separately.

import fc from 'fast-check'
import { ExactNumber } from '../../../schemas/money/exact-number.js'
import { boundsOf, planBounds } from './commitments.js'
import { inSecondCurrency } from './currencies.js'
import { meter, meterWire } from './meters.js'
import { orOneOff } from './one-off-prices.js'
import type { Pace } from './paces.js'
import { everyPrice, phases, phasesOf } from './phases.js'
import { at, defined, index, mostly, often, type Wire } from './picks.js'

/** A part of the catalog: known from the start, or published by an event. */
export interface CatalogPart {
  readonly late: boolean
  readonly meters: readonly Wire[]
  readonly plans: readonly Wire[]
  readonly coupons?: readonly Wire[]
}

const amount = mostly('0.37', '0').chain(one =>
  fc.constantFrom(one, '1', '20', '0.0000025', '99.99', '0.333333333333', '10.005'),
)
const optionalAmount = often(undefined, '3', '0.5', '12.34')

const tiers = fc
  .tuple(
    fc.subarray(['1', '2', '5', '10', '12']),
    fc.array(fc.tuple(amount, optionalAmount), { minLength: 6, maxLength: 6 }),
  )
  .map(([bounds, amounts]) =>
    [...bounds, null].map((up_to, tier) => {
      const [unit_amount, flat_amount] = amounts[tier]!
      return defined({ up_to, unit_amount, flat_amount })
    }),
  )

const percentage = fc
  .record({
    rate: fc.constantFrom('2', '0.5', '100', '33.3'),
    fixed_amount: optionalAmount,
    free_units: often(undefined, '4', '0', '2.5'),
    free_events: often(undefined, 0, 1, 3),
    clamps: often([undefined, undefined], ['0.2', undefined], [undefined, '0.5'], ['0.1', '0.3']),
  })
  .map(({ clamps: [per_event_minimum, per_event_maximum], ...rest }) =>
    defined({ model: 'percentage', ...rest, per_event_minimum, per_event_maximum }),
  )

/**
 * In any order, because only the number of dimensions matters. Two values of one dimension exclude each
 * other.
 */
const cells = fc
  .tuple(
    fc.constantFrom(
      [
        { when: { model: 'small' }, unit_amount: '2' },
        { when: { model: 'large' }, unit_amount: '0.5' },
      ],
      [
        { when: { region: 'eu' }, unit_amount: '0.25' },
        { when: { region: 7 }, unit_amount: '4' },
        { when: { region: new ExactNumber('9007199254740993') }, unit_amount: '1.5' },
      ],
    ),
    fc.constantFrom('first', 'last'),
  )
  .chain(([broad, place]) => {
    const narrow = [
      { when: { model: 'small', region: 'eu' }, unit_amount: '3' },
      { when: { region: 'us', model: 'large' }, unit_amount: '7' },
    ]
    return fc.subarray<Wire>(place === 'first' ? [...broad, ...narrow] : [...narrow, ...broad])
  })

/** Those that a recurring price may have too. */
const quantityModel: fc.Arbitrary<Wire> = fc.oneof(
  tiers.map(list => ({ model: 'graduated', tiers: list })),
  tiers.map(list => ({ model: 'volume', tiers: list })),
  tiers.map(list => ({
    model: 'stairstep',
    tiers: list.map(({ up_to, unit_amount }) => ({ up_to, flat_amount: unit_amount })),
  })),
  fc
    .tuple(fc.constantFrom('3', '0.7', '1'), amount)
    .map(([package_size, package_amount]) => ({ model: 'package', package_size, package_amount })),
)

/** What a cell has instead of its unit amount, or beside it. */
const cellPrice = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constantFrom<Wire>({ flat_amount: '3.1' }, { flat_amount: '0.000000000007' }) },
  { weight: 2, arbitrary: quantityModel },
)

const cellWith = (cell: Wire, price: Wire | undefined): Wire => {
  const { unit_amount: _, ...bare } = cell
  return { ...(price?.['model'] === undefined ? cell : bare), ...price }
}

const matrix = fc
  .tuple(cells, often('5', undefined), fc.array(cellPrice, { minLength: 6, maxLength: 6 }))
  .map(([some, more, prices]) => {
    const unitAmount = some.length === 0 ? '1' : more
    const isPlain = unitAmount === undefined || prices[5] === undefined
    return defined({
      model: 'matrix',
      cells: some.map((cell, n) => cellWith(cell, prices[n])),
      default_unit_amount: isPlain ? unitAmount : undefined,
      default: isPlain ? undefined : cellWith({ unit_amount: unitAmount }, prices[5]),
    })
  })

const model: fc.Arbitrary<Wire> = fc.oneof(
  amount.map(unit_amount => ({ model: 'per_unit', unit_amount })),
  fc
    .constantFrom('-0.01', '-3.000000000001')
    .map(unit_amount => ({ model: 'per_unit', unit_amount, allow_negative: true })),
  quantityModel,
  quantityModel,
  quantityModel,
  percentage,
  matrix,
)

const discount = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('10', '100', '33.3', '0'), often(undefined, 1, 2))
      .map(([discount_percent, discount_periods]) => defined({ discount_percent, discount_periods })),
  },
)

const proration = fc.constantFrom<unknown>(
  ...['second', 'day', 'second', 'day', 'none'],
  ...[
    { on_increase: 'second', on_decrease: 'none' },
    { on_increase: 'none', on_decrease: 'day' },
  ],
)

/** An index of the pace's own periods. */
const ownPeriod = often<number | undefined>(undefined, 0, 1, 2, 3, 4)

/** Parts are counted where they are asked for, and never both ways. */
const ofUsage = (own: string | undefined, prorate: boolean | undefined) =>
  (own === 'none') === (prorate === true) ? undefined : own

const usagePrice = fc
  .record({
    id: fc.constantFrom('ua', 'ub', 'uc'),
    meter: index,
    model,
    included: often(undefined, '2', '0.5', '10'),
    discount,
    minimum: often(undefined, '4', '0.1'),
    maximum: often(undefined, '6', '40'),
    prorate: often(undefined, true, false),
    ownProration: mostly(undefined, 'day', 'none'),
    own: ownPeriod,
    groupBy: often<readonly string[] | undefined>(undefined, ['model'], ['region'], ['region', 'model']),
  })
  .map(
    ({ id, meter: meterIndex, model: wireModel, discount: less, own, ownProration, groupBy, ...rest }) => ({
      meterIndex,
      own,
      groupBy,
      wire: {
        price: id,
        kind: 'usage',
        ...wireModel,
        ...defined({ ...rest, proration: ofUsage(ownProration, rest.prorate) }),
        ...less,
      },
    }),
  )

const recurringPrice = fc
  .record({
    price: fc.constantFrom('base', 'seats', 'ub'),
    amount,
    timing: fc.constantFrom('in_advance', 'in_arrears'),
    discount,
    defaultQuantity: often(undefined, '3', '0'),
    model: fc.oneof(fc.constant(undefined), quantityModel),
    included: often(undefined, '2', '0.5'),
    proration: fc.oneof(fc.constant(undefined), proration),
    own: ownPeriod,
  })
  .map(({ discount: less, amount: each, defaultQuantity, model: priced, included, own, ...rest }) => ({
    own,
    wire: {
      kind: 'recurring',
      ...defined(rest),
      ...(rest.price === 'seats'
        ? defined({
            per: 'unit',
            default_quantity: defaultQuantity,
            included,
            ...(priced ?? { amount: each }),
          })
        : { per: 'subscription', amount: each }),
      ...less,
    } as Wire,
  }))

const plan = fc.record({
  prices: fc.array(index, { minLength: 1, maxLength: 4, size: 'max' }),
  period: often(0, 1, 2, 3),
  proration,
  rounding: often(undefined, 'half_even'),
  minimum_when_suspended: often(undefined, true, false),
  currency: often('USD', 'EUR', 'JPY', 'BHD'),
  phases,
  hasSecondCurrency: often(false, true),
  trial: mostly<Wire | undefined>(undefined, { days: 1 }, { days: 10 }, { days: 40 }),
  bounds: planBounds,
  late: mostly(false, true),
})

/** Without an end, for some periods, between dates; of all prices or of some; several are stacked. */
const coupon = fc.record({
  off: fc.constantFrom<Wire>(
    ...[{ percent_off: '20' }, { percent_off: '33.3' }, { percent_off: '100' }],
    ...[
      { amount_off: '5', currency: 'USD' },
      { amount_off: '0.01', currency: 'USD' },
    ],
    ...[
      { amount_off: '30.000000000001', currency: 'USD' },
      { amount_off: '7', currency: 'EUR' },
      { amount_off: '11' },
    ],
  ),
  applies_to: often<readonly string[] | undefined>(
    undefined,
    ['base'],
    ['ua', 'seats'],
    ['ub', 'uc', 'base', 'setup'],
  ),
  duration_periods: often(undefined, 1, 2),
  dates: mostly<Wire>(
    {},
    ...[{ from: '2026-02-14T00:00:00Z' }, { from: '2026-10-05T10:00:00.5Z', until: '2027-02-10T00:00:00Z' }],
    ...[{ until: '2026-04-03T00:00:00Z' }, { from: '2026-03-01T00:00:00Z', until: '2026-10-20T00:00:00Z' }],
  ),
  mrr: mostly<string | undefined>(undefined, 'net', 'gross'),
  late: mostly(false, true),
})

export const catalogShape = fc.record({
  /**
   * `totals`: sums and counts at prices that depend only on a quantity, which are rated on running totals.
   * `levels`: few meters, all with a level, so that changes of price, plan and model meet on the same meter.
   */
  focus: fc.constantFrom('any', 'any', 'totals', 'levels'),
  meters: fc.array(meter, { minLength: 1, maxLength: 4, size: 'max' }),
  usage: fc.array(usagePrice, { minLength: 2, maxLength: 5, size: 'max' }),
  recurring: fc.array(orOneOff(recurringPrice), { minLength: 1, maxLength: 3 }),
  plans: fc.array(plan, { minLength: 1, maxLength: 3, size: 'max' }),
  coupons: fc.array(coupon, { maxLength: 3, size: 'max' }),
})

type Shape = typeof catalogShape extends fc.Arbitrary<infer T> ? T : never

/** What the indices of a timeline refer to. */
export interface CatalogChoice {
  readonly plans: readonly { readonly plan: string; readonly version: number }[]
  readonly prices: readonly Wire[]
  /** The ids of prices that some plan has; a change can name no other price. */
  readonly sold: ReadonlySet<unknown>
  /** Codes of coupons. */
  readonly coupons: readonly string[]
  /** Periods beside those of plans. */
  readonly periods: readonly unknown[]
  /** The first part is known from the start. */
  readonly parts: readonly CatalogPart[]
}

/** `whole`: whether all of the catalog is known from the start. */
export function catalogOf(shape: Shape, pace: Pace, whole: boolean): CatalogChoice {
  const metersOf = shape.focus === 'levels' ? shape.meters.slice(0, 2) : shape.meters
  const isByEvents = new Set(
    shape.usage.filter(one => !isOfOneQuantity(one.wire)).map(one => one.meterIndex % metersOf.length),
  )
  const meters = metersOf.map((one, n) => ({
    late: one.late && !whole,
    wire: meterWire(one, n, shape.focus, !isByEvents.has(n)),
  }))
  const withOwn = (wire: Wire, own: number | undefined): Wire =>
    defined({ ...wire, billing_period: own === undefined ? undefined : at(pace.own, own) })
  const isLateMeter = (id: unknown) => meters.some(one => one.late && one.wire['meter'] === id)
  const usage = shape.usage
    .map(one => {
      const { aggregation, operation, meter: id } = at(meters, one.meterIndex).wire
      const isOfAll = ofAllUsage.has(aggregation) || operation !== undefined
      const isGrouped = shape.focus !== 'totals' && !isOfAll
      return withOwn({ ...one.wire, meter: id, group_by: isGrouped ? one.groupBy : undefined }, one.own)
    })
    .filter((price, n) => n === 0 || shape.focus !== 'totals' || isOfOneQuantity(price))
  const recurring = shape.recurring.map(one => withOwn(one.wire, one.own))
  const prices: Wire[] = [...usage, ...recurring].sort((a, b) => order(a) - order(b))
  const plans = shape.plans.map((one, n) => {
    const { prices: picks, period, late, phases: ramp, bounds, hasSecondCurrency, ...rest } = one
    const sold = (price: Wire) => (hasSecondCurrency ? inSecondCurrency(price, rest.currency) : price)
    const own = unique([at(usage, picks[0]!), ...picks.map(pick => at(prices, pick))])
    // Two versions of one plan.
    const names = { plan: n === 2 ? 'b' : 'a', version: n === 1 ? 2 : 1 }
    const more = {
      billing_period: at(pace.periods, period),
      phases: phasesOf(ramp, pick => sold(at(prices, pick))),
      // Minimums and maximums of a plan are in one currency.
      ...(hasSecondCurrency ? {} : boundsOf(bounds, own, pace.own)),
    }
    const wire = defined({ ...names, ...rest, ...more, prices: own.map(sold) })
    return {
      late: (late && !whole) || everyPrice(wire).some(price => isLateMeter(price['meter'])),
      names,
      wire,
    }
  })
  const coupons = couponsOf(shape, plans, whole)
  const initial = {
    late: false,
    meters: meters.filter(one => !one.late).map(one => one.wire),
    plans: plans.filter(one => !one.late).map(one => one.wire),
    coupons: coupons.filter(one => !one.late).map(one => one.wire),
  }
  const lateMeters = meters.filter(one => one.late)
  const lateParts = [
    ...lateMeters.map(one => ({ late: true, meters: [one.wire], plans: [] })),
    ...plans.filter(one => one.late).map(one => ({ late: true, meters: [], plans: [one.wire] })),
    ...coupons
      .filter(one => one.late)
      .map(one => ({ late: true, meters: [], plans: [], coupons: [one.wire] })),
  ]
  const names = {
    plans: plans.map(one => one.names),
    coupons: coupons.map(one => one.wire['code'] as string),
    periods: pace.own,
  }
  return { ...names, prices, sold: soldBy(plans), parts: [initial, ...lateParts] }
}

function soldBy(plans: readonly { readonly wire: Wire }[]): Set<unknown> {
  return new Set(plans.flatMap(one => everyPrice(one.wire).map(price => price['price'])))
}

/** A coupon known from the start names prices of plans known from the start. */
function couponsOf(
  shape: Shape,
  plans: readonly { readonly late: boolean; readonly wire: Wire }[],
  whole: boolean,
): { readonly late: boolean; readonly wire: Wire }[] {
  return shape.coupons.map(({ off, dates, late, applies_to: prices, ...rest }, n) => {
    const isLate = late && !whole
    const sold = soldBy(plans.filter(one => isLate || !one.late))
    const named = prices?.filter(price => sold.has(price)) ?? []
    const appliesTo = named.length === 0 ? undefined : named
    return {
      late: isLate,
      wire: defined({ code: `C${n}`, ...off, ...dates, applies_to: appliesTo, ...rest }),
    }
  })
}

/** They are not of groups. */
const ofAllUsage: ReadonlySet<unknown> = new Set(['weighted_sum', 'time_average', 'average'])

function isOfOneQuantity({ model: name }: Wire): boolean {
  return name !== 'percentage' && name !== 'matrix'
}

/** A sort key that alternates usage and recurring prices, so that a few picks contain both. */
function order(price: Wire): number {
  return ['ua', 'base', 'ub', 'seats', 'uc', 'setup'].indexOf(price['price'] as string)
}

/** Keeps the first item of each id. */
export function unique(prices: readonly Wire[]): Wire[] {
  return [...new Map(prices.toReversed().map(price => [price['price'], price])).values()].reverse()
}
