// Random months: four billing runs over charges of several time zones and currencies, with credits and rebills.

import fc from 'fast-check'
import { runLines } from '../../../rating/charges/run-lines.js'
import type { Charge } from '../../../schemas/billing/charge.js'
import { scaledOne } from '../../../schemas/money/decimal.js'
import { nsOf } from '../../../schemas/time.js'

const halfHourNs = nsOf(1_800_000)
/** Of each run. */
export const cutoffs: readonly bigint[] = [0, 1, 2, 3].map(month => nsOf(Date.UTC(2026, 9 + month, 1)))

/** A charge of 46 days in advance, unless it is told otherwise. */
export function charge(id: string, more: Partial<Charge>): Charge {
  const whole = { quantity: scaledOne, amount: 31n * scaledOne, amountRounded: 31n * scaledOne }
  const period = {
    fromNs: nsOf(Date.UTC(2026, 8, 16)),
    untilNs: nsOf(Date.UTC(2026, 10, 1)),
    timezone: 'UTC',
  }
  const of = {
    customerId: 'c',
    subscriptionId: 's',
    subscriptionVersion: 1,
    contractId: '',
    correlationId: '',
  }
  const price = {
    plan: 'p',
    planVersion: 1,
    price: 'base',
    meter: '',
    kind: 'recurring',
    timing: 'in_advance',
  }
  const base = {
    chargeId: id,
    entityId: '',
    currency: 'USD',
    status: 'closed',
    ...whole,
    ...period,
    ...of,
    ...price,
  }
  return { ...base, ...more } as Charge
}

const state = fc.option(
  fc.record({
    halfHours: fc.integer({ min: 1, max: 48 * 100 }),
    units: fc.integer({ min: -99_999, max: 99_999 }),
    dust: fc.integer({ min: -4, max: 4 }),
    timing: fc.constantFrom('in_advance' as const, 'in_advance' as const, 'in_arrears' as const),
  }),
)
export const months = fc.record({
  histories: fc.array(
    fc.record({
      beginsAfter: fc.nat(48 * 120),
      timezone: fc.constantFrom('Pacific/Auckland', 'America/Los_Angeles', 'UTC', 'Asia/Kolkata'),
      currency: fc.constantFrom('USD', 'JPY'),
      states: fc.array(state, { minLength: 1, maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 8 },
  ),
  size: fc.integer({ min: 1, max: 4 }),
  closes: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  again: fc.boolean(),
})
export type Months = typeof months extends fc.Arbitrary<infer T> ? T : never

/** The lines of each of the four runs: charges, credits and rebills. */
export function linesOf({ histories }: Months, entityId: string): Charge[][] {
  const runs: Charge[][] = cutoffs.map(() => [])
  for (const [index, { beginsAfter, timezone, currency, states }] of histories.entries()) {
    const unit = currency === 'JPY' ? scaledOne : scaledOne / 100n
    const fromNs = nsOf(Date.UTC(2026, 7, 20)) + BigInt(beginsAfter) * halfHourNs
    let before: { billed: Charge | undefined } | undefined
    for (const [run, one] of states.entries()) {
      const amountRounded = BigInt(one?.units ?? 0) * unit
      const amount = amountRounded + (BigInt(one?.dust ?? 0) * unit) / 10n
      const untilNs = fromNs + BigInt(one?.halfHours ?? 0) * halfHourNs
      const terms = { entityId, timezone, currency, fromNs, untilNs, amount, amountRounded }
      const due = one === null ? undefined : charge(`ch_${index}`, { ...terms, timing: one.timing })
      const { lines, billed } = runLines({ billingRunId: `r_${run}_${entityId}` }, before, due)
      if (lines.length > 0) before = { billed }
      runs[run]!.push(...lines)
    }
  }
  return runs
}
