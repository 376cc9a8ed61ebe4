// Tests when a price line is cut, and how segments are cut from it.

import { describe, expect, it } from 'vitest'
import type { SubscriptionChange } from '../../schemas/lifecycle/lifecycle-event.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { endlessNs, formatInstant } from '../../schemas/time.js'
import {
  at,
  base,
  calls,
  catalogOf,
  change,
  priceOf,
  pricesOf,
  seats,
  timelineOf,
} from '../testing/example-subscription.js'
import {
  missingQuantities,
  type PriceLine,
  type SubscriptionPrices,
  segmentAt,
  segmentsBefore,
} from './price-lines.js'

const bytes = { price: 'bytes', kind: 'usage', meter: 'bytes', model: 'per_unit', unit_amount: '2' } as const
const pro = { plan: 'pro', prices: [seats, base, calls] }
const catalog = catalogOf(
  pro,
  { plan: 'max', prices: [seats, { ...base, amount: '199' }, calls, bytes] },
  { plan: 'euro', prices: [calls], currency: 'EUR' },
  { plan: 'yearly', prices: [calls], billing_period: 'year' },
  { plan: 'daily', prices: [calls], proration: 'day' },
  { plan: 'even', prices: [calls], rounding: 'half_even' },
  { plan: 'bare', prices: [base] },
)
const created = change('created', 1, '2026-01-01', { plan: 'pro', quantities: { seats: '5' } })

function span({ fromNs, untilNs }: { readonly fromNs: bigint; readonly untilNs: bigint }): string {
  const text = (ns: bigint) => (ns !== endlessNs ? formatInstant(ns).replace('T00:00:00Z', '') : '')
  return `${text(fromNs)}..${text(untilNs)}`
}

const usageSpans = (prices: SubscriptionPrices, meter = 'calls') => (prices.usage.get(meter) ?? []).map(span)

function recurringSpans(prices: SubscriptionPrices, price: string): string[] {
  return prices.recurring
    .filter(line => line.price.price === price)
    .map(line => `${span(line)} ${formatScaled(line.quantity)} x ${formatScaled(line.price.amount!)}`)
}

describe('segments', () => {
  it('of one line are the same objects whenever they are asked for, in any order', () => {
    const line = pricesOf(catalog, created).usage.get('calls')![0]!
    const months = ['2026-03-05', '2026-01-05', '2026-02-05', '2026-03-07', '2026-01-07', '2026-02-07']
    const found = months.map(day => segmentAt(line, at(day)))
    expect(found.slice(3)).toEqual(found.slice(0, 3))
    for (const i of [0, 1, 2]) expect(found[i + 3]).toBe(found[i])
    expect(new Set(found).size).toBe(3)
  })
})

