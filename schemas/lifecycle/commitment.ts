// What a subscription commits itself to: `commitments` of `weir.subscription.created` and `.amended`. Contract section 9.
// Invariant: each has a name of its own in its subscription, by which it is one and the same after an amendment.

import { z } from 'zod'
import { largestBound } from '../catalog/amount-bound.js'
import { type BillingPeriod, billingPeriodField, billingPeriodOfValue } from '../catalog/billing-period.js'
import { closedObject, currencyField, nameField, positiveField } from '../json/wire-fields.js'
import type { Scaled } from '../money/decimal.js'

export const trueUps = ['period_end', 'term_end'] as const
export type TrueUp = (typeof trueUps)[number]

export interface Commitment {
  /** Its name. */
  readonly commitment: string
  /** For each period. */
  readonly amount: Scaled
  /** Absent: the billing period of the plan. */
  readonly period?: BillingPeriod
  /** When what is missing is charged: after each period, or once after the term for all of its periods. */
  readonly trueUp: TrueUp
  /** Ids of prices; absent: all but one-off prices. */
  readonly appliesTo?: readonly string[]
  /** The plan's; absent: whichever that is. */
  readonly currency?: string
}

/** Of one subscription at a time. */
const mostCommitments = 20
/** Prices that one names. */
const mostPrices = 100

const periodField = z
  .unknown()
  .transform((value, context): BillingPeriod => {
    const period = billingPeriodOfValue(value)
    if (period !== undefined) return period
    const message = 'is a period, such as month, or so many of them, as {"count": 3, "unit": "month"}'
    context.addIssue({ code: 'custom', message, params: { code: 'invalid_data' } })
    return z.NEVER
  })
  .meta({ anyOf: (z.toJSONSchema(billingPeriodField) as { anyOf: object[] }).anyOf })

const amountField = positiveField.transform((value, context) => {
  if (value <= largestBound) return value
  context.addIssue({ code: 'custom', message: 'is at most 10^20', params: { code: 'value_out_of_range' } })
  return z.NEVER
})

const commitmentField = closedObject({
  commitment: nameField.meta({ description: 'Its name, which stands where other charges have their price.' }),
  amount: amountField.meta({ description: 'For each period, in the currency of the plan.' }),
  period: periodField.nullish().meta({ description: 'Left out: the billing period of the plan.' }),
  true_up: z.enum(trueUps).meta({
    description: 'After each period, or once after the term for all of its periods.',
  }),
  applies_to: z
    .array(nameField)
    .min(1)
    .max(mostPrices)
    .refine(names => new Set(names).size === names.length, { message: 'names a price twice' })
    .nullish()
    .meta({ description: 'Ids of prices. Left out: all but one-off prices.' }),
  currency: currencyField.nullish().meta({ description: 'That of the plan; another is refused.' }),
})

/** Each name once. An empty list ends them all. */
export const commitmentsField = z
  .array(commitmentField)
  .max(mostCommitments)
  .superRefine((all, context) => {
    const again = all.findIndex(
      (one, index) => all.findIndex(other => other.commitment === one.commitment) < index,
    )
    if (again === -1) return
    const message = `names the commitment ${all[again]!.commitment} twice`
    context.addIssue({ code: 'custom', path: [again], message, params: { code: 'invalid_data' } })
  })
  .nullish()

export function isSameCommitment(a: Commitment, b: Commitment): boolean {
  const isPlain = (['commitment', 'amount', 'period', 'trueUp', 'currency'] as const).every(
    name => a[name] === b[name],
  )
  return isPlain && a.appliesTo?.join('\n') === b.appliesTo?.join('\n')
}

export function commitmentsOf(data: z.output<typeof commitmentsField>): readonly Commitment[] | undefined {
  return data?.map(({ commitment, amount, period, true_up, applies_to, currency }) => ({
    commitment,
    amount,
    ...(period == null ? {} : { period }),
    trueUp: true_up,
    ...(applies_to == null ? {} : { appliesTo: applies_to }),
    ...(currency == null ? {} : { currency }),
  }))
}
