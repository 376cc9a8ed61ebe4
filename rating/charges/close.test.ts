// Tests which segments have a charge, its content, and when it is closed and due.

import { describe, expect, it } from 'vitest'
import type { Charge } from '../../schemas/billing/charge.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { formatInstant } from '../../schemas/time.js'
import {
  at,
  base,
  calls,
  catalogOf,
  change,
  pricesOf,
  scaled,
  seats,
} from '../testing/example-subscription.js'
import { chargesOf, dueAt, type UsageTotals } from './close.js'

const catalog = catalogOf({ plan: 'pro', prices: [seats, base, calls] })
const created = change('created', 1, '2026-01-01', {
  plan: 'pro',
  quantities: { seats: '5' },
  entityId: 'de',
  contractId: 'c7',
})
const unused: UsageTotals = () => ({ quantity: 0n, amount: 0n, events: 0 })

function summary(charges: readonly Charge[]): string[] {
  return charges.map(({ price, fromNs, untilNs, quantity, amount, status }) => {
    const [from, until] = [fromNs, untilNs].map(ms => formatInstant(ms).replace('T00:00:00Z', ''))
    return `${price} ${from}..${until} ${formatScaled(quantity)} ${formatScaled(amount)} ${status}`
  })
}

describe('charges as of an instant', () => {
  it('every service period that began has its charges: closed if it ended by then, else open and whole', () => {
    const charges = chargesOf(pricesOf(catalog, created), at('2026-02-10'), unused)
    expect(summary(charges)).toEqual([
      'base 2026-01-01..2026-02-01 1 99 closed',
      'seats 2026-01-01..2026-02-01 5 100 closed',
      'base 2026-02-01..2026-03-01 1 99 open',
      'seats 2026-02-01..2026-03-01 5 100 open',
    ])
  })

  it('a period that begins at the instant has not begun before it, and one that ends at it is closed', () => {
    const charges = chargesOf(pricesOf(catalog, created), at('2026-02-01'), unused)
    expect(charges.map(charge => charge.status)).toEqual(['closed', 'closed'])
    expect(chargesOf(pricesOf(catalog, created), at('2026-01-01'), unused)).toEqual([])
  })

  it('an in-advance charge is the part of the period in which its terms were in force', () => {
    const prices = pricesOf(
      catalog,
      created,
      change('amended', 2, '2026-01-11', { quantities: { seats: '8' } }),
    )
    const charges = chargesOf(prices, at('2026-02-01'), unused).filter(one => one.price === 'seats')
    // 100 x 10/31 = 32.258064516129|03; 160 x 21/31 = 108.387096774193|55
    expect(summary(charges)).toEqual([
      'seats 2026-01-01..2026-01-11 5 32.258064516129 closed',
      'seats 2026-01-11..2026-02-01 8 108.387096774194 closed',
    ])
    expect(charges.map(one => formatScaled(one.amountRounded))).toEqual(['32.26', '108.39'])
  })

  it('a recurring charge in a trial is one of 0', () => {
    const trial = change('created', 1, '2026-01-01', {
      plan: 'pro',
      quantities: { seats: '5' },
      trialUntil: '2026-01-15',
    })
    const charges = chargesOf(pricesOf(catalog, trial), at('2026-01-02'), unused)
    expect(summary(charges)).toEqual([
      'base 2026-01-01..2026-01-15 1 0 open',
      'seats 2026-01-01..2026-01-15 5 0 open',
    ])
  })
})

describe('usage', () => {
  const totals = (events: number, quantity: string, amount: string): UsageTotals => {
    return () => ({ events, quantity: scaled(quantity), amount: scaled(amount) })
  }
  const usageOf = (usage: UsageTotals) =>
    summary(
      chargesOf(pricesOf(catalog, created), at('2026-01-31'), usage).filter(one => one.kind === 'usage'),
    )

  it('unused usage that owes nothing has no charge', () => {
    expect(usageOf(unused)).toEqual([])
  })

  it('unused usage that owes a flat amount or a minimum has one', () => {
    expect(usageOf(totals(0, '0', '10'))).toEqual(['calls 2026-01-01..2026-02-01 0 10 open'])
  })

  it('usage that costs nothing has one', () => {
    expect(usageOf(totals(3, '3', '0'))).toEqual(['calls 2026-01-01..2026-02-01 3 0 open'])
    expect(usageOf(totals(1, '0', '0'))).toEqual(['calls 2026-01-01..2026-02-01 0 0 open'])
  })

  it('a level carried in without events is usage', () => {
    expect(usageOf(totals(0, '4', '0'))).toEqual(['calls 2026-01-01..2026-02-01 4 0 open'])
  })
})

it('a charge says everything about where it comes from', () => {
  const usage: UsageTotals = () => ({ events: 3, quantity: scaled('3'), amount: scaled('0.025') })
  const charges = chargesOf(pricesOf(catalog, created), at('2026-01-31'), usage)
  expect(charges.find(one => one.kind === 'usage')).toEqual({
    chargeId: expect.stringMatching(/^ch_[0-9a-f]{32}$/) as string,
    customerId: 'acme',
    subscriptionId: 'sub_1',
    subscriptionVersion: 1,
    entityId: 'de',
    contractId: 'c7',
    correlationId: '',
    plan: 'pro',
    planVersion: 1,
    price: 'calls',
    meter: 'calls',
    kind: 'usage',
    timing: 'in_arrears',
    fromNs: at('2026-01-01'),
    untilNs: at('2026-02-01'),
    timezone: 'UTC',
    quantity: scaled('3'),
    amount: scaled('0.025'),
    amountRounded: scaled('0.03'),
    currency: 'USD',
    status: 'open',
  })
  expect(charges.find(one => one.price === 'base')).toMatchObject({
    meter: '',
    kind: 'recurring',
    timing: 'in_advance',
  })
})

it('a charge is due when its service period has ended, in advance when it begins', () => {
  const usage: UsageTotals = () => ({ events: 1, quantity: scaled('1'), amount: scaled('1') })
  const charges = chargesOf(pricesOf(catalog, created), at('2026-01-31'), usage)
  const due = charges.map(one => [one.price, one.timing, dueAt(one)])
  expect(due).toContainEqual(['base', 'in_advance', at('2026-01-01')])
  expect(due).toContainEqual(['calls', 'in_arrears', at('2026-02-01')])
})
