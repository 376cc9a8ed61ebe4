// Random whole catalogs for property tests: every model, aggregation and option, always valid.

import fc from 'fast-check'
import { type Aggregation, aggregationFacts, aggregations } from '../catalog/aggregations.js'
import { type AmountBound, largestBound } from '../catalog/amount-bound.js'
import { type BillingPeriod, billingPeriodOf } from '../catalog/billing-period.js'
import type {
  Catalog,
  Coupon,
  Meter,
  OneOffPrice,
  Plan,
  Price,
  PriceModel,
  RecurringPrice,
  UsagePrice,
} from '../catalog/catalog.js'
import { type GroupBy, groupFault } from '../catalog/group-by.js'
import type { Convert } from '../catalog/meter-convert.js'
import type { MeterFilter } from '../catalog/meter-filter.js'
import type { MeterValue } from '../catalog/meter-value.js'
import { type MeterWindow, overWindows, windowAggregations, windowUnits } from '../catalog/meter-window.js'
import type { CellPrice } from '../catalog/models/matrix-cell.js'
import type { Tier } from '../catalog/models/tiers.js'
import { currencyCodes } from '../money/currency.js'
import { parseDecimal, type Scaled, scaledMax, scaledOne } from '../money/decimal.js'

const name = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9_]{0,12}$/),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }).filter(text => !text.includes('\u0000')),
)
const amount = fc.bigInt({ min: 0n, max: scaledMax })
const unit = fc.constantFrom('day', 'week', 'month', 'quarter', 'year')
const period = fc
  .tuple(fc.integer({ min: 1, max: 100 }), unit)
  .map(([count, of]) => billingPeriodOf(count, of))
const perCent = fc.bigInt({ min: 0n, max: 100n * scaledOne })

function optional<T, K extends string>(
  key: K,
  value: fc.Arbitrary<T>,
): fc.Arbitrary<{ readonly [P in K]?: T }> {
  return fc.option(value).map(some => (some === null ? {} : ({ [key]: some } as { [P in K]: T })))
}

const ownPeriod = optional('billingPeriod', period)

const texts = fc.array(fc.string(), { minLength: 1, maxLength: 3 })
const filter: fc.Arbitrary<MeterFilter> = fc.oneof(
  texts.map(anyOf => ({ anyOf })),
  texts.map(not => ({ not })),
  fc
    .tuple(fc.constantFrom('gt', 'gte'), amount, fc.constantFrom('lt', 'lte'), optional('not', texts))
    .map(([lower, least, upper, not]) => ({ ...not, [lower]: -least, [upper]: least / 2n + 4n })),
)

/** What stands in the place of a plain value, its conversion, and windows. */
const meterValue = fc.record({
  window: fc.option(
    fc.record({ unit: fc.constantFrom(...windowUnits), aggregation: fc.constantFrom(...windowAggregations) }),
  ),
  values: fc.constantFrom(undefined, [['a'], ['b', 'c']], [['x'], ['a'], ['b']]),
  expression: fc.constantFrom(undefined, 'a * 2', ' round(`b-c`.d / 3, 2)', '$.a'),
  convert: fc.constantFrom<Convert | undefined>(
    undefined,
    { divideBy: 1024n * scaledOne },
    { divideBy: scaledOne + 1n, round: { to: 'half_even', places: 12 } },
    { divideBy: 2n * scaledOne, round: { to: 'up', places: 0 } },
  ),
})

function windowOf(aggregation: Aggregation, window: MeterWindow | null): { window?: MeterWindow } {
  return window === null || !overWindows.includes(aggregation) ? {} : { window }
}

