// Stripe: what its objects become, and what a comparison says of its invoices.

import { expect, test } from 'vitest'
import { compareFiles, importFiles } from '../testing/imported-account.js'
import {
  equalAccount,
  filesOf,
  invoice,
  line,
  meterEvent,
  november,
  october,
  prices,
  type StripeAccount,
  subscription,
} from '../testing/stripe-account.js'
import { stripeSystem } from './system.js'

const compareAccount = (account: StripeAccount) => compareFiles(stripeSystem, filesOf(account))

function reasonsOf({ report }: ReturnType<typeof compareAccount>) {
  return report.prices.flatMap(one => one.parts.map(part => [one.price, part.reason, part.amount]))
}

test('an account becomes a catalog, events with their ids, and what could not be said is named', () => {
  const { taken, findings } = importFiles(stripeSystem, filesOf(equalAccount()))
  expect(
    taken.plans.map(({ plan, version, prices: all }) => [plan, version, all.map(one => one.wire)]),
  ).toEqual([
    [
      'prod_api',
      1,
      [
        { price: 'price_base', kind: 'recurring', amount: '49', per: 'unit', timing: 'in_advance' },
        {
          price: 'price_calls',
          kind: 'usage',
          meter: 'mtr_calls',
          model: 'package',
          package_size: '2',
          package_amount: '1.5',
        },
        {
          ...{ price: 'price_tokens', kind: 'usage', meter: 'mtr_tokens', model: 'graduated' },
          tiers: [
            { up_to: '1000', unit_amount: '0.003' },
            { up_to: null, unit_amount: '0.0025' },
          ],
        },
      ],
    ],
  ])
  const created = taken.lifecycle.find(({ type }) => type === 'weir.subscription.created')
  expect(created).toMatchObject({
    id: 'subscription:sub_ada:0',
    subject: 'cus_ada',
    data: {
      subscription_id: 'sub_ada',
      plan: 'prod_api',
      effective_from: '2026-10-01T00:00:00Z',
      quantities: { price_base: '1' },
    },
  })
  expect(taken.usage[0]).toMatchObject({ id: 't1', source: 'stripe', type: 'tokens', subject: 'cus_ada' })
  expect(taken.identities).toContainEqual({
    object: 'plan',
    system: 'billing',
    theirs: 'prod_api',
    ours: 'prod_api',
  })
  expect(findings.all.filter(({ effect }) => effect === 'left_out')).toEqual([])
})

test('what both bill alike has no difference', () => {
  const { report } = compareAccount(equalAccount())
  expect(report).toMatchObject({
    equal: true,
    totals: [{ currency: 'USD', theirs: '57.75', ours: '57.75', difference: '0' }],
  })
  expect(report.prices).toHaveLength(3)
})

test('a repeated event that they counted, usage they lack and usage we lack are told apart', () => {
  const account = equalAccount()
  const [base, nov] = account.invoices
  const twice = { ...account, events: [...account.events, account.events[1]!] }
  const counted = invoice('in_nov', 'cus_ada', november + 3600, [
    line('in_nov', 'sub_ada', { id: 'a', amount: 300, price: 'price_tokens', quantity: 1000, unit: '0.3' }),
    line('in_nov', 'sub_ada', { id: 'b', amount: 275, price: 'price_tokens', quantity: 1100, unit: '0.25' }),
    line('in_nov', 'sub_ada', { id: 'c', amount: 450, price: 'price_calls', quantity: 5 }),
  ])
  expect(reasonsOf(compareAccount({ ...twice, invoices: [base!, counted] }))).toEqual([
    ['price_tokens', 'duplicate_counted_there', '-1.5'],
  ])
  const more = {
    ...account,
    events: [...account.events, meterEvent('t3', 'tokens', 'cus_ada', october + 9, '400')],
  }
  expect(reasonsOf(compareAccount({ ...more, invoices: [base!, nov!] }))).toEqual([
    ['price_tokens', 'usage_missing_there', '1'],
  ])
  const less = { ...account, events: account.events.slice(1) }
  expect(reasonsOf(compareAccount({ ...less, invoices: [base!, nov!] }))).toEqual([
    ['price_tokens', 'usage_missing_here', '-2.45'],
  ])
})

