// Tax that a source gave with a charge, and what becomes of prepaid credits, in the books.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runLines } from '../../rating/charges/run-lines.js'
import { recognise } from '../../rating/recognition/recognise.js'
import { defaultCalendars, monthsInUtc } from '../../schemas/accounting-calendar/accounting-calendar.js'
import { batchFromWire, batchToWire, sealBatch } from '../../schemas/billing/billing-batch.js'
import type { Charge } from '../../schemas/billing/charge.js'
import {
  type JournalEntry,
  journalEntrySchema,
  journalProblems,
  journalToWire,
  type PrepaidAct,
} from '../../schemas/billing/journal-entry.js'
import { scaledOne } from '../../schemas/money/decimal.js'
import { nsOf } from '../../schemas/time.js'
import { type AccountMapping, parseAccountMapping } from '../../sinks/mapping/account-mapping.js'
import { chunkOf } from './chunk.js'
import { type PostingRules, postingOf } from './entries.js'
import { placeBy } from './entry-parts.js'
import { type PrepaidMove, prepaidEntryOf } from './other-entries.js'
import { charge, cutoffs } from './testing/random-months.js'

const text = `rules:
  - match: {}
    accounts: { receivable: "1200", revenue: "4000", deferred_revenue: "2400" }
    performance_obligation: subscription
    segments: { cost_centre: "7" }
tax:
  - match: { jurisdiction: US-CA }
    accounts: { tax: "2210" }
    segments: { region: west }
  - match: { tax_code: VAT, currency: USD }
    accounts: { tax: "2200" }
prepaid:
  - match: { entity_id: de }
    accounts: { receivable: "1200", contract_liability: "2500", breakage: "4900" }
    segments: { cost_centre: "9" }
`
const cent = scaledOne / 100n
const place = placeBy(defaultCalendars, [])

function mappingOf(source: string): AccountMapping {
  const parsed = parseAccountMapping(source, 'accounts.yaml')
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  return parsed.mapping
}

const mapping = mappingOf(text)
const rules: PostingRules = {
  mapping,
  recognitionOf: one => recognise(one, cutoffs[1]!, monthsInUtc),
  place,
}
const batchOf = (lines: readonly Charge[]) =>
  sealBatch({ billingRunId: 'r', entityId: '', currency: 'USD', number: 1, of: 1, lines })
const linesOf = ({ lines }: JournalEntry) =>
  lines.map(({ account, role, debit, credit }) => [account, role, debit / cent, credit / cent])

const taxed = charge('ch', {
  taxLines: [
    { taxCode: 'SALES', jurisdiction: 'US-CA', amount: 225n * cent },
    { taxCode: 'VAT', jurisdiction: 'DE', amount: 19n * cent },
    { taxCode: 'GONE', jurisdiction: 'XX', amount: 0n },
  ],
})

test('tax that came with a charge is an entry beside that of the charge, each tax on its account, as it stands in the batch', () => {
  const read = batchFromWire(JSON.parse(JSON.stringify(batchToWire(batchOf([taxed])))))
  if (read.kind === 'rejected') throw new Error(read.rejection.detail)
  expect(read.value.lines[0]?.taxLines).toEqual(taxed.taxLines)
  const { entries } = chunkOf(read.value, 'e', 0, rules)
  expect(entries.map(({ kind }) => kind)).toEqual(['journal', 'tax'])
  const [own, tax] = entries as [JournalEntry, JournalEntry]
  expect(own.lines[0]?.debit).toBe(31n * scaledOne)
  expect(linesOf(tax)).toEqual([
    ['1200', 'receivable', 225n, 0n],
    ['2210', 'tax', 0n, 225n],
    ['1200', 'receivable', 19n, 0n],
    ['2200', 'tax', 0n, 19n],
  ])
  expect([...tax.lines[1]!.segments]).toEqual([
    ['cost_centre', '7'],
    ['region', 'west'],
  ])
  expect(journalProblems(tax)).toEqual([])
  expect(tax).toMatchObject({ chargeId: 'ch', accountingDate: own.accountingDate })
  expect(tax.schedule).toBeUndefined()
  expect(tax.journalId).not.toBe(own.journalId)
})

test('a credit takes the tax back with the charge: over both, every account comes to 0', () => {
  const { lines } = runLines({ billingRunId: 'r2' }, { billed: taxed }, undefined)
  const { entries } = chunkOf(batchOf([taxed, ...lines]), 'e', 0, rules)
  expect(entries.map(({ kind }) => kind)).toEqual(['journal', 'tax', 'journal', 'tax'])
  const sums = new Map<string, bigint>()
  for (const line of entries.flatMap(entry => entry.lines))
    sums.set(line.account, (sums.get(line.account) ?? 0n) + line.debit - line.credit)
  expect([...sums.values()]).toEqual([0n, 0n, 0n, 0n])
  expect(entries.flatMap(journalProblems)).toEqual([])
})

test('a tax that no rule maps, that is finer than a cent, or that stands on a charge of 0 refuses its line alone, by name', () => {
  const line = (jurisdiction: string, amount: bigint, more: Partial<Charge> = {}) =>
    charge('ch', { taxLines: [{ taxCode: 'SALES', jurisdiction, amount }], ...more })
  const posted = (one: Charge) => postingOf(batchOf([one]), one, rules)
  const unmapped = posted(line('US-NV', cent))
  expect(unmapped).toMatchObject({ kind: 'refused', code: 'no_account_mapping' })
  expect(unmapped).toMatchObject({ detail: expect.stringContaining('SALES of US-NV, 0.01, currency USD') })
  expect(posted(line('US-CA', cent / 2n))).toMatchObject({ kind: 'refused', code: 'invalid_tax_line' })
  expect(posted(line('US-CA', cent, { amountRounded: 0n }))).toMatchObject({ code: 'invalid_tax_line' })
  expect(posted(line('US-NV', 0n))).toMatchObject({ kind: 'posting' })
  expect(posted(line('US-NV', 0n, { amountRounded: 0n }))).toEqual({ kind: 'nothing' })
})