function meterValueOf(
  aggregation: Aggregation,
  value: readonly string[],
  { values, expression, convert }: typeof meterValue extends fc.Arbitrary<infer T> ? T : never,
): MeterValue {
  const { reads } = aggregationFacts[aggregation]
  if (reads === 'nothing') return {}
  const operation = aggregation === 'persistent_unique_count' ? { operation: ['op', ...value] } : {}
  if (reads === 'text') return { ...(values === undefined ? { value } : { values }), ...operation }
  return {
    ...(expression === undefined ? { value } : { expression }),
    ...(convert === undefined ? {} : { convert }),
  }
}

const meter: fc.Arbitrary<Omit<Meter, 'meter'>> = fc
  .tuple(
    fc.constantFrom(...aggregations),
    fc.uniqueArray(
      name.filter(text => !text.startsWith('weir.')),
      { minLength: 1, maxLength: 3 },
    ),
    fc.array(fc.stringMatching(/^[a-z]{1,5}$/), { minLength: 1, maxLength: 3 }),
    fc.bigInt({ min: 1n, max: 100n * scaledOne }),
    fc.dictionary(fc.stringMatching(/^[a-z.]{1,6}$/), filter),
    fc.uniqueArray(name, { maxLength: 3 }),
    optional('unit', name),
    fc.boolean(),
    meterValue,
  )
  .map(([aggregation, eventTypes, value, percentile, filters, dimensions, unit, allowNegative, more]) => ({
    eventTypes,
    aggregation,
    ...windowOf(aggregation, more.window),
    ...meterValueOf(windowOf(aggregation, more.window).window?.aggregation ?? aggregation, value, more),
    ...(aggregation === 'percentile' ? { percentile } : {}),
    filters: new Map(Object.entries(filters)),
    dimensions,
    ...unit,
    allowNegative,
  }))

const tiers: fc.Arbitrary<Tier[]> = fc
  .tuple(
    fc.uniqueArray(fc.bigInt({ min: 1n, max: scaledMax }), { maxLength: 4 }),
    fc.array(fc.tuple(amount, amount), { minLength: 5, maxLength: 5 }),
  )
  .map(([bounds, amounts]) =>
    [...bounds.sort((a, b) => (a < b ? -1 : 1)), null].map((upTo, i) => ({
      upTo,
      unitAmount: amounts[i]![0],
      flatAmount: amounts[i]![1],
    })),
  )

const stairstep = tiers.map(list => ({
  model: 'stairstep' as const,
  tiers: list.map(tier => ({ ...tier, unitAmount: 0n })),
}))

const percentage: fc.Arbitrary<PriceModel> = fc
  .tuple(
    amount,
    optional('fixedAmount', amount),
    optional('freeUnits', amount),
    optional('freeEvents', fc.nat()),
  )
  .map(([rate, fixed, units, events]) => ({ model: 'percentage', rate, ...fixed, ...units, ...events }))

const cellModel = fc.oneof(stairstep, fc.record({ model: fc.constant('graduated' as const), tiers }))
const cellPrice: fc.Arbitrary<CellPrice> = fc.oneof(
  amount.map(unitAmount => ({ unitAmount })),
  fc.record({ unitAmount: amount, flatAmount: amount.filter(flat => flat > 0n) }),
  cellModel.map(model => ({ model })),
)

function modelFor(target: Meter): fc.Arbitrary<PriceModel> {
  const models: fc.Arbitrary<PriceModel>[] = [
    fc.record({
      model: fc.constant('per_unit' as const),
      unitAmount: fc.oneof(
        amount,
        amount.map(one => -one),
      ),
    }),
    fc.record({ model: fc.constant('graduated' as const), tiers }),
    fc.record({ model: fc.constant('volume' as const), tiers }),
    stairstep,
    fc.record({
      model: fc.constant('package' as const),
      packageSize: fc.bigInt({ min: 1n, max: scaledMax }),
      packageAmount: amount,
    }),
  ]
  if (aggregationFacts[target.aggregation].quotient || target.operation !== undefined)
    return fc.oneof(...models)
  const isByEvent = target.window === undefined
  if (isByEvent && (target.convert === undefined || target.convert.round !== undefined))
    models.push(percentage)
  if (target.dimensions.length > 0) models.push(matrixOver(target.dimensions))
  return fc.oneof(...models)
}