test('rounding line by line, tax, credits, items by hand, prorations and other prices have their reasons', () => {
  const account = equalAccount()
  const calls = line('in_nov', 'sub_ada', { id: 'c', amount: 450, price: 'price_calls', quantity: 5 })
  const tokens = [
    line('in_nov', 'sub_ada', { id: 'a', amount: 300, price: 'price_tokens', quantity: 1000, unit: '0.3' }),
    line('in_nov', 'sub_ada', { id: 'b', amount: 126, price: 'price_tokens', quantity: 501, unit: '0.25' }),
  ]
  const events = [...account.events, meterEvent('t3', 'tokens', 'cus_ada', october + 9, '1')]
  const tax = {
    taxes: [{ amount: 931, tax_behavior: 'exclusive' }],
    discount_amounts: [{ amount: 490, discount: 'di' }],
  }
  const base = line('in_oct', 'sub_ada', {
    id: 'il_base',
    amount: 4900,
    price: 'price_base',
    quantity: 1,
    unit: '4900',
    more: tax,
  })
  const byHand = line('in_oct', 'sub_ada', {
    id: 'hand',
    amount: 1000,
    more: {
      parent: {
        type: 'invoice_item_details',
        invoice_item_details: { invoice_item: 'ii', proration: false, subscription: null },
      },
      description: 'Set-up',
    },
  })
  const invoices = [
    invoice('in_oct', 'cus_ada', october, [base, byHand]),
    invoice('in_nov', 'cus_ada', november + 1, [...tokens, calls]),
  ]
  const found = compareAccount({ ...account, events, invoices })
  expect(reasonsOf(found)).toEqual([
    ['', 'manual_line', '-10'],
    ['price_base', 'tax', '-9.31'],
    ['price_base', 'credit_or_coupon', '4.9'],
    // 4.2525 is 4.25 once, and 3.00 + 1.2525 rounded up by line there.
    ['price_tokens', 'rounding', '-0.01'],
  ])
})

test('another price, a part of a period, another quantity and a line that is not there have their reasons', () => {
  const account = equalAccount()
  const dearer = line('in_oct', 'sub_ada', {
    id: 'il',
    amount: 5900,
    price: 'price_base',
    quantity: 1,
    unit: '5900',
  })
  const half = line('in_oct', 'sub_ada', {
    id: 'il',
    amount: 2450,
    price: 'price_base',
    quantity: 1,
    more: {
      parent: {
        type: 'subscription_item_details',
        subscription_item_details: { subscription: 'sub_ada', proration: true },
      },
    },
  })
  const two = line('in_oct', 'sub_ada', {
    id: 'il',
    amount: 9800,
    price: 'price_base',
    quantity: 2,
    unit: '4900',
  })
  const [, nov] = account.invoices
  const withBase = (own: object) =>
    reasonsOf(compareAccount({ ...account, invoices: [invoice('in_oct', 'cus_ada', october, [own]), nov!] }))
  expect(withBase(dearer)).toEqual([['price_base', 'price_differs', '-10']])
  expect(withBase(half)).toEqual([['price_base', 'proration', '24.5']])
  expect(withBase(two)).toEqual([['price_base', 'quantity_differs', '-49']])
  expect(reasonsOf(compareAccount({ ...account, invoices: [nov!] }))).toEqual([
    ['price_base', 'not_billed_there', '49'],
  ])
})

