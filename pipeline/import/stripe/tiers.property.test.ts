// Random prices and usage of Stripe, imported and rated, against Stripe's arithmetic of tiers and packages written down unit by
// unit; and random invoices, of whose differences the parts always add up.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { differenceOf } from '../compare/difference.js'
import { scaled } from '../compare/their-side.js'
import { compareFiles } from '../testing/imported-account.js'
import {
  equalAccount,
  filesOf,
  invoice,
  line,
  meterEvent,
  november,
  october,
  type StripeAccount,
  subscription,
} from '../testing/stripe-account.js'
import { stripeSystem } from './system.js'

const numRuns = Number(process.env['WEIR_IMPORT_RUNS'] ?? '10')

/** Hundredths of a cent, so that prices below a cent come often. */
const amount = fc.nat(5_000)
const tierList = fc.array(fc.record({ width: fc.integer({ min: 1, max: 20 }), unit: amount, flat: amount }), {
  minLength: 1,
  maxLength: 4,
})
const price = fc.oneof(
  fc.record({ scheme: fc.constant('per_unit' as const), unit: amount }),
  fc.record({ scheme: fc.constant('package' as const), unit: amount, size: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ scheme: fc.constantFrom('graduated' as const, 'volume' as const), tiers: tierList }),
)
type Terms = typeof price extends fc.Arbitrary<infer T> ? T : never

const cents = (hundredths: number) =>
  `${Math.floor(hundredths / 100)}.${String(hundredths % 100).padStart(2, '0')}`

function stripePrice(terms: Terms): object {
  const recurring = { interval: 'month', interval_count: 1, usage_type: 'metered', meter: 'mtr_tokens' }
  const base = {
    id: 'price_x',
    object: 'price',
    currency: 'usd',
    type: 'recurring',
    created: 1,
    product: 'prod_x',
    recurring,
    transform_quantity: null,
  }
  if (!('tiers' in terms)) {
    const packed = terms.scheme === 'package' ? { divide_by: terms.size, round: 'up' } : null
    return {
      ...base,
      billing_scheme: 'per_unit',
      unit_amount: null,
      unit_amount_decimal: cents(terms.unit),
      transform_quantity: packed,
    }
  }
  let upTo = 0
  const tiers = terms.tiers.map(({ width, unit, flat }, at) => {
    upTo += width
    const isLast = at === terms.tiers.length - 1
    return { up_to: isLast ? null : upTo, unit_amount_decimal: cents(unit), flat_amount_decimal: cents(flat) }
  })
  return { ...base, billing_scheme: 'tiered', tiers_mode: terms.scheme, tiers }
}

/** In hundredths of a cent, one unit after the other. */
function slowly(terms: Terms, quantity: number): number {
  if (!('tiers' in terms)) {
    if (terms.scheme === 'per_unit') return quantity * terms.unit
    let packages = 0
    while (packages * terms.size < quantity) packages += 1
    return packages * terms.unit
  }
  const ends = terms.tiers.map((_, at) =>
    terms.tiers.slice(0, at + 1).reduce((sum, { width }) => sum + width, 0),
  )
  const tierOf = (unit: number) => {
    const at = ends.findIndex(end => end >= unit)
    return at === -1 ? ends.length - 1 : at
  }
  const last = tierOf(Math.max(1, quantity))
  if (terms.scheme === 'volume') return quantity * terms.tiers[last]!.unit + terms.tiers[last]!.flat
  let sum = 0
  for (let tier = 0; tier <= last; tier += 1) sum += terms.tiers[tier]!.flat
  for (let unit = 1; unit <= quantity; unit += 1) sum += terms.tiers[tierOf(unit)]!.unit
  return sum
}

const billed = fc.array(
  fc.record({
    amount: fc.integer({ min: -500, max: 9_000 }),
    quantity: fc.option(fc.nat(60), { nil: undefined }),
    unit: fc.option(amount, { nil: undefined }),
    tax: fc.nat(300),
    isByHand: fc.boolean(),
  }),
  { maxLength: 3 },
)

test('random tiers come to what they come to unit by unit, and the parts of every difference add up', () => {
  fc.assert(
    fc.property(price, fc.array(fc.nat(30), { maxLength: 4 }), billed, (terms, usage, lines) => {
      const own = stripePrice(terms)
      const bill = lines.map((one, at) =>
        line('in', 'sub', {
          ...{ id: `l${at}`, amount: one.amount, ...(one.isByHand ? {} : { price: 'price_x' }) },
          ...(one.quantity === undefined ? {} : { quantity: one.quantity }),
          ...(one.unit === undefined ? {} : { unit: cents(one.unit) }),
          more: {
            taxes: [{ amount: one.tax, tax_behavior: 'exclusive' }],
            ...(one.isByHand
              ? { parent: { type: 'invoice_item_details', invoice_item_details: { proration: false } } }
              : {}),
          },
        }),
      )
      const account: StripeAccount = {
        ...equalAccount(),
        prices: [own],
        subscriptions: [subscription('sub', 'cus_ada', [own])],
        events: usage.map((value, at) =>
          meterEvent(`e${at}`, 'tokens', 'cus_ada', october + at, String(value)),
        ),
        invoices: [invoice('in', 'cus_ada', november + 1, bill)],
      }
      const { compared, report } = compareFiles(stripeSystem, filesOf(account))
      const quantity = usage.reduce((sum, value) => sum + value, 0)
      const rated = compared.filter(one => one.subscription === 'sub')
      const ours = rated.reduce((sum, one) => sum + one.ours, 0n)
      // A hundredth of a cent is 10^8 of 10^-12; a cent 10^10, and halves go up.
      const exact = BigInt(slowly(terms, quantity)) * 100_000_000n
      expect(ours).toBe(((exact + 5_000_000_000n) / 10_000_000_000n) * 10_000_000_000n)
      for (const one of compared)
        expect(one.parts.reduce((sum, part) => sum + part.amount, 0n)).toBe(differenceOf(one))
      const parts = report.reasons.reduce((sum, one) => sum + scaled(one.amount)!, 0n)
      expect(parts).toBe(report.totals.reduce((sum, one) => sum + scaled(one.difference)!, 0n))
    }),
    { numRuns },
  )
})