function matrixOver(dimensions: readonly string[]): fc.Arbitrary<PriceModel> {
  const values = fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 4 })
  const otherwise = fc.oneof(
    optional('defaultUnitAmount', amount),
    fc.record({ default: cellModel.map(model => ({ model })) }),
  )
  return fc.tuple(values, fc.constantFrom(...dimensions), cellPrice, otherwise).map(
    ([texts, dimension, price, fallback]): PriceModel => ({
      model: 'matrix',
      cells: texts.map(text => ({ when: new Map([[dimension, text]]), ...price })),
      ...fallback,
    }),
  )
}

const discount: fc.Arbitrary<{ discountPercent: Scaled; discountPeriods?: number }> = fc
  .tuple(perCent, optional('discountPeriods', fc.integer({ min: 1, max: 100 })))
  .map(([discountPercent, periods]) => ({ discountPercent, ...periods }))

function groupBy(target: Meter): fc.Arbitrary<GroupBy> {
  if (groupFault({ groupBy: target.dimensions }, target) !== undefined || target.dimensions.length === 0)
    return fc.constant({})
  const names = fc.subarray([...target.dimensions], { minLength: 1 })
  return fc.oneof(
    fc.constant({}),
    fc
      .tuple(names, optional('maxGroups', fc.constantFrom(1, 999, 10_000)))
      .map(([by, max]) => ({ groupBy: by, ...max })),
  )
}

function usagePrice(target: Meter): fc.Arbitrary<Omit<UsagePrice, 'price'>> {
  return fc
    .tuple(
      modelFor(target),
      amount,
      discount,
      optional('minimum', amount),
      fc.boolean(),
      ownPeriod,
      groupBy(target),
    )
    .map(([model, included, discounted, minimum, prorate, own, groups]) => ({
      ...groups,
      kind: 'usage',
      meter: target.meter,
      model,
      included,
      ...discounted,
      ...minimum,
      prorate,
      ...own,
    }))
}

const recurringPrice: fc.Arbitrary<Omit<RecurringPrice, 'price'>> = fc
  .tuple(
    amount,
    fc.constantFrom('subscription', 'unit'),
    fc.constantFrom('in_advance', 'in_arrears'),
    discount,
    optional('defaultQuantity', amount),
    ownPeriod,
    optional('included', fc.bigInt({ min: 1n, max: scaledMax })),
    optional('model', fc.oneof(stairstep, fc.record({ model: fc.constant('graduated' as const), tiers }))),
  )
  .map(([value, per, timing, discounted, defaultQuantity, own, included, modelled]) => ({
    kind: 'recurring',
    ...(per === 'unit' && modelled.model !== undefined ? modelled : { amount: value }),
    per,
    ...(per === 'unit' ? { ...defaultQuantity, ...included } : {}),
    timing,
    ...discounted,
    ...own,
  }))

const oneOffPrice: fc.Arbitrary<Omit<OneOffPrice, 'price'>> = fc
  .tuple(amount, fc.constantFrom('subscription', 'unit'), perCent, optional('defaultQuantity', amount))
  .map(([value, per, discountPercent, defaultQuantity]) => ({
    kind: 'one_off',
    amount: value,
    per,
    ...(per === 'unit' ? defaultQuantity : {}),
    timing: 'at_start',
    discountPercent,
  }))