test('seats by tiers are a recurring price with a model, and both bill them alike', () => {
  const account = equalAccount()
  const tiers = [
    { up_to: 5, unit_amount: 700, flat_amount: null },
    { up_to: null, unit_amount: 600, flat_amount: null },
  ]
  const seats = { ...prices.seatsInTiers, tiers }
  const bob = subscription('sub_bob', 'cus_bob', [seats]) as { items: { data: object[] } }
  bob.items.data = bob.items.data.map(item => ({ ...item, quantity: 8 }))
  const bill = invoice('in_bob', 'cus_bob', october, [
    line('in_bob', 'sub_bob', { id: 's', amount: 4800, price: 'price_seats', quantity: 8 }),
  ])
  const changed = {
    ...account,
    prices: [...account.prices.slice(0, -1), seats],
    subscriptions: [...account.subscriptions, bob],
    invoices: [...account.invoices, bill],
  }
  const { taken } = importFiles(stripeSystem, filesOf(changed))
  expect(taken.plans.flatMap(one => one.prices.map(({ wire }) => wire))).toContainEqual({
    ...{ price: 'price_seats', kind: 'recurring', per: 'unit', timing: 'in_advance', model: 'volume' },
    tiers: [
      { up_to: '5', unit_amount: '7' },
      { up_to: null, unit_amount: '6' },
    ],
  })
  expect(reasonsOf(compareAccount(changed))).toEqual([])
})

test('prices of several periods are one plan, taken over when the longest begins a period', () => {
  const account = equalAccount()
  const yearly = {
    ...{ ...prices.base, id: 'price_year' },
    recurring: { interval: 'year', interval_count: 1, usage_type: 'licensed', meter: null },
  }
  const take = (start: number) => {
    const more = { start_date: start, billing_cycle_anchor: start, created: start }
    const changed = {
      ...account,
      prices: [...account.prices, yearly],
      subscriptions: [subscription('sub_ada', 'cus_ada', [yearly, prices.tokens], more)],
    }
    const { taken, findings } = importFiles(stripeSystem, filesOf(changed))
    const created = taken.lifecycle.find(({ type }) => type === 'weir.subscription.created')
    const left = findings.all.filter(({ effect }) => effect === 'left_out').map(({ code }) => code)
    return { plan: taken.plans[0], from: created?.data['effective_from'], left }
  }
  const begun = take(october)
  expect([begun.plan?.billingPeriod, begun.from, begun.left]).toEqual(['month', '2026-10-01T00:00:00Z', []])
  expect(begun.plan?.prices.map(({ wire }) => wire['billing_period'])).toEqual([undefined, 'year'])
  const underWay = take(Date.UTC(2026, 2, 1) / 1000)
  expect([underWay.from, underWay.left]).toEqual(['2027-03-01T00:00:00Z', ['longer_period_under_way']])
})

test('periods that are so many of a unit are said, and 7 days are a week', () => {
  const account = equalAccount()
  const each = (interval: string, interval_count: number) => {
    const recurring = { interval, interval_count, usage_type: 'licensed', meter: null }
    const one = { ...prices.base, recurring }
    const files = filesOf({
      ...account,
      subscriptions: [subscription('sub_ada', 'cus_ada', [one])],
      prices: [one],
    })
    return importFiles(stripeSystem, files).taken.plans.map(({ plan, billingPeriod }) => [
      plan,
      billingPeriod,
    ])
  }
  expect(each('month', 6)).toEqual([['prod_api:6-month', '6 month']])
  expect(each('day', 14)).toEqual([['prod_api:2-week', '2 week']])
  expect(each('year', 1)).toEqual([['prod_api:year', 'year']])
})

test('a price that could not be said is not_expressible with its code', () => {
  const account = equalAccount()
  const divided = { ...prices.seatsInTiers, billing_scheme: 'per_unit', unit_amount: 100, tiers: undefined }
  const roundsDown = { ...divided, transform_quantity: { divide_by: 2, round: 'down' } }
  const seats = subscription('sub_bob', 'cus_bob', [prices.base, roundsDown])
  const bill = invoice('in_bob', 'cus_bob', october, [
    line('in_bob', 'sub_bob', { id: 's', amount: 100, price: 'price_seats', quantity: 1 }),
    line('in_bob', 'sub_bob', { id: 'b', amount: 4900, price: 'price_base', quantity: 1, unit: '4900' }),
  ])
  const found = compareAccount({
    ...account,
    prices: [...account.prices.slice(0, -1), roundsDown],
    subscriptions: [...account.subscriptions, seats],
    invoices: [...account.invoices, bill],
  })
  expect(reasonsOf(found)).toEqual([['price_seats', 'not_expressible', '-1']])
  expect(found.report.prices.find(one => one.price === 'price_seats')?.parts[0]?.evidence).toContain(
    'rounds_down',
  )
})
