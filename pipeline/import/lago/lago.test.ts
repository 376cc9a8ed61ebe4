// Lago: what its objects become, and what a comparison says of its fees.

import { expect, test } from 'vitest'
import { compareFiles, importFiles } from '../testing/imported-account.js'
import { events, fee, fees, type LagoAccount, lagoAccount, lagoFiles } from '../testing/lago-account.js'
import { lagoSystem } from './system.js'

// The customer's October begins at midnight in Berlin.
const berlin = '2026-09-30T22:00:00Z/2026-10-31T23:00:00Z'
const compareAccount = (account: LagoAccount) => compareFiles(lagoSystem, lagoFiles(account), berlin)

function reasonsOf({ report }: ReturnType<typeof compareAccount>) {
  return report.prices.flatMap(one => one.parts.map(part => [one.price, part.reason, part.amount]))
}

test('charges become prices, a filter a matrix, and what could not be said is named', () => {
  const { taken, findings } = importFiles(lagoSystem, lagoFiles(lagoAccount), berlin)
  const prices = taken.plans[0]?.prices.map(one => one.wire)
  expect(prices).toMatchObject([
    { price: 'subscription', amount: '100', per: 'subscription', timing: 'in_advance' },
    {
      price: 'storage',
      model: 'graduated',
      tiers: [
        { up_to: '10', unit_amount: '0.5' },
        { up_to: null, unit_amount: '0.3', flat_amount: '2' },
      ],
    },
    {
      price: 'mails',
      model: 'package',
      package_size: '100',
      package_amount: '1.5',
      included: '50',
      minimum: '5',
    },
    { price: 'payouts', model: 'percentage', rate: '1.2', fixed_amount: '0.1', free_events: 1 },
    { price: 'egress', meter: 'egress:region', model: 'matrix', default_unit_amount: '0.09' },
  ])
  expect(taken.lifecycle.find(({ type }) => type === 'weir.subscription.created')?.data).toMatchObject({
    subscription_id: 'sub-1',
    customer_id: 'acme',
    effective_from: '2026-09-30T22:00:00Z',
    timezone: 'Europe/Berlin',
  })
  expect(taken.usage[0]).toMatchObject({
    id: 'e1',
    source: 'lago',
    subscriptionid: 'sub-1',
    time: '2026-10-02T10:00:00.123Z',
  })
  const left = findings.all
    .filter(({ effect }) => effect === 'left_out')
    .map(({ object, id, code }) => [object, id, code])
  expect(left).toEqual([
    ['billable_metric', 'seats', 'carries_over'],
    ['charge', 'odd', 'graduated_percentage'],
  ])
})

test('every model comes to what Lago billed, a minimum with its true-up fee too', () => {
  const found = compareAccount(lagoAccount)
  // Fees by filter are rounded one by one; here 0.71 is rounded once.
  expect(found.report).toMatchObject({ equal: true, totals: [{ currency: 'EUR', difference: '0' }] })
  expect(found.report.prices).toHaveLength(5)
})

test('late events, a change of plan, taxes, coupons and fees of what could not be said have their reasons', () => {
  const late = {
    ...(events[1] as object),
    lago_id: 'late',
    transaction_id: 'late',
    created_at: '2026-11-02T00:00:00Z',
  }
  expect(reasonsOf(compareAccount({ ...lagoAccount, events: [...events, late] }))).toEqual([
    ['storage', 'late_event', '1.05'],
  ])
  const taxed = { ...(fees[1] as object), taxes_amount_cents: 173, precise_coupons_amount_cents: '100.0' }
  const odd = fee('odd', 'odd', 700, '3')
  const added = fee('add', '', 900, '1', {
    lago_charge_id: null,
    item: { type: 'add_on', code: 'setup', name: 'Set-up' },
    external_subscription_id: null,
  })
  expect(
    reasonsOf(compareAccount({ ...lagoAccount, fees: [fees[0]!, taxed, ...fees.slice(2), odd, added] })),
  ).toEqual([
    ['', 'manual_line', '-9'],
    ['odd', 'not_expressible', '-7'],
    ['storage', 'tax', '-1.73'],
    ['storage', 'credit_or_coupon', '1'],
  ])
})