describe('amendments', () => {
  it('a change of seats leaves usage lines and other recurring lines alone', () => {
    const prices = pricesOf(
      catalog,
      created,
      change('amended', 2, '2026-01-11', { quantities: { seats: '8' } }),
    )
    expect(usageSpans(prices)).toEqual(['2026-01-01..'])
    expect(recurringSpans(prices, 'base')).toEqual(['2026-01-01.. 1 x 99'])
    expect(recurringSpans(prices, 'seats')).toEqual(['2026-01-01..2026-01-11 5 x 20', '2026-01-11.. 8 x 20'])
  })

  it('a change of plan cuts the prices that differ and no price that is equal', () => {
    const prices = pricesOf(catalog, created, change('amended', 2, '2026-01-11', { plan: 'max' }))
    expect(usageSpans(prices)).toEqual(['2026-01-01..'])
    expect(usageSpans(prices, 'bytes')).toEqual(['2026-01-11..'])
    expect(recurringSpans(prices, 'seats')).toEqual(['2026-01-01.. 5 x 20'])
    expect(recurringSpans(prices, 'base')).toEqual(['2026-01-01..2026-01-11 1 x 99', '2026-01-11.. 1 x 199'])
  })

  for (const plan of ['euro', 'yearly', 'daily', 'even']) {
    it(`an equal price in a plan of other terms (${plan}) is cut`, () => {
      const prices = pricesOf(catalog, created, change('amended', 2, '2026-01-11', { plan }))
      expect(usageSpans(prices)).toEqual(['2026-01-01..2026-01-11', '2026-01-11..'])
    })
  }

  it('up and down again on one day makes three lines, and the last starts anew', () => {
    const prices = pricesOf(
      catalog,
      created,
      change('amended', 2, '2026-01-11T09:00:00', { plan: 'max' }),
      change('amended', 3, '2026-01-11T17:00:00', { plan: 'pro' }),
    )
    expect(usageSpans(prices)).toEqual(['2026-01-01..'])
    expect(recurringSpans(prices, 'base')).toEqual([
      '2026-01-01..2026-01-11T09:00:00Z 1 x 99',
      '2026-01-11T09:00:00Z..2026-01-11T17:00:00Z 1 x 199',
      '2026-01-11T17:00:00Z.. 1 x 99',
    ])
  })

  it('a price that the plan drops and takes back is two lines', () => {
    const prices = pricesOf(
      catalog,
      created,
      change('amended', 2, '2026-01-11', { plan: 'bare' }),
      change('amended', 3, '2026-01-21', { plan: 'pro' }),
    )
    expect(usageSpans(prices)).toEqual(['2026-01-01..2026-01-11', '2026-01-21..'])
    expect(recurringSpans(prices, 'base')).toEqual(['2026-01-01.. 1 x 99'])
  })

  it('an entity of its own does not cut a line; the segment shows the version at its start', () => {
    const prices = pricesOf(catalog, created, change('amended', 2, '2026-01-11', { entityId: 'de' }))
    const line = prices.usage.get('calls')![0]!
    expect(usageSpans(prices)).toEqual(['2026-01-01..'])
    expect(segmentAt(line, at('2026-01-20'))?.version.terms.entityId).toBe('')
    expect(segmentAt(line, at('2026-02-01'))?.version.terms.entityId).toBe('de')
  })
})

describe('overrides', () => {
  const dearCalls = priceOf({ ...calls, unit_amount: '0.02' })

  it('one replaces the price of its id, one of a new id is added', () => {
    const extra = priceOf({ ...base, price: 'support', amount: '7' })
    const prices = pricesOf(
      catalog,
      created,
      change('amended', 2, '2026-01-11', { priceOverrides: [dearCalls, extra] }),
    )
    expect(usageSpans(prices)).toEqual(['2026-01-01..2026-01-11', '2026-01-11..'])
    expect(prices.usage.get('calls')![1]!.price).toBe(dearCalls)
    expect(recurringSpans(prices, 'support')).toEqual(['2026-01-11.. 1 x 7'])
  })

  it('one that equals the price of the plan changes nothing', () => {
    const same = priceOf({ ...calls })
    const prices = pricesOf(catalog, created, change('amended', 2, '2026-01-11', { priceOverrides: [same] }))
    expect(usageSpans(prices)).toEqual(['2026-01-01..'])
  })

  it('one that moves a price to another meter ends it on the first', () => {
    const moved = priceOf({ ...calls, meter: 'bytes' })
    const prices = pricesOf(catalog, created, change('amended', 2, '2026-01-11', { priceOverrides: [moved] }))
    expect(usageSpans(prices, 'calls')).toEqual(['2026-01-01..2026-01-11'])
    expect(usageSpans(prices, 'bytes')).toEqual(['2026-01-11..'])
  })
})

