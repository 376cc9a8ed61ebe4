// Random months: four billing runs over charges of several time zones and currencies, with credits and rebills,
// of two entities with calendars of their own.

import fc from 'fast-check'
import { runLines } from '../../../rating/charges/run-lines.js'
import type { AccountingPeriod } from '../../../schemas/accounting-calendar/accounting-calendar.js'
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
/** Lengths of periods from 1 August 2026 on; none: months. The list ends before some schedules do. */
const calendar = fc.record({
  timezone: fc.constantFrom('UTC', 'Pacific/Auckland', 'America/Los_Angeles'),
  lengths: fc.oneof(
    fc.constant([]),
    fc.constant(Array.from({ length: 15 }, (_, n) => (n % 3 === 2 ? 35 : 28))),
    fc.array(fc.integer({ min: 3, max: 50 }), { minLength: 60, maxLength: 60 }),
  ),
})

/** The calendar of an entity as its file has it. */
export function periodsOf(lengths: readonly number[]): readonly AccountingPeriod[] | 'months' {
  if (lengths.length === 0) return 'months'
  const dayOf = (n: number) => new Date(Date.UTC(2026, 7, 1 + n)).toISOString().slice(0, 10)
  let at = 0
  return lengths.map((length, index) => {
    at += length
    return { name: `FY-P${index + 1}`, first: dayOf(at - length), last: dayOf(at - 1) }
  })
}

export const months = fc.record({
  histories: fc.array(
    fc.record({
      beginsAfter: fc.nat(48 * 120),
      timezone: fc.constantFrom('Pacific/Auckland', 'America/Los_Angeles', 'UTC', 'Asia/Kolkata'),
      currency: fc.constantFrom('USD', 'JPY'),
      entity: fc.nat(1),
      states: fc.array(state, { minLength: 1, maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 8 },
  ),
  size: fc.integer({ min: 1, max: 4 }),
  closes: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  again: fc.boolean(),
  /** Of each of the two entities. */
  calendars: fc.tuple(calendar, calendar),
})
export type Months = typeof months extends fc.Arbitrary<infer T> ? T : never

/** The lines of each of the four runs: charges, credits and rebills, of two entities. */
export function linesOf({ histories }: Months, entityIds: readonly string[]): Charge[][] {
  const runs: Charge[][] = cutoffs.map(() => [])
  for (const [index, { beginsAfter, timezone, currency, entity, states }] of histories.entries()) {
    const unit = currency === 'JPY' ? scaledOne : scaledOne / 100n
    const fromNs = nsOf(Date.UTC(2026, 7, 20)) + BigInt(beginsAfter) * halfHourNs
    const entityId = entityIds[entity]!
    let before: { billed: Charge | undefined } | undefined
    for (const [run, one] of states.entries()) {
      const amountRounded = BigInt(one?.units ?? 0) * unit
      const amount = amountRounded + (BigInt(one?.dust ?? 0) * unit) / 10n
      const untilNs = fromNs + BigInt(one?.halfHours ?? 0) * halfHourNs
      const terms = { entityId, timezone, currency, fromNs, untilNs, amount, amountRounded }
      const due = one === null ? undefined : charge(`ch_${index}`, { ...terms, timing: one.timing })
      const { lines, billed } = runLines({ billingRunId: `r_${run}_${entityIds[0]}` }, before, due)
      if (lines.length > 0) before = { billed }
      runs[run]!.push(...lines)
    }
  }
  return runs
}