test('usage on the day between two zones is a matter of the period', () => {
  const edge = {
    ...(events[0] as object),
    lago_id: 'edge',
    transaction_id: 'edge',
    timestamp: '2026-10-31T22:30:00Z',
  }
  const utc = { from_date: '2026-09-30T22:00:00Z', to_date: '2026-10-31T21:59:59Z' }
  const early = fees.map(one => ({ ...one, ...utc }))
  const found = compareAccount({ ...lagoAccount, events: [...events, edge], fees: early })
  expect(reasonsOf(found)).toEqual([['storage', 'period_boundary', '3.6']])
})

test('an upgrade is one subscription that is amended, and ends when its last part does', () => {
  const [first] = lagoAccount.subscriptions
  const old = {
    ...first,
    lago_id: 'old',
    plan_code: 'growth',
    terminated_at: '2026-10-10T22:00:00Z',
    status: 'terminated',
  }
  const next = {
    ...first,
    lago_id: 'new',
    started_at: '2026-10-10T22:00:00Z',
    status: 'terminated',
    terminated_at: '2026-10-20T22:00:00Z',
  }
  const { taken } = importFiles(lagoSystem, lagoFiles({ ...lagoAccount, subscriptions: [next, old] }), berlin)
  const told = taken.lifecycle.filter(({ type }) => type.startsWith('weir.subscription'))
  expect(told.map(({ type, data }) => [type, data['effective_from']])).toEqual([
    ['weir.subscription.created', '2026-09-30T22:00:00Z'],
    ['weir.subscription.amended', '2026-10-10T22:00:00Z'],
    ['weir.subscription.cancelled', '2026-10-20T22:00:00Z'],
  ])
})

test('a yearly plan whose charges are billed monthly is one plan with two periods', () => {
  const [plan] = lagoAccount.plans as readonly Record<string, unknown>[]
  const yearly = { ...plan, interval: 'yearly', bill_charges_monthly: true }
  const { taken, findings } = importFiles(lagoSystem, lagoFiles({ ...lagoAccount, plans: [yearly] }), berlin)
  const periods = taken.plans[0]?.prices.map(({ wire }) => [wire['price'], wire['billing_period']])
  expect(taken.plans[0]?.billingPeriod).toBe('year')
  expect(periods?.slice(0, 3)).toEqual([
    ['subscription', undefined],
    ['storage', 'month'],
    ['mails', 'month'],
  ])
  expect(findings.all.map(({ code }) => code)).not.toContain('mixed_intervals')
})

test('fixed charges by tiers are recurring prices with a model; a half-year is a period', () => {
  const [plan] = lagoAccount.plans as readonly Record<string, unknown>[]
  const charge = (charge_model: string, properties: object) => ({
    ...{ lago_id: `fc-${charge_model}`, code: `seats-${charge_model}`, charge_model, properties },
    ...{ units: '12', prorated: true, pay_in_advance: true },
  })
  const ranges = [
    { from_value: 0, to_value: 10, per_unit_amount: '5', flat_amount: '0' },
    { from_value: 11, to_value: null, per_unit_amount: '4', flat_amount: '0' },
  ]
  const fixed_charges = [
    charge('graduated', { graduated_ranges: ranges }),
    charge('volume', { volume_ranges: ranges }),
    charge('odd', {}),
  ]
  const changed = { ...plan, interval: 'semiannual', fixed_charges }
  const { taken, findings } = importFiles(lagoSystem, lagoFiles({ ...lagoAccount, plans: [changed] }), berlin)
  expect(taken.plans[0]?.billingPeriod).toBe('6 month')
  expect(taken.plans[0]?.prices.map(({ wire }) => wire).slice(1, 3)).toMatchObject([
    { price: 'seats-graduated', kind: 'recurring', per: 'unit', default_quantity: '12', model: 'graduated' },
    { price: 'seats-volume', kind: 'recurring', model: 'volume', tiers: [{ up_to: '10' }, { up_to: null }] },
  ])
  expect(findings.all.filter(({ id }) => id === 'seats-odd').map(({ code }) => code)).toEqual([
    'unknown_model',
  ])
})