const move = (act: PrepaidAct, amount: bigint, more: Partial<PrepaidMove> = {}): PrepaidMove => ({
  ...{
    moveId: `${act} ${amount}`,
    act,
    creditId: 'cr_1',
    entityId: 'de',
    customerId: 'acme',
    currency: 'EUR',
  },
  ...{ contractId: 'k', subscriptionId: 's', chargeId: '', correlationId: 'q-7', timezone: 'Europe/Berlin' },
  ...{ amount, atNs: nsOf(Date.parse('2026-09-30T22:30:00Z')) },
  ...more,
})

function posted(one: PrepaidMove): JournalEntry {
  const posting = prepaidEntryOf(one, mapping, place)
  if (posting.kind !== 'posting') throw new Error(JSON.stringify(posting))
  expect(journalProblems(posting.entry)).toEqual([])
  return posting.entry
}

test('a credit that was paid is a contract liability until it is drawn, expires or is voided, on the local day', () => {
  const granted = posted(move('granted', 10_000n * cent))
  expect(linesOf(granted)).toEqual([
    ['1200', 'receivable', 10_000n, 0n],
    ['2500', 'contract_liability', 0n, 10_000n],
  ])
  expect(granted).toMatchObject({
    accountingDate: '2026-10-01',
    accountingPeriod: '2026-10',
    customerId: 'acme',
  })
  const wire = journalToWire(granted)
  expect(wire).toMatchObject({ kind: 'prepaid', prepaid: { credit_id: 'cr_1', act: 'granted' } })
  expect(journalEntrySchema.safeParse(JSON.parse(JSON.stringify(wire))).success).toBe(true)
  const sidesOf = (act: PrepaidAct, amount: bigint) =>
    linesOf(posted(move(act, amount))).map(([account, , debit, credit]) => [account, debit, credit])
  expect(sidesOf('drawn', 60n * cent)).toEqual([
    ['2500', 60n, 0n],
    ['1200', 0n, 60n],
  ])
  expect(sidesOf('expired', 40n * cent)).toEqual([
    ['2500', 40n, 0n],
    ['4900', 0n, 40n],
  ])
  expect(sidesOf('drawn', -60n * cent)).toEqual([
    ['1200', 60n, 0n],
    ['2500', 0n, 60n],
  ])
})

test('what is 0 has no entry; what no rule maps, a currency that is none, and what is finer than a cent are refused', () => {
  const outcome = (one: PrepaidMove) => prepaidEntryOf(one, mapping, place)
  expect(outcome(move('drawn', 0n))).toEqual({ kind: 'nothing' })
  expect(outcome(move('drawn', cent, { entityId: 'us' }))).toMatchObject({ code: 'no_account_mapping' })
  expect(outcome(move('drawn', cent, { currency: 'XXQ' }))).toMatchObject({ code: 'unknown_currency' })
  expect(outcome(move('drawn', cent / 10n))).toMatchObject({ code: 'invalid_amount' })
  const nowhere = prepaidEntryOf(move('drawn', cent), mapping, () => undefined)
  expect(nowhere).toMatchObject({ code: 'no_accounting_period' })
})

test('over any life of a credit the liability is what was granted less what was drawn, expired and voided, and entries are each once', () => {
  const acts = fc.constantFrom<PrepaidAct>('granted', 'drawn', 'expired', 'voided')
  const life = fc.array(fc.tuple(acts, fc.bigInt({ min: -9_999n, max: 9_999n })), { maxLength: 30 })
  fc.assert(
    fc.property(life, moves => {
      const entries = moves.flatMap(([act, cents], n) => {
        const posting = prepaidEntryOf(move(act, cents * cent, { moveId: `m${n}` }), mapping, place)
        return posting.kind === 'posting' ? [posting.entry] : []
      })
      const left = moves.reduce((sum, [act, cents]) => sum + (act === 'granted' ? cents : -cents), 0n)
      const lines = entries.flatMap(entry => entry.lines).filter(line => line.role === 'contract_liability')
      expect(lines.reduce((sum, line) => sum + line.credit - line.debit, 0n)).toBe(left * cent)
      expect(new Set(entries.map(entry => entry.journalId)).size).toBe(entries.length)
      expect(entries.flatMap(journalProblems)).toEqual([])
    }),
    { numRuns: 50 },
  )
})

test('rules for tax and prepaid credits are checked with their lines and the nearest names', () => {
  const parsed = parseAccountMapping(
    text.replace('{ jurisdiction: US-CA }', '{ jurisdictio: US-CA }').replace('breakage', 'brekage'),
    'accounts.yaml',
  )
  const told = parsed.kind === 'invalid' ? parsed.problems.map(one => `${one.line} ${one.message}`) : []
  expect(told[0]).toBe(
    '7 A rule cannot match on jurisdictio; it can on tax_code, jurisdiction, entity_id, currency.',
  )
  expect(told.slice(1).join(' ')).toMatch(/14 .*brekage.*nearest known name is breakage/)
})