function plan(meters: readonly Meter[]): fc.Arbitrary<Omit<Plan, 'version'>> {
  const price = fc.oneof(recurringPrice, oneOffPrice, ...meters.map(usagePrice))
  const prices = (minLength: number) =>
    fc
      .uniqueArray(fc.tuple(name, price), { minLength, maxLength: 4, selector: ([id]) => id })
      .map(pairs => pairs.map(([id, rest]): Price => ({ price: id, ...rest })))
  const fields = fc.record({
    plan: name,
    currency: fc.constantFrom(...currencyCodes),
    billingPeriod: period,
    proration: fc.constantFrom('second', 'day'),
    rounding: fc.constantFrom('half_up', 'half_even'),
    minimumWhenSuspended: fc.boolean(),
    prices: prices(0),
  })
  const phases = fc.oneof(
    prices(1).map(only => [{ prices: only }]),
    fc.tuple(prices(1), prices(1), fc.boolean()).map(([first, last, isEndless]) => [
      { untilPeriods: 2, prices: first },
      { ...(isEndless ? {} : { untilPeriods: 3 }), prices: last },
    ]),
  )
  const bare = fc
    .tuple(fields, optional('trialDays', fc.constantFrom(1, 14)), optional('phases', phases))
    .map(parts => Object.assign({}, ...parts) as Omit<Plan, 'version'>)
  return fc.tuple(bare, bound, bound).map(([one, least, more]) => {
    const ids = one.prices.map(each => each.price)
    const minimum = least && boundOf(least, ids)
    // No less than the minimum, and over the same prices.
    const maximum = more && { ...boundOf(least ?? more, ids), amount: more.amount + (least?.amount ?? 0n) }
    return {
      ...one,
      ...(minimum === undefined ? {} : { minimum }),
      ...(maximum === undefined ? {} : { maximum }),
    }
  })
}

const bound = fc.option(
  fc.record({
    amount: fc.bigInt({ min: 1n, max: largestBound / 2n }),
    isListed: fc.boolean(),
    own: ownPeriod,
  }),
  { nil: undefined },
)

function boundOf(
  { amount, isListed, own }: { amount: bigint; isListed: boolean; own: { billingPeriod?: BillingPeriod } },
  ids: readonly string[],
): AmountBound {
  return {
    amount,
    ...(isListed && ids.length > 0 ? { appliesTo: ids } : {}),
    ...(own.billingPeriod === undefined ? {} : { period: own.billingPeriod }),
  }
}

function scaled(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(text)
  return parsed.value
}

const coupon: fc.Arbitrary<Omit<Coupon, 'code'>> = fc
  .tuple(
    fc.oneof(
      fc.constantFrom('0.5', '20', '100').map(text => ({ percentOff: scaled(text) })),
      fc.constantFrom(...currencyCodes).map(currency => ({ amountOff: scaled('12.34'), currency })),
      fc.constant({ amountOff: scaled('12.34') }),
    ),
    optional('durationPeriods', fc.integer({ min: 1, max: 100 })),
    optional('fromNs', fc.constant(1_767_225_600_000_000_001n)),
    optional('untilNs', fc.constant(1_767_225_600_500_000_000n)),
    optional('mrr', fc.constantFrom<'net' | 'gross'>('net', 'gross')),
  )
  .map(([off, ...more]) => Object.assign({ ...off }, ...more) as Omit<Coupon, 'code'>)

const coupons: fc.Arbitrary<readonly Coupon[]> = fc
  .uniqueArray(fc.tuple(name, coupon), { maxLength: 2, selector: ([code]) => code })
  .map(pairs => pairs.map(([code, rest]): Coupon => ({ code, ...rest })))

export const catalogArbitrary: fc.Arbitrary<Catalog> = fc
  .uniqueArray(fc.tuple(name, meter), { maxLength: 4, selector: ([id]) => id })
  .map(pairs => pairs.map(([id, rest]): Meter => ({ meter: id, ...rest })))
  .chain(meters =>
    fc.tuple(fc.array(plan(meters), { maxLength: 3 }), coupons).map(([plans, sold]) => ({
      meters,
      plans: plans.map((each, i): Plan => ({ ...each, version: i + 1 })),
      ...(sold.length === 0 ? {} : { coupons: sold }),
    })),
  )