describe('status and trial', () => {
  it('a suspension cuts recurring lines and no usage lines', () => {
    const prices = pricesOf(
      catalog,
      created,
      change('suspended', 2, '2026-01-11'),
      change('resumed', 3, '2026-01-21'),
    )
    expect(usageSpans(prices)).toEqual(['2026-01-01..'])
    expect(recurringSpans(prices, 'base')).toEqual(['2026-01-01..2026-01-11 1 x 99', '2026-01-21.. 1 x 99'])
  })

  it('a cancellation ends all lines, and taking it up again begins new ones', () => {
    const prices = pricesOf(
      catalog,
      created,
      change('cancelled', 2, '2026-01-11'),
      change('resumed', 3, '2026-01-21'),
    )
    expect(usageSpans(prices)).toEqual(['2026-01-01..2026-01-11', '2026-01-21..'])
    expect(recurringSpans(prices, 'base')).toEqual(['2026-01-01..2026-01-11 1 x 99', '2026-01-21.. 1 x 99'])
  })

  it('a cancellation that is undone at once cuts nothing', () => {
    const prices = pricesOf(
      catalog,
      created,
      change('cancelled', 2, '2026-01-11'),
      change('resumed', 3, '2026-01-11'),
    )
    expect(usageSpans(prices)).toEqual(['2026-01-01..'])
  })

  it('the end of a trial cuts all lines', () => {
    const prices = pricesOf(
      catalog,
      change('created', 1, '2026-01-01', {
        plan: 'pro',
        quantities: { seats: '5' },
        trialUntil: '2026-01-15',
      }),
    )
    expect(usageSpans(prices)).toEqual(['2026-01-01..2026-01-15', '2026-01-15..'])
    expect(prices.usage.get('calls')!.map(line => line.trial)).toEqual([true, false])
    expect(recurringSpans(prices, 'seats')).toEqual(['2026-01-01..2026-01-15 5 x 20', '2026-01-15.. 5 x 20'])
  })

  it('a trial that ended before the start is none', () => {
    const early = { plan: 'pro', quantities: { seats: '5' }, trialUntil: '2026-01-01' }
    const prices = pricesOf(catalog, change('created', 1, '2026-01-01', early))
    expect(prices.recurring.map(line => line.trial)).toEqual([false, false])
  })
})

describe('discounts', () => {
  const discounted = { ...calls, discount_percent: '10', discount_periods: 2 }
  const plans = catalogOf(
    { plan: 'a', prices: [discounted] },
    { plan: 'b', prices: [calls] },
    { plan: 'c', prices: [{ ...calls, discount_percent: '0', discount_periods: 3 }] },
    { plan: 'd', prices: [{ ...calls, discount_percent: '10', discount_periods: 2_000_000_000 }] },
  )
  const start = (plan: string, anchor = '2026-01-01') => change('created', 1, '2026-01-01', { plan, anchor })
  const percents = (prices: SubscriptionPrices) =>
    prices.usage.get('calls')!.map(line => `${span(line)} ${formatScaled(line.price.discountPercent)}`)

  it('one ends after its billing periods from the anchor, and the line is cut there', () => {
    expect(percents(pricesOf(plans, start('a')))).toEqual(['2026-01-01..2026-03-01 10', '2026-03-01.. 0'])
  })

  it('a part period before the anchor is not counted', () => {
    const prices = pricesOf(plans, start('a', '2026-01-15'))
    expect(percents(prices)).toEqual(['2026-01-01..2026-03-15 10', '2026-03-15.. 0'])
  })

  it('one whose periods lie before the start is never given', () => {
    expect(percents(pricesOf(plans, start('a', '2025-06-01')))).toEqual(['2026-01-01.. 0'])
  })

  it('one that has run out equals a price without any', () => {
    const prices = pricesOf(plans, start('a'), change('amended', 2, '2026-04-10', { plan: 'b' }))
    expect(percents(prices)).toEqual(['2026-01-01..2026-03-01 10', '2026-03-01.. 0'])
  })

  it('one of nothing cuts nothing, and one without end in sight never ends', () => {
    expect(percents(pricesOf(plans, start('c')))).toEqual(['2026-01-01.. 0'])
    expect(percents(pricesOf(plans, start('d')))).toEqual(['2026-01-01.. 10'])
  })
})

