// What a line does to the books: roundings, days without a period, parts of nothing.

import { expect, test } from 'vitest'
import { recognise } from '../../rating/recognition/recognise.js'
import { defaultCalendars, monthsInUtc } from '../../schemas/accounting-calendar/accounting-calendar.js'
import { sealBatch } from '../../schemas/billing/billing-batch.js'
import type { Charge } from '../../schemas/billing/charge.js'
import { journalProblems } from '../../schemas/billing/journal-entry.js'
import { scaledOne } from '../../schemas/money/decimal.js'
import { type AccountMapping, parseAccountMapping } from '../../sinks/mapping/account-mapping.js'
import { type PostingRules, postingOf, roundingOf } from './entries.js'
import { placeBy } from './entry-parts.js'
import { charge, cutoffs } from './testing/random-months.js'

const rules = `rules:
  - match: {}
    accounts: { receivable: "1200", revenue: "4000", deferred_revenue: "2400" }
    performance_obligation: subscription
`
const cent = scaledOne / 100n

function mappingOf(text: string): AccountMapping {
  const parsed = parseAccountMapping(text, 'accounts.yaml')
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  return parsed.mapping
}

function rulesOf(text: string, place = placeBy(defaultCalendars, [])): PostingRules {
  return { mapping: mappingOf(text), recognitionOf: one => recognise(one, cutoffs[1]!, monthsInUtc), place }
}

const batchOf = (lines: readonly Charge[]) =>
  sealBatch({ billingRunId: 'r', entityId: '', currency: 'USD', number: 1, of: 1, lines })

test('what rounding down cost goes to the named account in whole cents, and nowhere where none is named', () => {
  const dust = (id: string) => charge(id, { amount: (4n * cent) / 10n, amountRounded: 0n })
  const batch = batchOf(['a', 'b', 'c', 'd'].map(dust)) // 1.6 cents
  const named = rulesOf(`${rules}rounding: { account: "6980", revenue: "4000" }\n`)
  const entry = roundingOf(batch, named)!
  expect(journalProblems(entry)).toEqual([])
  expect(entry).toMatchObject({ kind: 'rounding', chargeId: '', accountingPeriod: '2026-09' })
  expect(entry.lines.map(({ account, role, debit, credit }) => [account, role, debit, credit])).toEqual([
    ['6980', 'rounding', 2n * cent, 0n],
    ['4000', 'revenue', 0n, 2n * cent],
  ])
  expect(roundingOf(batchOf([dust('a')]), named)).toBeUndefined() // less than half a cent
  expect(roundingOf(batch, rulesOf(rules))).toBeUndefined()
})

test('a day for which the calendar has no open period refuses the line, by name', () => {
  const periods = [{ name: 'P1', first: '2026-01-01', last: '2026-01-31' }]
  const calendars = { byEntity: new Map(), others: { ...monthsInUtc, periods } }
  const one = charge('ch', {})
  const posting = postingOf(batchOf([one]), one, rulesOf(rules, placeBy(calendars, [])))
  expect(posting).toMatchObject({ kind: 'refused', code: 'no_accounting_period' })
})

test('a part that rounds to 0 is scheduled and not posted; the others come to the whole', () => {
  const one = charge('ch', { amount: cent, amountRounded: cent })
  const posting = postingOf(batchOf([one]), one, rulesOf(rules))
  if (posting.kind !== 'posting') throw new Error(posting.kind)
  expect(posting.entry.schedule?.map(part => part.amount)).toEqual([0n, cent])
  expect(posting.releases.map(release => [release.accountingDate, release.releases?.part])).toEqual([
    ['2026-10-31', 2],
  ])
})