describe('quantities', () => {
  it('a price per unit without a quantity is named, also when an override adds it', () => {
    const terms = (...changes: readonly SubscriptionChange[]) => timelineOf(...changes).versions.at(-1)!.terms
    expect(missingQuantities(terms(change('created', 1, '2026-01-01', { plan: 'pro' })), catalog)).toEqual([
      'seats',
    ])
    expect(missingQuantities(terms(created), catalog)).toEqual([])
    const disks = priceOf({ ...seats, price: 'disks' })
    const added = change('amended', 2, '2026-02-01', { priceOverrides: [disks] })
    expect(missingQuantities(terms(created, added), catalog)).toEqual(['disks'])
  })

  it('resolving without it is a bug, not a default', () => {
    expect(() => pricesOf(catalog, change('created', 1, '2026-01-01', { plan: 'pro' }))).toThrow('seats')
    expect(() => pricesOf(catalog, change('created', 1, '2026-01-01', { plan: 'none' }))).toThrow('none 1')
  })

  it('a quantity that stays equal cuts nothing', () => {
    const prices = pricesOf(
      catalog,
      created,
      change('amended', 2, '2026-01-11', { quantities: { seats: '5' } }),
    )
    expect(recurringSpans(prices, 'seats')).toEqual(['2026-01-01.. 5 x 20'])
  })
})

describe('segments', () => {
  const prices = pricesOf(
    catalog,
    change('created', 1, '2026-01-10', { plan: 'pro', quantities: { seats: '5' }, anchor: '2025-12-31' }),
    change('cancelled', 2, '2026-03-10'),
  )
  const line = prices.usage.get('calls')![0]!

  it('a line is cut at the service periods, which count from the anchor', () => {
    expect(segmentsBefore(line, at('2027-01-01')).map(span)).toEqual([
      '2026-01-10..2026-01-31',
      '2026-01-31..2026-02-28',
      '2026-02-28..2026-03-10',
    ])
    expect(segmentsBefore(line, at('2026-02-28')).map(span)).toHaveLength(2)
    expect(segmentsBefore(line, at('2026-01-10'))).toEqual([])
  })

  it('a segment is found by any instant in it, and is the same object each time', () => {
    for (const segment of segmentsBefore(line, at('2027-01-01'))) {
      for (const ns of [segment.fromNs, segment.untilNs - 1n]) expect(segmentAt(line, ns)).toBe(segment)
    }
    expect(segmentAt(line, line.fromNs - 1n)).toBeUndefined()
    expect(segmentAt(line, line.untilNs)).toBeUndefined()
  })

  it('the fraction is that of the whole service period', () => {
    const [first, second, third] = segmentsBefore(line, at('2027-01-01'))
    const days = 86_400_000_000_000n
    expect(first?.fraction).toEqual({ numerator: 21n * days, denominator: 31n * days })
    expect(second?.fraction).toEqual({ numerator: 1n, denominator: 1n })
    expect(third?.fraction).toEqual({ numerator: 10n * days, denominator: 31n * days })
  })

  it('the charge id follows from subscription, price and start alone', () => {
    const other = pricesOf(
      catalog,
      change('created', 1, '2026-01-10', { plan: 'max', quantities: { seats: '1' }, anchor: '2025-12-31' }),
    )
    const id = (one: PriceLine, instant: string) => segmentAt(one, at(instant))?.chargeId
    expect(id(other.usage.get('calls')![0]!, '2026-02-01')).toBe(id(line, '2026-02-01'))
    expect(id(line, '2026-01-20')).not.toBe(id(line, '2026-02-01'))
    expect(id(other.recurring[0]!, '2026-02-01')).not.toBe(id(other.recurring[1]!, '2026-02-01'))
  })

  it('an open line asked for the end of time stops where calendars do', () => {
    const yearly = pricesOf(catalog, change('created', 1, '2199-01-01', { plan: 'yearly' }))
    const open = yearly.usage.get('calls')![0]!
    expect(segmentsBefore(open, endlessNs)).toHaveLength(63)
    expect(formatInstant(segmentsBefore(open, endlessNs).at(-1)!.fromNs)).toBe('2261-01-01T00:00:00Z')
  })
})
